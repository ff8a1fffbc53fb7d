package hetzner_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// rack is a Machine that boots when it is told to.
type rack struct {
	boots chan hetzner.ServerInfo
	// verdict is what a boot waits for.
	verdict chan error
	booted  chan string

	mu      sync.Mutex
	stopped []string
	off     bool
}

func newRack() *rack {
	return &rack{boots: make(chan hetzner.ServerInfo, 10), verdict: make(chan error, 10), booted: make(chan string, 10)}
}

func (r *rack) Boot(ctx context.Context, s hetzner.ServerInfo) error {
	r.boots <- s
	defer func() { r.booted <- s.ID }()
	select {
	case err := <-r.verdict:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *rack) Stop(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = append(r.stopped, id)
	return nil
}

func (r *rack) Status(string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.off {
		return "off"
	}
	return "running"
}

// settled returns the server's status once it has left the given one.
func settled(a api, from string) string {
	for {
		if now := a.State()[0].Status; now != from {
			return now
		}
		runtime.Gosched()
	}
}

func TestMachine(t *testing.T) {
	t.Parallel()
	t.Run("boots what is ordered, with its user-data", func(t *testing.T) {
		t.Parallel()
		r := newRack()
		a := newAPI(t, hetzner.Options{Machine: r})
		got := a.call(t, "full", "POST", "/servers", order("one").with("user_data", "#cloud-config").with("labels", fields{"k": "v"}))
		if got.at("server", "status") != "initializing" {
			t.Errorf("%v", got.body)
		}
		info := <-r.boots
		if info.Name != "one" || info.UserData != "#cloud-config" || info.Labels["k"] != "v" || info.IPv4 != a.State()[0].IP || info.ID != a.State()[0].ID {
			t.Errorf("booted %+v", info)
		}
		if status := a.State()[0].Status; status != "starting" {
			t.Errorf("the status is %s", status)
		}
		r.verdict <- nil
		if status := settled(a, "starting"); status != "running" {
			t.Errorf("the status is %s", status)
		}
		r.mu.Lock()
		r.off = true
		r.mu.Unlock()
		if status := a.State()[0].Status; status != "off" {
			t.Errorf("the machine is off, the status is %s", status)
		}
	})
	t.Run("one that doesn't boot is off", func(t *testing.T) {
		t.Parallel()
		r := newRack()
		a := newAPI(t, hetzner.Options{Machine: r})
		a.mustCreate(t, "one")
		r.verdict <- errors.New("no disk")
		if status := settled(a, "starting"); status != "off" {
			t.Errorf("the status is %s", status)
		}
	})
	t.Run("deleting interrupts the boot and destroys", func(t *testing.T) {
		t.Parallel()
		r := newRack()
		a := newAPI(t, hetzner.Options{Machine: r})
		id := a.mustCreate(t, "one")
		<-r.boots
		if got := a.call(t, "full", "DELETE", "/servers/"+id, nil); got.status != 200 {
			t.Fatalf("%d %v", got.status, got.body)
		}
		if gone := <-r.booted; gone != id || len(a.State()) != 0 {
			t.Errorf("%s ended, state %v", gone, a.State())
		}
		if len(r.stopped) != 1 || r.stopped[0] != id {
			t.Errorf("stopped are %v", r.stopped)
		}
	})
	t.Run("closing leaves nothing behind", func(t *testing.T) {
		t.Parallel()
		r := newRack()
		a := newAPI(t, hetzner.Options{Machine: r})
		a.mustCreate(t, "one")
		a.mustCreate(t, "two")
		a.Close()
		if len(r.booted) != 2 || len(r.stopped) != 2 {
			t.Errorf("%d boots ended, stopped are %v", len(r.booted), r.stopped)
		}
	})
}
