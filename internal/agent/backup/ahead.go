package backup

import (
	"context"
	"io"
)

// The stage between decryption and decompression holds a megabyte.
const (
	aheadBytes  = 256 << 10
	aheadChunks = 4
)

// ahead reads from a reader before it is asked to, in a goroutine of its own:
// downloading, hashing and decrypting go on while the bytes before are
// decompressed.
type ahead struct {
	full    chan []byte
	free    chan []byte
	current []byte
	buffer  []byte
	err     error // of the reader; set before full is closed
	cancel  context.CancelFunc
	done    chan struct{}
}

func readAhead(ctx context.Context, r io.Reader) *ahead {
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{
		full: make(chan []byte, aheadChunks), free: make(chan []byte, aheadChunks),
		cancel: cancel, done: make(chan struct{}),
	}
	for range aheadChunks {
		a.free <- make([]byte, aheadBytes)
	}
	go func() {
		defer close(a.done)
		defer close(a.full)
		a.err = a.fill(ctx, r)
	}()
	return a
}

// fill returns the reader's error, io.EOF at its end. It never blocks when it
// hands a chunk over: there are no more chunks than fit.
func (a *ahead) fill(ctx context.Context, r io.Reader) error {
	for {
		var b []byte
		select {
		case b = <-a.free:
		case <-ctx.Done():
			return ctx.Err()
		}
		// Not io.ReadFull: it hides which error ended the reader.
		n, err := 0, error(nil)
		for n < len(b) && err == nil {
			var k int
			k, err = r.Read(b[n:])
			n += k
		}
		a.full <- b[:n]
		if err != nil {
			return err
		}
	}
}

// Read returns what was read ahead, then the reader's error.
func (a *ahead) Read(p []byte) (int, error) {
	for len(a.current) == 0 {
		if a.buffer != nil {
			a.free <- a.buffer[:cap(a.buffer)]
			a.buffer = nil
		}
		chunk, ok := <-a.full
		if !ok {
			return 0, a.err
		}
		a.current, a.buffer = chunk, chunk
	}
	n := copy(p, a.current)
	a.current = a.current[n:]
	return n, nil
}

// Close ends reading ahead. Its reader is not used any more afterwards, unless
// it blocks: then it has to be ended first.
func (a *ahead) Close() {
	a.cancel()
	<-a.done
}
