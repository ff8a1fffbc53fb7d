package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// cleanupTimeout is how long Check goes on past its context to leave nothing
// behind.
const cleanupTimeout = 5 * time.Second

// Check does everything that backups will ask of the bucket, in a place of its
// own under the prefix, which it empties whatever happens.
func (s *Storage) Check(ctx context.Context, b dcm.Bucket, prefix string) error {
	const op = "check storage"
	id, err := dcm.NewBackupID(s.options.Random)
	if err != nil {
		return &dcm.ProviderError{Kind: dcm.KindUnavailable, Op: op, Message: "the check could not begin", Err: err}
	}
	p := probe{storage: s, bucket: b, id: id, place: prefix + dcm.CheckPlace + string(id) + "/"}
	for _, step := range p.steps() {
		if err := step.run(ctx); err != nil {
			return p.failed(ctx, op, step.name, err)
		}
	}
	return nil
}

// probe is one Check. What it writes is its own id.
type probe struct {
	storage *Storage
	bucket  dcm.Bucket
	id      dcm.BackupID
	place   string
}

const putStep = "put an object"

type probeStep struct {
	name string
	run  func(context.Context) error
}

func (p probe) steps() []probeStep {
	return []probeStep{
		{putStep, p.put},
		{"get an object", p.get},
		{"upload in parts", p.upload},
		{"abort an upload", p.abort},
		{"list and delete", p.delete},
	}
}

func (p probe) content() []byte { return []byte(p.id) }

func (p probe) put(ctx context.Context) error {
	return p.storage.Put(ctx, p.bucket, p.place+"object", "text/plain", p.content())
}

func (p probe) get(ctx context.Context) error { return p.holds(ctx, "object", "") }

// holds reads an object of the probe's back.
func (p probe) holds(ctx context.Context, name, version string) error {
	body, err := p.storage.Open(ctx, p.bucket, p.place+name, version)
	if err != nil {
		return err
	}
	defer body.Close()
	got, err := io.ReadAll(io.LimitReader(body, 1<<10))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, p.content()) {
		return refuse("get object", dcm.KindInvalid, "the storage gives back something else than it was given")
	}
	return nil
}

// upload makes an object from one part, as a backup is made.
func (p probe) upload(ctx context.Context) error {
	u, err := p.storage.StartUpload(ctx, p.bucket, p.place+"upload", p.id)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(p.content())
	part := dcm.PartSpec{Number: 1, SizeBytes: int64(len(p.content())), SHA256: hex.EncodeToString(sum[:])}
	if err := p.storage.UploadPart(ctx, p.bucket, u, part, p.content()); err != nil {
		return err
	}
	whole := sha256.Sum256(sum[:])
	totals := dcm.UploadTotals{Parts: 1, SizeBytes: part.SizeBytes, PartsSHA256: hex.EncodeToString(whole[:])}
	object, err := p.storage.CompleteUpload(ctx, p.bucket, u, totals)
	if err != nil {
		return err
	}
	return p.holds(ctx, "upload", object.VersionID)
}

func (p probe) abort(ctx context.Context) error {
	u, err := p.storage.StartUpload(ctx, p.bucket, p.place+"aborted", p.id)
	if err != nil {
		return err
	}
	return p.storage.AbortUpload(ctx, p.bucket, u)
}

func (p probe) delete(ctx context.Context) error {
	return p.storage.DeleteAll(ctx, p.bucket, p.place)
}

// failed cleans up after a step that failed, and says which that was.
func (p probe) failed(ctx context.Context, op, step string, err error) error {
	e := &dcm.ProviderError{Kind: dcm.KindOf(err), Op: op, Message: "the storage could not be asked to " + step, Err: err}
	if cause, ok := errors.AsType[*dcm.ProviderError](err); ok {
		e.Message, e.RetryAfter = cause.Message+" ("+step+")", cause.RetryAfter
	}
	if hasCode(err, "NoSuchBucket") {
		e.Kind = dcm.KindNotFound
		return e
	}
	if refused := e.Kind == dcm.KindAuth || e.Kind == dcm.KindInvalid; refused && step == putStep {
		return e // nothing was written
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if left := p.delete(ctx); left != nil {
		e.Err = errors.Join(err, left)
	}
	return e
}
