package backup

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/control"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// uploader puts parts where the control plane says.
type uploader struct {
	control Control
	http    *http.Client
	tuning  Tuning
	backup  dcm.BackupID
}

// upload sends a part. A URL that storage refuses, for example because it has
// expired, is replaced by a fresh one.
func (u *uploader) upload(ctx context.Context, p *part) error {
	var target *dcm.PresignedPart
	return u.tuning.do(ctx, worthRepeating, func(ctx context.Context) (err error) {
		if target == nil {
			if target, err = u.presign(ctx, p); err != nil {
				return err
			}
		}
		err = u.put(ctx, target, p.data)
		if _, refused := err.(*storageError); refused {
			target = nil
		}
		if err == nil && u.tuning.Moved != nil {
			u.tuning.Moved(len(p.data))
		}
		return err
	})
}

// worthRepeating: everything storage may say, because the answer to a refusal
// is a fresh URL; of the control plane only what may pass.
func worthRepeating(err error) bool { return isStorage(err) || control.Transient(err) }

func (u *uploader) presign(ctx context.Context, p *part) (*dcm.PresignedPart, error) {
	answer, err := u.control.BackupParts(ctx, u.backup, dcm.BackupParts{Parts: []dcm.PartSpec{{
		Number: p.number, SizeBytes: int64(len(p.data)), SHA256: hex.EncodeToString(p.digest[:]),
	}}})
	if err != nil {
		return nil, fmt.Errorf("ask where to put it: %w", err)
	}
	if len(answer.Parts) != 1 || answer.Parts[0].Number != p.number {
		return nil, fmt.Errorf("ask where to put it: the answer is about %d other parts", len(answer.Parts))
	}
	return &answer.Parts[0], nil
}

func (u *uploader) put(ctx context.Context, to *dcm.PresignedPart, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute+time.Duration(len(data)/slowestBytesPerSecond)*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, to.URL, bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("make the request: %w", bare(err))
	}
	for name, value := range to.Headers {
		if strings.EqualFold(name, "Host") {
			r.Host = value
			continue
		}
		r.Header.Set(name, value)
	}
	answer, err := u.http.Do(r)
	if err != nil {
		return &transferError{err: bare(err)}
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	if answer.StatusCode != http.StatusOK {
		return newStorageError(answer, body)
	}
	return nil
}

// bare takes the URL out of a client's error: a presigned URL is as good as
// the object it names.
func bare(err error) error {
	if e, ok := err.(*url.Error); ok {
		return e.Err
	}
	return err
}
