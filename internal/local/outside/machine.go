package outside

import (
	"context"
	"sync"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// userData stands for the hardware. It boots nothing, and keeps what each
// server was told.
type userData struct {
	mu     sync.Mutex
	byName map[string]string
}

// Boot keeps the server's user-data.
func (u *userData) Boot(_ context.Context, s hetzner.ServerInfo) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byName == nil {
		u.byName = map[string]string{}
	}
	u.byName[s.Name] = s.UserData
	return nil
}

// Stop has nothing to end.
func (u *userData) Stop(context.Context, string) error { return nil }

// Status is always running.
func (u *userData) Status(string) string { return "running" }

func (u *userData) of(name string) (string, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	text, ok := u.byName[name]
	return text, ok
}
