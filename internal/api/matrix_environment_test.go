package api_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/cloudflare"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/kms"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/s3"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/ssm"
)

// This file runs functions as Lambda does: each in execution environments that
// serve one invocation at a time, keep their memory for the next, and may die.

// outsideCall is the nth call of an operation that an invocation makes.
type outsideCall struct {
	service, operation string
	nth                int
}

func (c outsideCall) String() string { return fmt.Sprintf("%s_%s_%d", c.service, c.operation, c.nth) }

// mode is what happens at an outside call.
type mode string

const (
	// modeRefused: the service says no, in a way that nobody tries again at once.
	modeRefused mode = "refused"
	// modeThrottled: the service says that there is too much to do, to this call
	// and to every try after it.
	modeThrottled mode = "throttled"
	// modeTimeout: nothing is done, and nothing is answered in time. At AWS,
	// whose calls have no time limit of their own, the invocation's time is up.
	modeTimeout mode = "timeout"
	// modeLate: the same, but the service does it once the invocation is over.
	modeLate mode = "late"
	// modeLostAnswer: it is done, and the answer does not arrive.
	modeLostAnswer mode = "lost_answer"
	// modeDiesBefore and modeDiesAfter: the function dies at this point, with all
	// that it had in memory. Nothing it would have done later happens.
	modeDiesBefore mode = "dies_before"
	modeDiesAfter  mode = "dies_after"
	// modeTwice: the same request arrives once more at this point, and is served
	// by another environment of the function.
	modeTwice mode = "twice"
)

var modes = []mode{modeRefused, modeThrottled, modeTimeout, modeLate, modeLostAnswer, modeDiesBefore, modeDiesAfter, modeTwice}

// disturbance happens to one invocation.
type disturbance struct {
	mode mode
	at   outsideCall
	// code is how the service refuses; "" for its usual way.
	code string
	// twin is what happens meanwhile: in the matrix the same request once more.
	// It returns when that is answered.
	twin func()
	// most is how many calls the twin may make before the first goes on: the
	// twin may be waiting for it.
	most int
}

// pool is a function: its execution environments.
type pool struct {
	stage *theatre
	build func(http.RoundTripper) (lambda.Handler, error)

	mu   sync.Mutex
	idle []*environment
	// next happens to the next invocation.
	next *disturbance
	// last are the calls that the last invocation without a twin made.
	last []outsideCall
	// twins counts calls of invocations beside a held one.
	twinCalls chan struct{}
}

// cold drops what the function has in memory, so that the next invocation
// starts from nothing, and does this to it.
func (p *pool) cold(d *disturbance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle, p.next, p.last, p.twinCalls = nil, d, nil, nil
}

func (p *pool) take() (*environment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, beside := p.next, p.twinCalls
	p.next = nil
	if d != nil && d.mode == modeTwice {
		p.twinCalls = make(chan struct{}, 1000)
	}
	if n := len(p.idle); n > 0 {
		e := p.idle[n-1]
		p.idle = p.idle[:n-1]
		e.disturbance, e.calls, e.beside = d, nil, beside
		return e, nil
	}
	e := &environment{pool: p, disturbance: d, beside: beside, dead: make(chan struct{})}
	var err error
	e.handler, err = p.build(e)
	return e, err
}

// Invoke serves one invocation.
func (p *pool) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	e, err := p.take()
	if err != nil {
		return nil, err
	}
	e.deadline = newDeadline(ctx)
	type result struct {
		answer []byte
		err    error
	}
	done := make(chan result, 1)
	go func() {
		answer, err := e.handler.Invoke(e.deadline, event)
		done <- result{answer, err}
	}()
	select {
	case r := <-done:
		e.over()
		return r.answer, r.err
	case <-e.dead:
		e.noted()
		return nil, errors.New("the function died")
	}
}

// environment is one execution environment, and the way out of it.
type environment struct {
	pool    *pool
	handler lambda.Handler
	dead    chan struct{}

	mu          sync.Mutex
	deadline    *deadline
	disturbance *disturbance
	calls       []outsideCall
	late        []*http.Request
	// beside hears of each call, where another invocation is held meanwhile.
	beside chan struct{}
}

// over is the end of an invocation that was answered.
func (e *environment) over() {
	for _, r := range e.late {
		if answer, err := http.DefaultTransport.RoundTrip(r); err == nil {
			answer.Body.Close()
		}
	}
	e.late = nil
	e.noted()
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	e.pool.idle = append(e.pool.idle, e)
}

func (e *environment) noted() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	if e.beside == nil {
		e.pool.last = e.calls
	}
}

// RoundTrip is an outside call.
func (e *environment) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-e.dead:
		return e.frozen()
	default:
	}
	s, ok := e.pool.stage.outside(r)
	if !ok {
		return http.DefaultTransport.RoundTrip(r)
	}
	d := e.arrives(s.name, s.operation(r))
	if d == nil {
		return http.DefaultTransport.RoundTrip(r)
	}
	switch d.mode {
	case modeRefused:
		return s.answer(r, cmp.Or(d.code, s.refusal)), nil
	case modeThrottled:
		return s.answer(r, s.throttled), nil
	case modeTimeout, modeLate:
		return nil, e.timesOut(s, r, d.mode == modeLate)
	case modeLostAnswer:
		return nil, e.loses(r)
	case modeDiesBefore:
		close(e.dead)
		return e.frozen()
	case modeDiesAfter:
		_ = e.loses(r)
		close(e.dead)
		return e.frozen()
	case modeTwice:
		e.pool.meet(d)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// arrives notes a call and returns what happens to it, nil for nothing.
func (e *environment) arrives(service, operation string) *disturbance {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := outsideCall{service, operation, 1}
	for _, before := range e.calls {
		if before.service == service && before.operation == operation {
			c.nth++
		}
	}
	e.calls = append(e.calls, c)
	if e.beside != nil {
		select {
		case e.beside <- struct{}{}:
		default:
		}
	}
	d := e.disturbance
	if d == nil || c != d.at && (d.mode != modeThrottled || c.service != d.at.service || c.operation != d.at.operation || c.nth < d.at.nth) {
		return nil
	}
	return d
}

// frozen is what a dead function does: nothing, until everything is over.
func (e *environment) frozen() (*http.Response, error) {
	<-e.pool.stage.over
	return nil, errors.New("the function is dead")
}

func (e *environment) loses(r *http.Request) error {
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	return io.ErrUnexpectedEOF
}

func (e *environment) timesOut(s outsideService, r *http.Request, late bool) error {
	if late {
		again := r.Clone(context.Background())
		if r.Body != nil {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			again.Body = io.NopCloser(bytes.NewReader(body))
		}
		e.mu.Lock()
		e.late = append(e.late, again)
		e.mu.Unlock()
	}
	if s.patient {
		e.deadline.expire()
		return context.DeadlineExceeded
	}
	return errTimeout{}
}

// errTimeout is what net/http says when a client's own time is up.
type errTimeout struct{}

func (errTimeout) Error() string {
	return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
}
func (errTimeout) Timeout() bool   { return true }
func (errTimeout) Temporary() bool { return true }

// meet has the twin served until it is answered, or waits for the first.
func (p *pool) meet(d *disturbance) {
	answered := make(chan struct{})
	p.stage.twins.Go(func() {
		defer close(answered)
		d.twin()
	})
	for range d.most {
		select {
		case <-p.twinCalls:
		case <-answered:
			return
		}
	}
}

// deadline is a context whose time can be up at any moment.
type deadline struct {
	context.Context
	once    sync.Once
	expired chan struct{}
	done    chan struct{}
}

func newDeadline(parent context.Context) *deadline {
	d := &deadline{Context: parent, expired: make(chan struct{}), done: make(chan struct{})}
	go func() {
		select {
		case <-parent.Done():
		case <-d.expired:
		}
		close(d.done)
	}()
	return d
}

func (d *deadline) expire() { d.once.Do(func() { close(d.expired) }) }

// Done is closed once the time is up, or the parent's is.
func (d *deadline) Done() <-chan struct{} { return d.done }

// Err says which.
func (d *deadline) Err() error {
	select {
	case <-d.done:
	default:
		return nil
	}
	select {
	case <-d.expired:
		return context.DeadlineExceeded
	default:
		return d.Context.Err()
	}
}

// outsideService is a service as its clients see it.
type outsideService struct {
	name       string
	operation  func(*http.Request) string
	writeError func(http.ResponseWriter, *http.Request, string)
	// refusal is an error that no client tries again, throttled the service's
	// word for too many requests.
	refusal, throttled string
	// patient says that its client waits as long as the invocation has time.
	patient bool
}

func outsideServices() []outsideService {
	return []outsideService{
		{"dynamodb", dynamodb.Operation, dynamodb.WriteError, "ValidationException", "ThrottlingException", true},
		{"kms", kms.Operation, kms.WriteError, "DisabledException", "ThrottlingException", true},
		{"s3", s3.Operation, s3.WriteError, "InvalidRequest", "SlowDown", true},
		{"ssm", ssm.Operation, ssm.WriteError, "AccessDeniedException", "ThrottlingException", true},
		{"hetzner", hetzner.Operation, hetzner.WriteError, "forbidden", "rate_limit_exceeded", false},
		{"cloudflare", cloudflare.Operation, cloudflare.WriteError, "403", "429", false},
	}
}

// answer is the service's error.
func (s outsideService) answer(r *http.Request, code string) *http.Response {
	if r.Body != nil {
		r.Body.Close()
	}
	recorder := httptest.NewRecorder()
	s.writeError(recorder, r, code)
	answer := recorder.Result()
	answer.Request = r
	return answer
}

// outside finds the service that a request goes to.
func (s *theatre) outside(r *http.Request) (outsideService, bool) {
	for _, service := range outsideServices() {
		address, err := url.Parse(s.Endpoint(service.name))
		if err == nil && address.Host == r.URL.Host {
			return service, true
		}
	}
	return outsideService{}, false
}
