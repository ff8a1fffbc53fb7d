package certificate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/retry"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const (
	// directoryTimeout is how long one authority may take for one certificate,
	// our own wait for the DNS included.
	directoryTimeout = 4 * time.Minute
	// callTimeout bounds one call to an authority.
	callTimeout = 30 * time.Second
	// firstPause and longestPause lie between two rounds through the list: Let's
	// Encrypt counts five failures an hour for one name.
	firstPause   = 2 * time.Minute
	longestPause = time.Hour
	// look bounds one wait for the time to renew: the clock may be moved.
	look = time.Minute
)

// Challenger publishes a value at the VM's own name, or withdraws all of them.
type Challenger interface {
	DNSChallenge(context.Context, dcm.DNSChallenge) (dcm.DNSChallenges, error)
}

// Options say whose certificate it is and where it comes from.
type Options struct {
	// Hostname is the VM's.
	Hostname string
	// Directories are the ACME directories, first choice first.
	Directories []string
	// Dir keeps the keys and the certificate; it is made, for root alone.
	Dir     string
	Control Challenger
	Clock   dcm.Clock
	Logger  *slog.Logger
	// UserAgent introduces us to the authorities.
	UserAgent string
	// HTTP reaches them; nil for a client that trusts the system's roots.
	HTTP *http.Client
	// Visible reports whether everybody can read the value at the name. Nil asks
	// the zone's own name servers.
	Visible func(ctx context.Context, name, value string) bool
	// Patience bounds the pauses; zero is for production.
	Patience time.Duration
}

// Keeper has a certificate, or strives for one.
type Keeper struct {
	options Options
	log     *slog.Logger
	current atomic.Pointer[tls.Certificate]
	tried   chan struct{}
	try     sync.Once // closes tried
}

// New makes a keeper, with the certificate that an earlier start left if it is
// there and good. It calls nobody.
func New(o Options) *Keeper {
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: callTimeout}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{options: o, log: o.Logger, tried: make(chan struct{})}
	kept, err := k.load()
	if err != nil {
		// A new one is ordered instead.
		k.log.Warn("the certificate that was kept can't be used", "error", err)
	}
	if kept != nil {
		k.current.Store(kept)
		k.noteTry()
	}
	return k
}

// Tried is closed once there is a certificate, or Keep has been through the list
// without getting one.
func (k *Keeper) Tried() <-chan struct{} { return k.tried }

func (k *Keeper) noteTry() { k.try.Do(func() { close(k.tried) }) }

// Get is for tls.Config.GetCertificate. It answers nil, and no error, while
// there is no certificate, or only one that is over.
func (k *Keeper) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c := k.current.Load()
	if c == nil || !k.options.Clock.Now().Before(c.Leaf.NotAfter) {
		return nil, nil
	}
	return c, nil
}

// Keep orders a certificate and renews it, until ctx ends. While that fails it
// goes through the list again and again, ever more rarely.
func (k *Keeper) Keep(ctx context.Context) {
	if len(k.options.Directories) == 0 {
		return
	}
	for k.untilDue(ctx) {
		p := retry.Policy{
			Base: k.patience(firstPause), Max: k.patience(longestPause), Longest: k.patience(longestPause),
			Transient: func(error) bool { return true },
		}
		err := p.Do(ctx, func(ctx context.Context) error {
			defer k.noteTry()
			return k.renew(ctx)
		})
		if err != nil {
			return // ctx has ended
		}
		// Where the clock is far ahead every new certificate would be due at once.
		if dcm.Sleep(ctx, k.patience(longestPause)) != nil {
			return
		}
	}
}

func (k *Keeper) patience(d time.Duration) time.Duration {
	if k.options.Patience > 0 {
		return min(d, k.options.Patience)
	}
	return d
}

// due is when the certificate has lived two thirds of its life.
func due(c *tls.Certificate) time.Time {
	life := c.Leaf.NotAfter.Sub(c.Leaf.NotBefore)
	return c.Leaf.NotBefore.Add(life / 3 * 2)
}

// untilDue waits for the time to order one; false when ctx has ended.
func (k *Keeper) untilDue(ctx context.Context) bool {
	for {
		c := k.current.Load()
		if c == nil {
			return ctx.Err() == nil
		}
		left := due(c).Sub(k.options.Clock.Now())
		if left <= 0 {
			return ctx.Err() == nil
		}
		if dcm.Sleep(ctx, min(left, k.patience(look))) != nil {
			return false
		}
	}
}

// told is how long the control plane said to wait.
func told(err error) time.Duration {
	if w, ok := errors.AsType[retry.Waiter](err); ok {
		return w.RetryAfter()
	}
	return 0
}

// renew goes through the list once.
func (k *Keeper) renew(ctx context.Context) error {
	var failed []error
	for _, directory := range k.options.Directories {
		began := k.options.Clock.Now()
		c, err := k.order(ctx, directory)
		if err == nil {
			k.current.Store(c)
			k.log.Info("there is a new certificate", "directory", directory, "until", c.Leaf.NotAfter,
				"seconds", int(k.options.Clock.Now().Sub(began).Seconds()))
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		k.log.Warn("no certificate from this directory", "directory", directory, "error", err)
		failed = append(failed, fmt.Errorf("%s: %w", directory, err))
		if told(err) > longestAsk {
			break // the control plane has had enough, whichever directory it is for
		}
	}
	return errors.Join(failed...)
}
