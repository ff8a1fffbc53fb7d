package api_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// stockImage is the number of ubuntu-24.04 for x86.
const stockImage = 161547269

// recordImages records images by server type.
func (w *world) recordImages(byType map[string]int64) {
	images := dcm.PreparedImages{}
	for serverType, id := range byType {
		images[serverType] = fmt.Sprint(id)
	}
	w.RecordImages(dcm.ImageRecord{"hetzner": images}.String())
}

// booted launches a VM and returns the image that its server boots, with the
// calls that it took.
func (w *world) booted(c caller) (image int64, hetzner, ssm int) {
	w.t.Helper()
	calls := w.callsDuring(func() {
		vm := c.launch()
		for _, s := range w.State().Servers {
			if s.Name == vm.ID.ServerName() {
				image = s.Image
			}
		}
	})
	return image, total(calls["hetzner"]), total(calls["ssm"])
}

func (w *world) refusals() int {
	w.t.Helper()
	log, err := os.ReadFile(filepath.Join(w.Dir, "functions.log"))
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Count(string(log), `"`+string(dcm.MetricImageRefused)+`":1`)
}

// TestPreparedImage: a launch boots the image that was recorded for its server's
// type, at the cost of one call when the function starts cold. Whatever is wrong
// with the image or the record, the user gets a VM.
func TestPreparedImage(t *testing.T) {
	t.Parallel()
	expect := func(t *testing.T, w *world, c caller, image int64, hetzner int) {
		t.Helper()
		got, calls, _ := w.booted(c)
		if got != image || calls != hetzner {
			t.Errorf("it boots image %d after %d calls to Hetzner, want %d after %d", got, calls, image, hetzner)
		}
	}
	t.Run("recorded, it is booted, and warm launches ask nobody", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		prepared := w.AddSnapshot("cx23")
		w.recordImages(map[string]int64{"cx23": prepared})
		expect(t, w, w.user("acme"), prepared, 1)
		if image, hetzner, ssm := w.booted(w.user("acme")); image != prepared || hetzner != 1 || ssm != 0 {
			t.Errorf("a warm launch boots %d after %d calls to Hetzner and %d to SSM", image, hetzner, ssm)
		}
	})
	t.Run("an image for another type is for that type alone", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		w.recordImages(map[string]int64{"cax11": w.AddSnapshot("cax11")})
		expect(t, w, w.user("acme"), stockImage, 1)
	})
	t.Run("the next offer boots the image of its own type", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		prepared := w.AddSnapshot("cx23")
		w.recordImages(map[string]int64{"cx23": prepared})
		w.fault(map[string]any{"service": "hetzner", "operation": "CreateServer", "mode": "error", "code": "resource_unavailable", "count": 3})
		expect(t, w, w.user("acme"), stockImage, 4) // a cpx22, after the cx23 of all three places
	})
	t.Run("a tenant's own account can't see it", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		w.bringAlong()
		w.recordImages(map[string]int64{"cx23": w.AddSnapshot("cx23")})
		user := w.user("acme")
		user.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
		expect(t, w, user, stockImage, 1)
		if n := w.refusals(); n != 0 {
			t.Errorf("it was tried %d times", n)
		}
	})
	t.Run("gone, the provider's own is booted, and the next launch does not try again", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		prepared := w.AddSnapshot("cx23")
		w.recordImages(map[string]int64{"cx23": prepared})
		w.RemoveSnapshot(prepared)
		user := w.user("acme")
		expect(t, w, user, stockImage, 2)
		expect(t, w, user, stockImage, 1)
		if n := w.refusals(); n != 1 {
			t.Errorf("%d refusals were counted, want 1", n)
		}
		another := w.AddSnapshot("cx23")
		w.recordImages(map[string]int64{"cx23": another})
		expect(t, w, w.user("acme"), stockImage, 1) // the record was read after the refusal
	})
	t.Run("gone and made anew, the new one is booted", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		old := w.AddSnapshot("cx23")
		w.recordImages(map[string]int64{"cx23": old})
		user := w.user("acme")
		expect(t, w, user, old, 1)
		w.RemoveSnapshot(old)
		fresh := w.AddSnapshot("cx23")
		w.recordImages(map[string]int64{"cx23": fresh})
		expect(t, w, user, stockImage, 2)
		expect(t, w, user, fresh, 1)
	})
	t.Run("refused at one place, it is not tried at the next", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		prepared := w.AddSnapshot("cx43") // its disk is too large
		w.recordImages(map[string]int64{"cx23": prepared})
		w.fault(map[string]any{"service": "hetzner", "operation": "CreateServer", "mode": "error", "code": "resource_unavailable", "after": 1, "count": 1})
		expect(t, w, w.user("acme"), stockImage, 3)
	})
	for name, spoil := range map[string]func(*world){
		"the record can't be read": func(w *world) {
			w.fault(map[string]any{"service": "ssm", "operation": "GetParameter", "mode": "error", "code": "AccessDeniedException", "after": 2})
		},
		"the record is none": func(w *world) { w.RecordImages("[nonsense") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.recordImages(map[string]int64{"cx23": w.AddSnapshot("cx23")})
			spoil(w)
			user := w.user("acme")
			expect(t, w, user, stockImage, 1)
			if _, _, ssm := w.booted(user); ssm != 0 {
				t.Errorf("the next launch asks again at once: %d calls", ssm)
			}
		})
	}
}
