// Package backup saves a workspace and brings it back: a tar of the tree,
// compressed with gzip, encrypted with age, sent in parts to presigned URLs.
// Nothing is written to disk on the way out, and memory does not grow with
// the size of the workspace.
package backup

import (
	"context"
	"net/http"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/retry"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Control is what a backup needs of the control plane.
type Control interface {
	StartBackup(ctx context.Context, from dcm.BackupStart) (dcm.BackupStarted, error)
	BackupParts(ctx context.Context, id dcm.BackupID, parts dcm.BackupParts) (dcm.BackupPartURLs, error)
	CompleteBackup(ctx context.Context, id dcm.BackupID, totals dcm.BackupComplete) (dcm.BackupCompleted, error)
}

// Compression. Blocks bound the memory: each is held twice, and each has a
// compressor of about a megabyte.
const (
	gzipLevel      = 3
	gzipBlockBytes = 512 << 10
	gzipBlocks     = 3
)

// Uploading.
const (
	// partsInFlight uploads while one more part is being filled.
	partsInFlight = 2
	// maxPartBytes is the largest part size that the memory bound allows.
	maxPartBytes = 8 << 20
	// slowestBytesPerSecond is what an upload or download must make on average;
	// a slower connection counts as broken.
	slowestBytesPerSecond = 32 << 10
	// stallAfter is how long a download may bring nothing.
	stallAfter = time.Minute
)

// Tuning is how patient a transfer is. The zero value is for production.
type Tuning struct {
	// Base is the pause before the first repetition, a second if zero.
	Base time.Duration
	// Attempts bounds the tries of each part and call, 8 if zero.
	Attempts int
	// Trouble, if set, is told of every failed try that is repeated, and nil
	// when one that had failed is through with it, well or not.
	Trouble func(error)
	// Moved, if set, is told how many more bytes storage has taken.
	Moved func(int)
}

// do tries until it succeeds, fails for good, or the attempts are spent.
func (t Tuning) do(ctx context.Context, transient func(error) bool, try func(context.Context) error) error {
	failed := false
	err := t.policy(transient).Do(ctx, func(ctx context.Context) error {
		err := try(ctx)
		if err != nil && transient(err) && ctx.Err() == nil && t.Trouble != nil {
			failed = true
			t.Trouble(err)
		}
		return err
	})
	if failed {
		t.Trouble(nil)
	}
	return err
}

func (t Tuning) policy(transient func(error) bool) retry.Policy {
	p := retry.Policy{Base: t.Base, Max: 30 * time.Second, Attempts: t.Attempts, Transient: transient}
	if p.Base == 0 {
		p.Base = time.Second
	}
	if p.Attempts == 0 {
		p.Attempts = 8
	}
	return p
}

// NewTransferClient makes an HTTP client for storage: it never follows a
// redirect, which no presigned URL needs and which could carry data elsewhere.
func NewTransferClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 2 * time.Minute
	t.MaxIdleConnsPerHost = partsInFlight
	t.WriteBufferSize = 64 << 10
	t.ReadBufferSize = 64 << 10
	// HTTP/2 would share one connection, and its window, among the parts.
	t.ForceAttemptHTTP2 = false
	t.DisableCompression = true
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
