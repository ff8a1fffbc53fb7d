package lambdaruntime

import "sync"

// pending holds the events a binary has been given and not answered yet.
type pending struct {
	mu    sync.Mutex
	first sync.Once
	byID  map[string]*invocation
}

func (p *pending) once(f func()) { p.first.Do(f) }

func (p *pending) add(i *invocation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byID == nil {
		p.byID = map[string]*invocation{}
	}
	p.byID[i.id] = i
}

// take returns the event of this id and forgets it: an event has one outcome.
func (p *pending) take(id string) *invocation {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.byID[id]
	delete(p.byID, id)
	return i
}
