package lambdaruntime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"
)

// Options say which binary to run, and how.
type Options struct {
	// Bootstrap is the binary's path.
	Bootstrap string
	// Name is the function's name, AWS_LAMBDA_FUNCTION_NAME.
	Name string
	// Environment is the binary's whole environment but for the variables
	// that Lambda itself sets.
	Environment map[string]string
	// Timeout is of one invocation; Lambda's default of 3 s if it is zero.
	Timeout  time.Duration
	MemoryMB int
	// Output receives what the binary prints: its logs. Nil discards them.
	Output io.Writer
}

// Function is a running bootstrap binary.
type Function struct {
	options Options
	api     *runtimeAPI
	server  *http.Server
	command *exec.Cmd
	exited  chan struct{}
	failure error // why it exited, valid once exited is closed
	count   atomic.Int64
}

// Start runs the binary. It returns once the process exists; whether it comes
// up shows in Ready or the first Invoke.
func Start(o Options) (*Function, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", o.Name, err)
	}
	if o.Timeout == 0 {
		o.Timeout = 3 * time.Second
	}
	f := &Function{options: o, exited: make(chan struct{})}
	f.api = &runtimeAPI{
		functionARN: "arn:aws:lambda:eu-central-1:000000000000:function:" + o.Name,
		events:      make(chan *invocation), started: make(chan struct{}),
		initFailed: make(chan error, 1), stop: make(chan struct{}),
	}
	f.server = &http.Server{Handler: f.api, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = f.server.Serve(listener) }()
	if err := f.run(listener.Addr().String()); err != nil {
		_ = f.server.Close()
		return nil, err
	}
	return f, nil
}

func (f *Function) run(address string) error {
	binary, err := filepath.Abs(f.options.Bootstrap)
	if err != nil {
		return fmt.Errorf("find %s: %w", f.options.Bootstrap, err)
	}
	f.command = exec.Command(binary)
	f.command.Env = f.environment(address)
	f.command.Stdout, f.command.Stderr = f.options.Output, f.options.Output
	if err := f.command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", f.options.Name, err)
	}
	go func() {
		f.failure = fmt.Errorf("%s exited: %w", f.options.Name, ended(f.command.Wait()))
		close(f.exited)
	}()
	return nil
}

func (f *Function) environment(address string) []string {
	env := []string{
		"AWS_LAMBDA_RUNTIME_API=" + address,
		"AWS_LAMBDA_FUNCTION_NAME=" + f.options.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(f.options.MemoryMB),
		"_HANDLER=bootstrap",
		"LAMBDA_TASK_ROOT=" + filepath.Dir(f.options.Bootstrap),
		"PATH=" + os.Getenv("PATH"),
		"TZ=:UTC",
	}
	for name, value := range f.options.Environment {
		env = append(env, name+"="+value)
	}
	return env
}

// Ready waits until the binary asks for its first event, and reports what kept
// it from doing so.
func (f *Function) Ready(ctx context.Context) error {
	select {
	case <-f.api.started:
		return nil
	case err := <-f.api.initFailed:
		return fmt.Errorf("%s could not start: %w", f.options.Name, err)
	case <-f.exited:
		return f.failure
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Invoke hands the binary an event and returns its answer. What the function
// itself reported as a failure is a *FunctionError.
func (f *Function) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, f.options.Timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	i := &invocation{
		id: fmt.Sprintf("00000000-0000-4000-8000-%012d", f.count.Add(1)), event: event,
		deadline: deadline, outcome: make(chan outcome, 1),
	}
	select {
	case f.api.events <- i:
	case err := <-f.api.initFailed:
		return nil, fmt.Errorf("%s could not start: %w", f.options.Name, err)
	case <-f.exited:
		return nil, f.failure
	case <-ctx.Done():
		return nil, fmt.Errorf("%s took no event: %w", f.options.Name, ctx.Err())
	}
	select {
	case o := <-i.outcome:
		return o.body, o.err
	case <-f.exited:
		return nil, f.failure
	case <-ctx.Done():
		return nil, fmt.Errorf("%s did not answer: %w", f.options.Name, ctx.Err())
	}
}

// Close ends the binary and waits for it.
func (f *Function) Close() error {
	close(f.api.stop)
	err := f.command.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-f.exited
	return errors.Join(err, f.server.Close())
}

func ended(err error) error {
	if err == nil {
		return errors.New("without an error")
	}
	return err
}
