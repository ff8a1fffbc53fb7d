package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// part is one part of the encrypted stream, with its digest.
type part struct {
	number int
	data   []byte
	digest [sha256.Size]byte
}

// splitter is the end of the pipeline: it cuts the stream into parts. It owns
// one buffer more than there are uploads, and blocks when all are in use: that
// is what holds the whole pipeline to the speed of the network.
type splitter struct {
	ctx       context.Context // ends when any part of the backup fails
	partBytes int
	maxParts  int
	full      chan part
	free      chan []byte
	current   []byte

	size    int64
	whole   hash.Hash
	parts   hash.Hash
	counted int
}

func newSplitter(ctx context.Context, s dcm.BackupStarted) *splitter {
	p := &splitter{
		ctx: ctx, partBytes: int(s.PartBytes), maxParts: s.MaxParts,
		full: make(chan part), free: make(chan []byte, partsInFlight+1),
		whole: sha256.New(), parts: sha256.New(),
	}
	for range partsInFlight + 1 {
		p.free <- nil // made when first needed: a small workspace needs one
	}
	return p
}

// Write takes the next bytes of the stream.
func (s *splitter) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		if s.current == nil {
			if err := s.next(); err != nil {
				return 0, err
			}
		}
		n := min(len(p), s.partBytes-len(s.current))
		s.current = append(s.current, p[:n]...)
		p = p[n:]
		if len(s.current) == s.partBytes {
			if err := s.flush(); err != nil {
				return 0, err
			}
		}
	}
	return written, nil
}

// next takes a buffer that is not being uploaded.
func (s *splitter) next() error {
	select {
	case s.current = <-s.free:
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
	if s.current == nil {
		s.current = make([]byte, 0, s.partBytes)
	}
	return nil
}

// flush hands the current part over to be uploaded.
func (s *splitter) flush() error {
	if len(s.current) == 0 {
		return nil
	}
	if s.counted == s.maxParts {
		return fmt.Errorf("the workspace is too large: its backup would be more than %d bytes", int64(s.maxParts)*int64(s.partBytes))
	}
	s.counted++
	p := part{number: s.counted, data: s.current, digest: sha256.Sum256(s.current)}
	s.size += int64(len(p.data))
	s.whole.Write(p.data)
	s.parts.Write(p.digest[:])
	s.current = nil
	select {
	case s.full <- p:
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// totals describes the whole stream once everything was flushed.
func (s *splitter) totals() dcm.BackupComplete {
	return dcm.BackupComplete{
		Parts: s.counted, Size: s.size,
		SHA256: hex.EncodeToString(s.whole.Sum(nil)), PartsSHA256: hex.EncodeToString(s.parts.Sum(nil)),
	}
}
