package terminal

import (
	"sync"
	"time"
)

const (
	// window is how far a client may be behind what was sent to it.
	window = 512 << 10
	// patience is how long the shell's output waits for a client that has just
	// shown progress. A page that is hidden, stuck or cut off shows none, and
	// is not waited for.
	patience = time.Second
)

// session is one shell and what it printed.
type session struct {
	id      string
	number  int
	options Options
	output  *transcript

	mu      sync.Mutex
	process *process // nil before the first start
	starts  int
	// leaders are the session ids of every shell started here: what they left
	// running is found by them.
	leaders []int
	exit    *exit // of the newest start; nil while it runs
	ended   bool
	size    Size
	viewers map[*viewer]struct{}
	// lead is the client that attached or typed last: only its answers to a
	// program's questions count, or the program would get one from each.
	lead     *viewer
	progress chan struct{} // holds one value after an acknowledgement
}

// viewer is one attached client.
type viewer struct {
	acked   int64
	ackedAt time.Time
	detach  func()
}

func newSession(id string, number int, size Size, o Options) *session {
	return &session{
		id: id, number: number, size: size, options: o,
		output:   newTranscript(TranscriptBytes),
		viewers:  make(map[*viewer]struct{}),
		progress: make(chan struct{}, 1),
	}
}

func (s *session) describe() Session {
	return Session{ID: s.id, Number: s.number, Running: s.running()}
}

func (s *session) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process != nil && s.exit == nil
}

// start runs a shell, unless one runs or the session has ended.
func (s *session) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || (s.process != nil && s.exit == nil) {
		return nil
	}
	if s.starts > 0 {
		s.output.Reset()
	}
	p, err := startProcess(s.options.Shell(), s.size, pacedOutput{s}, s.shellEnded)
	if err != nil {
		return err
	}
	s.process, s.exit = p, nil
	s.starts++
	s.leaders = append(s.leaders, p.cmd.Process.Pid)
	s.output.Notify()
	return nil
}

func (s *session) shellEnded(e exit) {
	s.mu.Lock()
	s.exit = &e
	s.mu.Unlock()
	s.output.Notify()
}

// end stops the shell by the given means and lets every client go. It returns
// the session ids of processes that may have outlived their shell.
func (s *session) end(stop func(*process)) (leaders []int) {
	s.mu.Lock()
	s.ended = true
	p, leaders := s.process, s.leaders
	s.mu.Unlock()
	if p != nil {
		stop(p)
	}
	s.detachAll()
	return leaders
}

func (s *session) detachAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for v := range s.viewers {
		v.detach()
	}
}

// state is what clients are told besides output.
type state struct {
	starts int
	exit   *exit
	size   Size
}

func (s *session) state() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return state{s.starts, s.exit, s.size}
}

func (s *session) attach(v *viewer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.viewers[v] = struct{}{}
	s.lead = v
	if s.ended {
		v.detach()
	}
}

func (s *session) leave(v *viewer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.viewers, v)
	if s.lead == v {
		s.lead = nil
		for other := range s.viewers {
			s.lead = other
		}
	}
}

// input passes input on: a user's always, a terminal's own answers only from
// the client that leads.
func (s *session) input(v *viewer, b []byte, done <-chan struct{}) {
	report := isReport(b)
	s.mu.Lock()
	if !report {
		s.lead = v
	}
	p, leads := s.process, s.lead == v
	s.mu.Unlock()
	if !report {
		s.options.Input()
	}
	if leads && p != nil {
		p.write(b, done)
	}
}

// resize follows the client that asked last, and tells the others.
func (s *session) resize(size Size) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size == s.size {
		return
	}
	s.size = size
	if s.process != nil {
		s.process.resize(size)
	}
	s.output.Notify()
}

// ack records how far a client has come.
func (s *session) ack(v *viewer, offset int64) {
	s.mu.Lock()
	v.acked, v.ackedAt = max(v.acked, offset), time.Now()
	s.mu.Unlock()
	select {
	case s.progress <- struct{}{}:
	default:
	}
	s.output.Notify()
}

// pacedOutput writes a shell's output into its session's transcript, and slows
// the shell down to what a client that keeps up can show.
type pacedOutput struct{ session *session }

func (o pacedOutput) Write(p []byte) (int, error) {
	n, err := o.session.output.Write(p)
	for o.session.mustWait() {
		timer := time.NewTimer(patience)
		select {
		case <-o.session.progress:
		case <-timer.C:
		}
		timer.Stop()
	}
	return n, err
}

// mustWait reports whether a client is far behind and yet keeps coming.
func (s *session) mustWait() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	end, now := s.output.End(), time.Now()
	for v := range s.viewers {
		if end-v.acked > window && now.Sub(v.ackedAt) < patience {
			return true
		}
	}
	return false
}
