package terminal

import "sync"

const (
	// TranscriptBytes is how much of a session's output is kept.
	TranscriptBytes = 1 << 20
	// markEvery is the least distance between two places to cut at.
	markEvery = 512
)

// transcript is the end of everything a session printed. Offsets count from
// the session's first byte.
type transcript struct {
	mu      sync.Mutex
	ring    []byte // byte at offset o lies at o % len(ring)
	end     int64
	scanner scanner
	marks   []mark // ascending
	changed chan struct{}
}

// mark is an offset at which the output can be cut, and the modes there.
type mark struct {
	offset int64
	modes  modes
}

func newTranscript(size int) *transcript {
	return &transcript{ring: make([]byte, size), marks: []mark{{}}, changed: make(chan struct{})}
}

// Write appends, and never fails.
func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range p {
		cut := t.scanner.next(b)
		t.ring[t.end%int64(len(t.ring))] = b
		t.end++
		if cut && t.end >= t.marks[len(t.marks)-1].offset+markEvery {
			t.marks = append(t.marks, mark{t.end, t.scanner.modes})
		}
	}
	t.forget()
	t.wake()
	return len(p), nil
}

// Reset puts clients' terminals back as they began, on a new line: the program
// that changed them may have ended in the middle of a sequence.
func (t *transcript) Reset() {
	t.mu.Lock()
	undo := t.scanner.modes.undo()
	t.mu.Unlock()
	_, _ = t.Write([]byte("\x18\x1b[!p" + undo + "\r\n"))
}

// forget drops the marks of what is no longer kept, all but the newest mark.
func (t *transcript) forget() {
	i := 0
	for i < len(t.marks)-1 && t.marks[i].offset < t.start() {
		i++
	}
	t.marks = append(t.marks[:0], t.marks[i:]...)
}

func (t *transcript) start() int64 { return max(0, t.end-int64(len(t.ring))) }

// Notify wakes whoever waits for a change.
func (t *transcript) Notify() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wake()
}

func (t *transcript) wake() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// Changed is closed at the next write or Notify. Take it before looking.
func (t *transcript) Changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed
}

// End is the offset of the next byte to come.
func (t *transcript) End() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.end
}

// Read copies output from offset into p. Where offset is not kept, or never
// was, it skips to the first place to cut at: at is where the copied bytes
// begin, and modes is to be set first if at differs from offset.
func (t *transcript) Read(offset int64, p []byte) (n int, at int64, modes string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at = offset
	if offset < t.start() || offset > t.end {
		m := t.firstMark()
		at, modes = m.offset, m.modes.sequence()
	}
	size := int64(len(t.ring))
	for n < len(p) && at+int64(n) < t.end {
		from := (at + int64(n)) % size
		n += copy(p[n:], t.ring[from:min(size, from+t.end-at-int64(n))])
	}
	return n, at, modes
}

// firstMark is the oldest kept place to cut at. There is none while one escape
// sequence fills the whole ring; then its end so far must do.
func (t *transcript) firstMark() mark {
	for _, m := range t.marks {
		if m.offset >= t.start() {
			return m
		}
	}
	return mark{t.end, t.scanner.modes}
}
