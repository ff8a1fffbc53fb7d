package local

import (
	"context"
	"sync"
	"time"
)

// pulse knows when each VM's agent was last heard.
type pulse struct {
	mu      sync.Mutex
	last    map[string]time.Time
	changed chan struct{}
}

func newPulse() *pulse { return &pulse{last: map[string]time.Time{}, changed: make(chan struct{})} }

// beat notes a heartbeat that arrived at the given time.
func (p *pulse) beat(vm string, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[vm] = at
	close(p.changed)
	p.changed = make(chan struct{})
}

// wait returns when every VM that live lists was heard since the given time,
// or when ctx ends. A VM that dies meanwhile is not waited for.
func (p *pulse) wait(ctx context.Context, since time.Time, live func() []string) {
	again := time.NewTicker(50 * time.Millisecond) // for those that die
	defer again.Stop()
	for {
		p.mu.Lock()
		changed, all := p.changed, true
		for _, vm := range live() {
			all = all && !p.last[vm].Before(since)
		}
		p.mu.Unlock()
		if all {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-again.C:
		}
	}
}
