package app

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
	"github.com/devcontainer-manager/devcontainer-manager/internal/lifecycle"
)

// App is one function's surroundings.
type App struct {
	Config Config
	Clock  dcm.Clock
	Random io.Reader
	Log    *slog.Logger
	Meter  dcm.Meter
	HTTP   *http.Client

	aws awsClients
	// kept holds what is made once; see Keep.
	kept map[string]any
	// warmers are what a cold start does ahead of its first request.
	warmers []warmer
}

// Options replace what a test or the local stack brings along. The zero value
// is a Lambda's.
type Options struct {
	Function string
	Getenv   func(string) string
	Clock    dcm.Clock
	Random   io.Reader
	// Output takes log lines and metrics.
	Output io.Writer
	HTTP   *http.Client
}

// New reads the configuration. It calls nobody.
func New(o Options) (*App, error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Clock == nil {
		o.Clock = dcm.SystemClock{}
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Output == nil {
		o.Output = os.Stdout
	}
	if o.HTTP == nil {
		o.HTTP = newHTTPClient()
	}
	config, err := ReadConfig(o.Getenv)
	if err != nil {
		return nil, err
	}
	out := &lockedWriter{w: o.Output}
	a := &App{
		Config: config, Clock: o.Clock, Random: o.Random, HTTP: o.HTTP,
		Log:   slog.New(slog.NewJSONHandler(out, nil)),
		Meter: &meter{out: out, clock: o.Clock, installation: config.Installation, function: o.Function},
	}
	a.aws = newAWSClients(config, o.HTTP, o.Getenv)
	a.kept = map[string]any{}
	return a, nil
}

// newHTTPClient makes the one client of a function. A Lambda serves one
// request at a time, but that one may read several things at once.
func newHTTPClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	transport.IdleConnTimeout = 4 * time.Minute
	transport.TLSHandshakeTimeout = 5 * time.Second
	return &http.Client{Transport: transport, CheckRedirect: keepRedirect}
}

// keepRedirect answers a redirect as it is: following one would send a signed
// request elsewhere.
func keepRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Build makes a function's handler.
type Build func(*App) (lambda.Handler, error)

// Keep returns what make made under this name at the first call. It is for
// building functions, which one goroutine does.
func Keep[T any](a *App, name string, make func() T) T {
	if made, ok := a.kept[name]; ok {
		return made.(T)
	}
	fresh := make()
	a.kept[name] = fresh
	return fresh
}

// Endpoint makes the handler of a route for people and programs.
func (a *App) Endpoint(e httpapi.Endpoint) lambda.Handler { return a.VMEndpoint(e, nil) }

// VMEndpoint makes the handler of a route that a VM's token opens.
func (a *App) VMEndpoint(e httpapi.Endpoint, tokens dcm.Tokens) lambda.Handler {
	o := httpapi.Options{
		Identity: httpapi.Identity{TenantClaim: a.Config.TenantClaim, DefaultPermissions: a.Config.DefaultPermissions},
		Log:      a.Log,
		APIURL:   a.Config.APIURL,
		Tokens:   tokens,
	}
	if e.Audit != nil {
		o.Audit = &httpapi.Audit{Recorder: recorder{a.Store()}, Clock: a.Clock, Random: a.Random, Log: a.Log, Meter: a.Meter}
	}
	return handle(httpapi.New(e, o))
}

// recorder keeps the audit log in the table.
type recorder struct{ store dcm.Store }

// Record adds to the tenant's log.
func (r recorder) Record(ctx context.Context, t dcm.TenantID, e dcm.Event) error {
	return r.store.Tenant(t).AddEvent(ctx, e)
}

// Common is what every phase of the lifecycle needs.
func (a *App) Common() lifecycle.Common {
	return lifecycle.Common{
		Store: a.Store(), Clock: a.Clock, Log: a.Log, Meter: a.Meter, Random: a.Random,
		Installation: a.Config.Installation,
	}
}

// Links says how VMs' URLs look.
func (a *App) Links() api.Links { return api.Links{Scheme: a.Config.URLScheme, Port: a.Config.URLPort} }

// lockedWriter keeps lines whole: the log and the meter share it.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// Write writes one line.
func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
