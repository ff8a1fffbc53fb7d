package api_test

import (
	"strings"
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
			string(silent.ID):    "stop it, as heartbeat_lost; then switch it on, so that it can save its work: its server is off",
			string(abandoned.ID): "stop it, as boot_timeout; then release it: it never had any work",
		},
		"sweep-keys": {string(rotated): `copy its backup to its newest key and storage, and put the copy in its place: attempt 1 of its task "rotate"`},
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
	// Whoever misspells the wish for a dry run gets none, and no real one.
	for name := range want {
		for _, payload := range []any{map[string]any{"dry_run": true}, map[string]any{"dryRun": "true"}, []bool{true}, `"{\"dryRun\": true}"`} {
			a := caller{w: w}.once("POST", "/_local/schedules/"+name, payload)
			if a.status != 500 || !strings.Contains(string(a.body), "nothing was done") {
				t.Errorf("%s with %v: %d %s", name, payload, a.status, a.body)
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
