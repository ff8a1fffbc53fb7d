package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/apigateway"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/edge"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/issuer"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sam"
)

// Stack is a running system.
type Stack struct {
	// URL is the API's address for VMs and everybody else, UserURL the stack's
	// user's; EdgePort is the port of the VMs' addresses.
	URL      string
	UserURL  string
	EdgePort int
	// SampleRepository is the URL of a git repository to make VMs for.
	SampleRepository string
	// Dir holds everything the stack has on disk, logs included.
	Dir string

	options   Options
	clock     *Clock
	services  *services
	listeners *listeners
	template  *sam.Template
	front     *front
	api       *apigateway.Gateway
	schedules *schedules
	pulse     *pulse

	end        context.CancelFunc
	background sync.WaitGroup
	closing    sync.Once
	closed     error
	// files are closed last.
	files []io.Closer
}

// Start brings everything up and returns when the API answers. ctx bounds the
// start only; Close ends the stack.
func Start(ctx context.Context, o Options) (*Stack, error) {
	s := &Stack{options: o.withDefaults(), pulse: newPulse()}
	s.listeners = &listeners{address: s.options.Address, logger: s.options.Logger}
	for _, step := range []struct {
		progress string
		do       func(context.Context) error
	}{
		{"starting DynamoDB, KMS, S3, Hetzner and Cloudflare stand-ins", s.startServices},
		{"making a sample repository", s.makeSample},
		{"starting the API", s.startAPI},
	} {
		s.options.Progress(step.progress)
		if err := step.do(ctx); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	// Setting up made calls; nobody wants to see them counted.
	s.services.wire.Forget()
	return s, nil
}

func (s *Stack) startServices(ctx context.Context) (err error) {
	if s.Dir, err = os.MkdirTemp(s.options.Dir, "dcm-local-"); err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	if s.clock, err = newClock(filepath.Join(s.Dir, "clock")); err != nil {
		return err
	}
	if s.services, err = newServices(s.options, s.Dir, s.clock); err != nil {
		return err
	}
	if err := s.services.serve(s.listeners); err != nil {
		return err
	}
	return s.services.createTable(ctx)
}

func (s *Stack) makeSample(ctx context.Context) (err error) {
	if s.SampleRepository = s.options.Repository; s.SampleRepository != "" {
		return nil
	}
	s.SampleRepository, err = sampleRepository(ctx, s.Dir)
	return err
}

func (s *Stack) startAPI(context.Context) error {
	s.front = &front{clock: s.clock}
	port, err := s.listeners.serve("the API", s.options.Port, s.front)
	if err != nil {
		return err
	}
	s.URL = baseURL(s.options.Address, port)
	if err := s.openDoors(); err != nil {
		return err
	}
	if s.template, err = loadTemplate(s.options.Template, s.options.BaseDomain, s.services); err != nil {
		return err
	}
	functions, err := s.buildFunctions()
	if err != nil {
		return err
	}
	s.api, err = apigateway.New(apigateway.Options{
		Clock: s.clock, Routes: s.template.Routes, Functions: functions, Logger: s.options.Logger, Observe: s.observe,
	})
	if err != nil {
		return err
	}
	s.schedules = newSchedules(s.clock, s.api, s.template.Schedules, s.options.Logger)
	ctx, cancel := context.WithCancel(context.Background())
	s.end = cancel
	if !s.options.ManualSchedules {
		s.background.Go(func() { s.schedules.run(ctx) })
	}
	s.front.open(s.api, s.controls())
	return nil
}

// openDoors serves the VMs' addresses, and, if the stack's user comes in
// elsewhere, the API there as well.
func (s *Stack) openDoors() (err error) {
	const name = "the VMs' addresses"
	doors := s.options.Doors
	if doors == nil {
		doors = &Doors{}
		if doors.VMs, err = s.listeners.listen(name, s.options.EdgePort); err != nil {
			return err
		}
	}
	s.UserURL, s.EdgePort = s.URL, portOf(doors.VMs)
	if doors.API != nil {
		s.listeners.serveOn("the API's door", doors.API, s.front)
		s.UserURL = "http://" + doors.API.Addr().String()
	}
	e := edge.New(edge.Options{
		Resolve: s.resolve, Locate: s.services.machines.Locate, TLS: s.options.TLS != nil, Names: s.names, Logger: s.options.Logger,
	})
	front := doors.VMs
	if s.options.TLS != nil {
		front = e.Passage(front)
	}
	s.listeners.serveOn(name, front, e)
	return nil
}

func (s *Stack) scheme() string {
	if s.options.TLS != nil {
		return "https"
	}
	return "http"
}

// buildFunctions makes every function of the template, and puts the agent
// where they will look for it.
func (s *Stack) buildFunctions() (map[string]apigateway.Function, error) {
	digest, err := s.uploadAgent()
	if err != nil {
		return nil, err
	}
	output := s.options.FunctionOutput
	if output == nil {
		file, err := os.OpenFile(filepath.Join(s.Dir, "functions.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open the functions' log: %w", err)
		}
		s.files = append(s.files, file)
		output = file
	}
	overrides := s.overrides(digest)
	functions := map[string]apigateway.Function{}
	for _, f := range s.template.Functions {
		h, err := s.options.Functions(f.Name, getenv(f, overrides), s.clock, output)
		if err != nil {
			return nil, fmt.Errorf("build function %s: %w", f.Name, err)
		}
		functions[f.Name] = apigateway.Function{Handler: h, Timeout: f.Timeout}
	}
	return functions, nil
}

// uploadAgent stores the agent as a deployment does, and returns its SHA-256.
func (s *Stack) uploadAgent() (string, error) {
	file, err := os.Open(s.options.AgentBinary)
	if err != nil {
		return "", fmt.Errorf("open the agent: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	key := agentKey(s.template.Parameters["AgentKeyPrefix"], runtime.GOARCH)
	if err := s.services.s3.Put(bucketName, key, "application/octet-stream", io.TeeReader(file, sum)); err != nil {
		return "", fmt.Errorf("store the agent: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Token mints a token, as the identity provider would.
func (s *Stack) Token(who issuer.Identity) (dcm.Secret, error) { return s.services.issuer.Mint(who) }

// Kill ends every VM's processes at once, for a process about to end without
// Close.
func (s *Stack) Kill() {
	if s.services != nil {
		s.services.machines.Kill()
	}
}

// Close ends everything: no process is left, and no file.
func (s *Stack) Close() error {
	s.closing.Do(func() {
		if s.end != nil {
			s.end()
		}
		s.listeners.close()
		if s.services != nil {
			s.closed = s.services.close()
		}
		s.background.Wait()
		for _, f := range s.files {
			s.closed = errors.Join(s.closed, f.Close())
		}
		if s.Dir != "" {
			s.closed = errors.Join(s.closed, os.RemoveAll(s.Dir))
		}
	})
	return s.closed
}
