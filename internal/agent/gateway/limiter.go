package gateway

import (
	"container/list"
	"sync"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// How often a password may be tried. Only wrong ones use a token up.
const (
	clientTries       = 10
	clientTryEvery    = 10 * time.Second
	globalTries       = 100
	globalTryEvery    = time.Second
	maxLimitedClients = 4096
)

// limiter is a token bucket per client and one for all of them. It forgets the
// client unseen for longest, so its memory is bounded; the bucket for all
// bounds what a guesser with many addresses gains by that.
type limiter struct {
	clock dcm.Clock

	mu      sync.Mutex
	all     bucket
	clients map[string]*list.Element
	recent  *list.List // of *clientBucket, the latest seen first
}

type clientBucket struct {
	client string
	bucket
}

func newLimiter(clock dcm.Clock) *limiter {
	return &limiter{
		clock:   clock,
		all:     bucket{capacity: globalTries, every: globalTryEvery, tokens: globalTries},
		clients: make(map[string]*list.Element),
		recent:  list.New(),
	}
}

// take uses up one try of a client. Where there is none left it returns how
// long until there is one, and uses nothing up.
func (l *limiter) take(client string) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, own := l.clock.Now(), l.bucketOf(client)
	l.all.refill(now)
	own.refill(now)
	if wait := max(own.wait(), l.all.wait()); wait > 0 {
		return wait
	}
	own.tokens--
	l.all.tokens--
	return 0
}

// giveBack returns what take used up, for a password that was right.
func (l *limiter) giveBack(client string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.bucketOf(client)
	own.tokens = min(own.tokens+1, own.capacity)
	l.all.tokens = min(l.all.tokens+1, l.all.capacity)
}

func (l *limiter) bucketOf(client string) *bucket {
	if e, ok := l.clients[client]; ok {
		l.recent.MoveToFront(e)
		return &e.Value.(*clientBucket).bucket
	}
	if len(l.clients) >= maxLimitedClients {
		oldest := l.recent.Back()
		delete(l.clients, l.recent.Remove(oldest).(*clientBucket).client)
	}
	b := &clientBucket{client, bucket{capacity: clientTries, every: clientTryEvery, tokens: clientTries}}
	l.clients[client] = l.recent.PushFront(b)
	return &b.bucket
}

// bucket gains a token every so often, up to its capacity.
type bucket struct {
	capacity, tokens float64
	every            time.Duration
	filled           time.Time
}

func (b *bucket) refill(now time.Time) {
	if gained := now.Sub(b.filled); gained > 0 && !b.filled.IsZero() {
		b.tokens = min(b.capacity, b.tokens+float64(gained)/float64(b.every))
	}
	b.filled = now
}

// wait is how long until there is a whole token, at least a second so that it
// can be said in Retry-After; zero when there is one.
func (b *bucket) wait() time.Duration {
	if b.tokens >= 1 {
		return 0
	}
	return max(time.Second, time.Duration((1-b.tokens)*float64(b.every)))
}
