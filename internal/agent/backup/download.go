package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// download reads an object as one stream over as many connections as it
// takes: what breaks is continued where it broke.
type download struct {
	ctx    context.Context
	http   *http.Client
	tuning Tuning
	url    string
	size   int64

	offset int64
	body   io.ReadCloser
	stall  *time.Timer
	cancel context.CancelFunc
	failed int // tries in a row that brought nothing
}

// Read returns the next bytes; io.EOF only after exactly size bytes.
func (d *download) Read(p []byte) (int, error) {
	if d.offset == d.size {
		d.Close()
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), d.size-d.offset)]
	policy := d.tuning.policy(nil)
	for {
		n, err := d.try(p)
		d.offset += int64(n)
		if n > 0 {
			d.failed = 0
			return n, nil
		}
		d.Close()
		if e := (*storageError)(nil); errors.As(err, &e) && !e.passing() || errors.Is(err, ErrDamaged) {
			return 0, err
		}
		if d.failed++; d.failed >= policy.Attempts || d.ctx.Err() != nil {
			return 0, err
		}
		timer := time.NewTimer(policy.Pause(d.failed-1, err))
		select {
		case <-timer.C:
		case <-d.ctx.Done():
			timer.Stop()
			return 0, err
		}
	}
}

func (d *download) try(p []byte) (int, error) {
	if d.body == nil {
		if err := d.open(); err != nil {
			return 0, err
		}
	}
	d.stall.Reset(stallAfter)
	n, err := d.body.Read(p)
	if n == 0 && err != nil {
		return 0, &transferError{err: fmt.Errorf("after %d of %d bytes: %w", d.offset, d.size, err)}
	}
	return n, nil
}

func (d *download) open() error {
	ctx, cancel := context.WithCancel(d.ctx)
	d.cancel, d.stall = cancel, time.AfterFunc(stallAfter, cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return fmt.Errorf("make the request: %w", bare(err))
	}
	if d.offset > 0 {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.offset))
	}
	answer, err := d.http.Do(r)
	if err != nil {
		return &transferError{err: bare(err)}
	}
	if err := d.accept(answer); err != nil {
		answer.Body.Close()
		return err
	}
	d.body = answer.Body
	return nil
}

// accept checks that an answer is the object, from the offset on.
func (d *download) accept(answer *http.Response) error {
	switch {
	case answer.StatusCode == http.StatusPartialContent && d.offset > 0:
		want := fmt.Sprintf("bytes %d-%d/%d", d.offset, d.size-1, d.size)
		if got := answer.Header.Get("Content-Range"); !strings.EqualFold(got, want) {
			return fmt.Errorf("%w: storage sent %q instead of %q", ErrDamaged, got, want)
		}
		return nil
	case answer.StatusCode == http.StatusOK:
		if answer.ContentLength >= 0 && answer.ContentLength != d.size {
			return fmt.Errorf("%w: it has %d bytes instead of %d", ErrDamaged, answer.ContentLength, d.size)
		}
		// From the start although a range was asked for: skip what we have.
		if _, err := io.CopyN(io.Discard, answer.Body, d.offset); err != nil {
			return &transferError{err: err}
		}
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	return newStorageError(answer, body)
}

// Close ends the current connection.
func (d *download) Close() {
	if d.body != nil {
		d.body.Close()
		d.body = nil
	}
	if d.cancel != nil {
		d.stall.Stop()
		d.cancel()
		d.cancel = nil
	}
}
