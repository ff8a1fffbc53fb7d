package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/registry"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sweep"
)

// panics is a way to the services that panics, once, when the table is asked
// about one thing by its key.
type panics struct {
	about string
	done  atomic.Bool
}

func (p *panics) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB") && r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if bytes.Contains(body, []byte(p.about)) && p.done.CompareAndSwap(false, true) {
			panic("while reading " + p.about)
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

// clockOf is the stack's clock.
type clockOf struct{ w *world }

func (c clockOf) Now() time.Time { return c.w.Now() }

// sweepPanicking runs a sweep, built as it is deployed, over the stack.
func (w *world) sweepPanicking(t *testing.T, name, about string, getenv func(string) string) (sweep.Report, string) {
	t.Helper()
	var (
		log  bytes.Buffer
		wire = &panics{about: about}
	)
	a, err := app.New(app.Options{
		Function: name, Getenv: getenv, Clock: clockOf{w}, Output: &log, HTTP: &http.Client{Transport: wire},
	})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := registry.Builders()[name](a)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := handler.Invoke(t.Context(), []byte("{}"))
	if err != nil || !wire.done.Load() {
		t.Fatalf("%v; panicked: %t", err, wire.done.Load())
	}
	var report sweep.Report
	if err := json.Unmarshal(answer, &report); err != nil {
		t.Fatal(err)
	}
	return report, log.String()
}

// TestAnItemThatPanicsInASweep: the ones behind it are still done in the same
// run; it has another time.
func TestAnItemThatPanicsInASweep(t *testing.T) {
	t.Parallel()
	t.Run("sweep-vms", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user := w.user("acme")
		silent := make([]dcm.VMID, 3)
		for n := range silent {
			_, vm := w.running(user)
			silent[n] = vm.ID
		}
		w.advance(dcm.HeartbeatLostAfter + time.Minute)
		report, log := w.sweepPanicking(t, "sweep-vms", string(silent[0]), w.getenvVMs)
		if report.Due != 3 || report.Done != 2 || report.Failed != 1 || !strings.Contains(log, "panic: while reading "+string(silent[0])) {
			t.Errorf("%+v\n%s", report, log)
		}
		for n, id := range silent {
			if got, want := user.get(id).Status, map[bool]dcm.Status{true: dcm.StatusRunning, false: dcm.StatusStopping}[n == 0]; got != want {
				t.Errorf("VM %d is %s, want %s", n, got, want)
			}
		}
		if report := w.dry("sweep-vms"); report.Due != 0 {
			t.Errorf("it is not put off: %+v", report)
		}
		w.advance(dcm.ReleaseRetry + time.Second)
		w.sweep()
		if got := user.get(silent[0]).Status; got != dcm.StatusStopping {
			t.Errorf("afterwards it is %s", got)
		}
	})
	t.Run("sweep-keys", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user := w.user("acme")
		rotated := make([]dcm.WorkspaceID, 3)
		for n := range rotated {
			rotated[n] = user.saved([]byte("work"))
			user.rotate(rotated[n])
		}
		report, log := w.sweepPanicking(t, "sweep-keys", string(rotated[0]), w.getenv)
		if report.Done != report.Due-1 || report.Failed != 1 || !strings.Contains(log, "panic: while reading "+string(rotated[0])) {
			t.Errorf("%+v\n%s", report, log)
		}
		for n, id := range rotated {
			task := user.workspace(id).Task
			if n == 0 && (task == nil || task.Problem == nil) || n > 0 && task != nil {
				t.Errorf("workspace %d: task %+v", n, task)
			}
		}
		w.advance(2 * time.Minute)
		w.sweepKeys()
		if task := user.workspace(rotated[0]).Task; task != nil {
			t.Errorf("afterwards: %+v", task)
		}
	})
}
