package lifecycle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// stallLimit is how long a copy may stand still. It bounds what a storage that
// hangs costs the tenants behind it; it is longer than a storage takes to join
// the parts of a large backup.
const stallLimit = 3 * time.Minute

// errStalled ends a copy that stands still.
var errStalled = errors.New("nothing moved for too long")

// stream reads the backup, compares it with what it should be, and uploads it,
// re-encrypted where the copy changes keys. One part is in memory at a time. It
// returns what was uploaded and the SHA-256 of it.
func (j *job) stream(ctx context.Context, p plannedCopy, ref dcm.UploadRef) (dcm.UploadTotals, string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(stallLimit, func() { cancel(errStalled) })
	defer stall.Stop()

	body, err := j.Storage.Open(ctx, p.source, p.from.Key, p.from.VersionID)
	if err != nil {
		return dcm.UploadTotals{}, "", fmt.Errorf("open backup %s: %w", p.from.ID, err)
	}
	defer body.Close()
	// A tenant's own storage may send without end. One byte more than there
	// should be is enough to tell.
	src := &verifiedReader{from: io.LimitReader(body, p.from.SizeBytes+1), sum: sha256.New(), moved: func() { stall.Reset(stallLimit) }}
	dst := newPartWriter(func(spec dcm.PartSpec, part []byte) error {
		stall.Reset(stallLimit)
		return j.Storage.UploadPart(ctx, p.target, ref, spec, part)
	})
	err = p.transfer(dst, src, j.Reencrypter)
	if _, outside := errors.AsType[*dcm.ProviderError](err); err != nil && (outside || ctx.Err() != nil) {
		return dcm.UploadTotals{}, "", fmt.Errorf("copy backup %s: %w", p.from.ID, errors.Join(err, context.Cause(ctx)))
	}
	// What can't be decrypted may not be what was saved: that is then the reason.
	if err := errors.Join(src.check(p.from), err); err != nil {
		return dcm.UploadTotals{}, "", fmt.Errorf("copy backup %s: %w", p.from.ID, err)
	}
	return dst.finish()
}

// transfer copies src, or re-encrypts it.
func (p plannedCopy) transfer(dst io.Writer, src io.Reader, r dcm.Reencrypter) error {
	if p.recipient != "" {
		return r.Reencrypt(dst, src, p.identity, p.recipient)
	}
	_, err := io.Copy(dst, src)
	return err
}

// verifiedReader measures what is read through it.
type verifiedReader struct {
	from  io.Reader
	size  int64
	sum   hash.Hash
	moved func()
}

// Read reads on.
func (r *verifiedReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.size += int64(n)
	r.sum.Write(p[:n])
	if n > 0 {
		r.moved()
	}
	return n, err
}

// check reads to the end, and compares what was read with what the record says
// of the backup.
func (r *verifiedReader) check(b dcm.Backup) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	if r.size == b.SizeBytes && hex.EncodeToString(r.sum.Sum(nil)) == b.SHA256 {
		return nil
	}
	return &dcm.ProviderError{
		Kind: dcm.KindInvalid, Op: "verify backup", Message: "what the storage holds is not the backup that was saved",
	}
}

// partWriter cuts a stream into parts.
type partWriter struct {
	upload func(dcm.PartSpec, []byte) error
	buffer []byte
	totals dcm.UploadTotals
	whole  hash.Hash
	sums   hash.Hash
}

func newPartWriter(upload func(dcm.PartSpec, []byte) error) *partWriter {
	return &partWriter{upload: upload, buffer: make([]byte, 0, dcm.BackupPartBytes), whole: sha256.New(), sums: sha256.New()}
}

// Write uploads each part as soon as it is full.
func (w *partWriter) Write(p []byte) (int, error) {
	for written := 0; ; {
		n := min(len(p)-written, cap(w.buffer)-len(w.buffer))
		w.buffer = append(w.buffer, p[written:written+n]...)
		if written += n; written == len(p) {
			return written, nil
		}
		if err := w.flush(); err != nil {
			return written, err
		}
	}
}

func (w *partWriter) flush() error {
	sum := sha256.Sum256(w.buffer)
	w.totals.Parts++
	if w.totals.Parts > dcm.MaxBackupParts {
		return &dcm.ProviderError{Kind: dcm.KindInvalid, Op: "upload part", Message: "the backup is too large to be copied"}
	}
	spec := dcm.PartSpec{Number: w.totals.Parts, SizeBytes: int64(len(w.buffer)), SHA256: hex.EncodeToString(sum[:])}
	if err := w.upload(spec, w.buffer); err != nil {
		return fmt.Errorf("upload part %d: %w", spec.Number, err)
	}
	w.totals.SizeBytes += spec.SizeBytes
	w.sums.Write(sum[:])
	w.whole.Write(w.buffer)
	w.buffer = w.buffer[:0]
	return nil
}

// finish uploads the last part and says what all of them amount to.
func (w *partWriter) finish() (dcm.UploadTotals, string, error) {
	if len(w.buffer) > 0 {
		if err := w.flush(); err != nil {
			return dcm.UploadTotals{}, "", err
		}
	}
	w.totals.PartsSHA256 = hex.EncodeToString(w.sums.Sum(nil))
	return w.totals, hex.EncodeToString(w.whole.Sum(nil)), nil
}
