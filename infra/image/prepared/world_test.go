package prepared_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/devcontainer-manager/devcontainer-manager/cloudinit"
	"github.com/devcontainer-manager/devcontainer-manager/infra/image/prepared"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/ssm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/wire"
)

const (
	project      = "platform"
	token        = "platform-token"
	installation = "prod"
)

// clock stands still until somebody sleeps.
type clock struct{ *clocktest.Clock }

func (c clock) sleep(ctx context.Context, d time.Duration) error {
	c.Advance(d)
	return ctx.Err()
}

// oven is the servers: each fills itself in twenty seconds and powers off, unless
// it is broken.
type oven struct {
	clock  clock
	mu     sync.Mutex
	done   map[string]time.Time
	data   []string
	broken bool
}

func (o *oven) Boot(_ context.Context, s hetzner.ServerInfo) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.done[s.ID] = o.clock.Now().Add(20 * time.Second)
	o.data = append(o.data, s.UserData)
	return nil
}

func (o *oven) Stop(context.Context, string) error { return nil }

func (o *oven) Status(id string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if end, ok := o.done[id]; ok && !o.broken && !o.clock.Now().Before(end) {
		return "off"
	}
	return "running"
}

// world is Hetzner and the parameter store, over the wire.
type world struct {
	t     *testing.T
	clock clock
	oven  *oven
	api   *hetzner.Server
	ssm   *ssm.Server
	wire  *wire.Wire
	cloud string
	store string
	ids   int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := clock{clocktest.New(time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC))}
	w := &world{t: t, clock: c, oven: &oven{clock: c, done: map[string]time.Time{}}, wire: wire.New()}
	w.api = hetzner.New(hetzner.Options{
		Clock: c, Tokens: map[string]hetzner.Token{token: {Project: project}}, Machine: w.oven,
		DeleteDelay: 5 * time.Second, SnapshotDelay: 15 * time.Second,
	})
	w.ssm = ssm.New(ssm.Options{Clock: c})
	serve := func(s wire.Service) string {
		front := httptest.NewServer(w.wire.Wrap(s))
		t.Cleanup(front.Close)
		return front.URL
	}
	w.cloud = serve(wire.Service{Name: "hetzner", Handler: w.api, Operation: hetzner.Operation, Operations: hetzner.Operations(), WriteError: hetzner.WriteError, DefaultCode: "unavailable"}) + "/v1"
	w.store = serve(wire.Service{Name: "ssm", Handler: w.ssm, Operation: ssm.Operation, Operations: ssm.Operations(), WriteError: ssm.WriteError, DefaultCode: "InternalServerError"})
	t.Cleanup(func() { w.wire.Close(); w.api.Close() })
	return w
}

// process is a run's: with it dies what it knew. transport is its way out, nil for
// the usual one.
func (w *world) process(transport http.RoundTripper) *prepared.Workshop {
	if transport == nil {
		transport = http.DefaultTransport
	}
	client := &http.Client{Transport: transport}
	return &prepared.Workshop{
		Cloud: hcloud.NewClient(hcloud.WithEndpoint(w.cloud), hcloud.WithToken(token), hcloud.WithHTTPClient(client),
			hcloud.WithRetryOpts(hcloud.RetryOpts{MaxRetries: 0})),
		Record: prepared.Parameter{
			Name: dcm.ImageRecordParameter(installation),
			Client: awsssm.New(awsssm.Options{
				Region: "eu-central-1", BaseEndpoint: aws.String(w.store), HTTPClient: client, RetryMaxAttempts: 1,
				Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
				}),
			}),
		},
		Installation: installation, Clock: w.clock, Sleep: w.clock.sleep, Out: w.t.Output(), Keep: 2,
		NewID: func() (string, error) { w.ids++; return fmt.Sprintf("build%d", w.ids), nil },
	}
}

func recipe(arch string) prepared.Recipe {
	return prepared.Recipe{
		ImageOptions: cloudinit.ImageOptions{
			Agent: cloudinit.Download{
				Architecture: arch, URL: dcm.NewSecret("https://b.example.com/agent?X-Amz-Signature=ab"), SHA256: strings.Repeat("a1", 32),
			},
			BaseImage: "mcr.example.com/base:ubuntu",
		},
		ServerImage: "ubuntu-24.04",
	}
}

func (w *world) mustBuild(r prepared.Recipe, fresh bool) int64 {
	w.t.Helper()
	id, err := w.process(nil).Build(w.t.Context(), r, fresh)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// images are the numbers of the project's snapshots, oldest first.
func (w *world) images() []int64 {
	ids := []int64{}
	for _, s := range w.api.Snapshots(project) {
		ids = append(ids, s.ID)
	}
	return ids
}

// recorded is what launches boot.
func (w *world) recorded() dcm.PreparedImages {
	w.t.Helper()
	r, err := w.process(nil).Record.Read(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return r["hetzner"]
}

// requireOnly checks that there is this one image, that launches boot it, and that
// nothing else is left.
func (w *world) requireOnly(id int64) {
	w.t.Helper()
	if left := w.api.State(); len(left) != 0 {
		w.t.Errorf("servers are left: %+v", left)
	}
	if got := w.images(); len(got) != 1 || got[0] != id {
		w.t.Errorf("there are images %v, want %d alone", got, id)
	}
	if got := w.recorded()["cx23"]; got != fmt.Sprint(id) {
		w.t.Errorf("launches boot %q, want %d", got, id)
	}
}

func (w *world) fault(f wire.Fault) {
	w.t.Helper()
	if err := w.wire.Inject(f); err != nil {
		w.t.Fatal(err)
	}
}

// order puts a server into the project, as the API does.
func (w *world) order(name string, image int64, labels map[string]string) *hcloud.Server {
	w.t.Helper()
	made, _, err := w.process(nil).Cloud.Server.Create(w.t.Context(), hcloud.ServerCreateOpts{
		Name: name, ServerType: &hcloud.ServerType{Name: "cx23"}, Image: &hcloud.Image{ID: image}, Labels: labels,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return made.Server
}

// mortal is the network of a process that dies at its nth call: before the call
// is made, or once it is and before its answer arrives.
type mortal struct {
	mu    sync.Mutex
	calls int
	at    int
	after bool
}

var errDead = errors.New("the process is dead")

func (m *mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	m.calls++
	n := m.calls
	m.mu.Unlock()
	if m.at == 0 || n < m.at {
		return http.DefaultTransport.RoundTrip(r)
	}
	if n == m.at && m.after {
		if answer, err := http.DefaultTransport.RoundTrip(r); err == nil {
			answer.Body.Close()
		}
	}
	return nil, errDead
}
