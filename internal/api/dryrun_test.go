package api_test

import (
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sweep"
)

// dry runs a sweep that says what it would do.
func (w *world) dry(name string) sweep.Report {
	w.t.Helper()
	a := caller{w: w}.call("POST", "/_local/schedules/"+name, map[string]any{"dryRun": true}).expect(w.t, 200)
	return decode[struct{ Result sweep.Report }](w.t, a).Result
}

// TestADryRunSaysAndDoesNothing: what it says is what the next run does.
func TestADryRunSaysAndDoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	_, silent := w.running(user)
	abandoned := user.launch()
	rotated := user.saved([]byte("work"))
	user.rotate(rotated)
	w.advance(dcm.BootDeadline + time.Minute)

	before := string(w.dump())
	want := map[string]map[string]string{
		"sweep-vms": {
			string(silent.ID):    "stop it, as heartbeat_lost; then keep it, so that it can save its work",
			string(abandoned.ID): "stop it, as boot_timeout; then release it",
		},
		"sweep-keys": {string(rotated): `carry on with its task "rotate", attempt 1`},
	}
	for name, items := range want {
		calls := w.callsDuring(func() {
			report := w.dry(name)
			if report.Due != len(items) || report.Failed != 0 || len(report.Planned) != len(items) {
				t.Errorf("%s: %+v", name, report)
			}
			for _, p := range report.Planned {
				if p.Tenant != "acme" || items[p.ID] != p.Would {
					t.Errorf("%s: %+v, want %q", name, p, items[p.ID])
				}
			}
		})
		for service, operations := range calls {
			for operation := range operations {
				if changes(operation) && operation != "GetServer" && operation != "GetParameter" {
					t.Errorf("%s calls %s %s", name, service, operation)
				}
			}
		}
	}
	if string(w.dump()) != before {
		t.Error("a dry run changed the table")
	}
	w.sweep()
	w.sweepKeys()
	if got := user.get(abandoned.ID); got.Status != dcm.StatusStopped {
		t.Errorf("%+v", got)
	}
	if got := user.get(silent.ID); got.Status != dcm.StatusStopping || *got.StopReason != string(dcm.StopHeartbeatLost) {
		t.Errorf("%+v", got)
	}
}
