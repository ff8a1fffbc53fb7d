package backup

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"filippo.io/age"
	"golang.org/x/sync/errgroup"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/archive"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/control"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Saver takes backups of one tree.
type Saver struct {
	Control Control
	HTTP    *http.Client
	Tuning  Tuning
}

// Saved is a verified backup.
type Saved struct {
	Generation int64
	Totals     dcm.BackupComplete
	Report     archive.Report
}

// Save backs dir up, based on the generation the VM restored or last wrote. It
// returns only after the control plane has verified the whole. A control
// plane that refuses the generation is a *control.Problem with CodeConflict.
func (s *Saver) Save(ctx context.Context, dir string, generation int64) (Saved, error) {
	var started dcm.BackupStarted
	err := s.Tuning.do(ctx, control.Transient, func(ctx context.Context) (err error) {
		started, err = s.Control.StartBackup(ctx, dcm.BackupStart{Generation: generation})
		return err
	})
	if err != nil {
		return Saved{}, fmt.Errorf("start the backup: %w", err)
	}
	report, totals, err := s.upload(ctx, dir, started)
	if err != nil {
		return Saved{}, err
	}
	var completed dcm.BackupCompleted
	err = s.Tuning.do(ctx, control.Transient, func(ctx context.Context) (err error) {
		completed, err = s.Control.CompleteBackup(ctx, started.BackupID, totals)
		return err
	})
	if err != nil {
		return Saved{}, fmt.Errorf("complete the backup: %w", err)
	}
	return Saved{Generation: completed.Generation, Totals: totals, Report: report}, nil
}

func (s *Saver) upload(ctx context.Context, dir string, started dcm.BackupStarted) (archive.Report, dcm.BackupComplete, error) {
	if started.PartBytes < 1 || started.PartBytes > maxPartBytes || started.MaxParts < 1 {
		return archive.Report{}, dcm.BackupComplete{}, fmt.Errorf(
			"the control plane asks for up to %d parts of %d bytes, and a part may have 1 to %d", started.MaxParts, started.PartBytes, maxPartBytes)
	}
	recipients, err := age.ParseRecipients(strings.NewReader(started.Recipient))
	if err != nil {
		return archive.Report{}, dcm.BackupComplete{}, fmt.Errorf("read the recipient: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	parts := newSplitter(ctx, started)
	uploads := uploader{control: s.Control, http: s.HTTP, tuning: s.Tuning, backup: started.BackupID}
	for range partsInFlight {
		group.Go(func() error {
			for p := range parts.full {
				if err := uploads.upload(ctx, &p); err != nil {
					return fmt.Errorf("upload part %d: %w", p.number, err)
				}
				parts.free <- p.data[:0]
			}
			return nil
		})
	}
	var report archive.Report
	group.Go(func() (err error) {
		defer close(parts.full)
		report, err = pack(ctx, parts, dir, recipients)
		if err != nil {
			return err
		}
		return parts.flush()
	})
	if err := group.Wait(); err != nil {
		return report, dcm.BackupComplete{}, err
	}
	return report, parts.totals(), nil
}

// pack writes dir to parts: archived, compressed, encrypted.
func pack(ctx context.Context, parts *splitter, dir string, recipients []age.Recipient) (archive.Report, error) {
	sealed, err := age.Encrypt(parts, recipients...)
	if err != nil {
		return archive.Report{}, fmt.Errorf("begin to encrypt: %w", err)
	}
	report, err := compress(ctx, sealed, dir)
	if err != nil {
		return report, err
	}
	if err := sealed.Close(); err != nil {
		return report, fmt.Errorf("finish encrypting: %w", err)
	}
	return report, nil
}
