package cloud

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/secrets"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const (
	// recordTimeout is how long a launch waits to hear of prepared images.
	recordTimeout = 2 * time.Second
	// recordRetry is when a record that could not be read is read again.
	recordRetry = time.Minute
)

// images are the installation's prepared images.
func images(a *app.App) dcm.Images {
	m := rememberImages(func(ctx context.Context) (string, error) {
		if a.Config.ServerImagesParameter == "" {
			return "", nil
		}
		text, err := secrets.Read(ctx, a, a.Config.ServerImagesParameter)
		if _, none := errors.AsType[*types.ParameterNotFound](err); none {
			return "", nil
		}
		return text.Reveal(), err
	}, a.Clock, a.Log)
	a.Ahead("prepared images", func(ctx context.Context) error {
		m.Prepared(ctx, a.Config.DefaultProvider)
		return nil
	})
	return m
}

// imageMemory reads the record once, and again when one of its images was
// refused. So a warm launch asks nobody.
type imageMemory struct {
	read  func(context.Context) (string, error)
	clock dcm.Clock
	log   *slog.Logger

	mu    sync.Mutex
	known dcm.ImageRecord // nil until it is read
	// failedAt is when it could not be read.
	failedAt time.Time
	refused  map[string]bool
}

func rememberImages(read func(context.Context) (string, error), clock dcm.Clock, log *slog.Logger) *imageMemory {
	return &imageMemory{read: read, clock: clock, log: log, refused: map[string]bool{}}
}

// Prepared returns a provider's images, without those that were refused.
func (m *imageMemory) Prepared(ctx context.Context, provider string) dcm.PreparedImages {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.learn(ctx)
	}
	usable := maps.Clone(m.known[provider])
	maps.DeleteFunc(usable, func(_, image string) bool { return m.refused[image] })
	return usable
}

// learn needs the lock.
func (m *imageMemory) learn(ctx context.Context) {
	if m.clock.Now().Before(m.failedAt.Add(recordRetry)) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	text, err := m.read(ctx)
	if err == nil {
		m.known, err = dcm.ParseImageRecord(text)
	}
	if err != nil {
		m.failedAt = m.clock.Now()
		m.log.WarnContext(ctx, "servers boot the provider's own image", "error", err.Error())
	}
}

// Refused forgets the record: perhaps a newer one names another image.
func (m *imageMemory) Refused(image string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused[image] = true
	m.known = nil
}
