package api_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// settlement is something that settles what a dead agent left: its backup, and
// with its VM's end the slot, the usage and the reserved cost.
type settlement struct {
	// until brings the VM to where act settles it.
	until func(l *leftover)
	// act may crash at any of its calls, resume is what comes after.
	act, resume func(l *leftover)
	// stays says that the VM does not end.
	stays bool
}

// leftover is a VM whose agent died over its second backup.
type leftover struct {
	w    *world
	user caller
	vm   api.CreatedVM
	m    *machine
	// older was acknowledged, newer is what the storage may hold since, and next
	// what a VM that stays saves after that.
	older, newer, next []byte
	// complete says that the newer one's upload was completed, though nobody
	// heard so.
	complete bool
}

func settlements() map[string]settlement {
	sweeps := func(l *leftover) {
		for range 3 {
			l.w.advance(2 * time.Minute)
			l.w.sweep()
		}
	}
	nothing := func(*leftover) {}
	return map[string]settlement{
		"force": {
			until:  nothing,
			act:    func(l *leftover) { l.user.call("DELETE", "/vms/"+string(l.vm.ID)+"?force=true", nil) },
			resume: func(l *leftover) { l.user.force(l.vm.ID); sweeps(l) },
		},
		"cleanup": {
			until:  nothing,
			act:    func(l *leftover) { l.m.cleanup(1) },
			resume: func(l *leftover) { l.m.cleanup(1); sweeps(l) },
		},
		"sweep": {
			until: func(l *leftover) {
				l.w.removeServer(*l.vm.ProviderID)
				l.w.advance(dcm.HeartbeatLostAfter + time.Minute)
				l.w.sweep()
				l.w.advance(dcm.HeartbeatLostAfter + time.Minute)
			},
			act:    func(l *leftover) { caller{w: l.w}.call("POST", "/_local/schedules/sweep-vms", nil) },
			resume: sweeps,
		},
		"next backup": {
			until:  nothing,
			act:    func(l *leftover) { l.start() },
			resume: func(l *leftover) { l.m.backup(1, l.next) },
			stays:  true,
		},
	}
}

func (l *leftover) start() answer {
	return l.m.call("POST", l.m.path("/backups"), dcm.BackupStart{Generation: 1})
}

// leave makes a leftover of a new tenant.
func (w *world) leave(tenant dcm.TenantID, complete bool) *leftover {
	w.t.Helper()
	w.limit(tenant, "1000")
	l := &leftover{w: w, user: w.user(tenant), complete: complete}
	l.older, l.newer, l.next = []byte("older "+rand.Text()), []byte("newer "+rand.Text()), []byte("next "+rand.Text())
	l.m, l.vm = w.running(l.user)
	l.m.backup(0, l.older)
	started, done := l.m.upload(1, l.newer)
	if complete {
		w.fault(map[string]any{"service": "dynamodb", "operation": "TransactWriteItems", "mode": "error", "code": refusals["dynamodb"]})
		l.m.call("POST", l.m.path("/backups/"+string(started.BackupID)+"/complete"), done).expect(w.t, 500)
		w.clearFaults()
	}
	return l
}

// interim is what must hold at any moment: the backup on record opens.
func (l *leftover) interim() {
	l.w.t.Helper()
	got := l.w.read(l.m.tenant(), l.vm.WorkspaceID)
	if !bytes.Equal(got, l.older) && !(l.complete && bytes.Equal(got, l.newer)) {
		l.w.t.Errorf("the backup holds %q", got)
	}
}

func (m *machine) tenant() dcm.TenantID { return m.boot.TenantID }

// done is what must hold at the end, however often it crashed.
func (l *leftover) done(s settlement) {
	t, w := l.w.t, l.w
	t.Helper()
	want, generation := l.older, int64(1)
	if l.complete {
		want, generation = l.newer, 2
	}
	if s.stays {
		want, generation = l.next, generation+1
	}
	if got := w.read(l.m.tenant(), l.vm.WorkspaceID); !bytes.Equal(got, want) {
		t.Errorf("the backup holds %q, want %q", got, want)
	}
	if ws := l.user.workspace(l.vm.WorkspaceID); ws.Generation != generation {
		t.Errorf("generation %d, want %d", ws.Generation, generation)
	}
	vm := l.user.get(l.vm.ID)
	if stopped := vm.Status == dcm.StatusStopped; stopped == s.stays {
		t.Errorf("the VM is %s: %+v", vm.Status, vm.Error)
	}
	glance := l.user.tenant().Usage
	if (glance.Reserved == "0.00") == s.stays || (glance.ActiveVMs == 0) == s.stays {
		t.Errorf("at a glance %+v", glance)
	}
	l.user.expectUsage(expected(t, vm))
	// An upload that was begun, and of which nobody heard, is an orphan in a while.
	w.advance(dcm.OrphanGrace + time.Minute)
	if s.stays {
		l.m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
	}
	caller{w: w}.call("POST", "/_local/schedules/sweep-orphans", nil).expect(t, 200)
	for _, wrong := range w.breaches(w.books(l.m.tenant())) {
		t.Error(wrong)
	}
}

// TestAnyStepMayCrashWhileSettling kills whatever settles a dead agent's backup
// and its VM's account at every one of its calls in turn, and lets it be done
// again: once in the books, and the newest work that was accepted is kept.
func TestAnyStepMayCrashWhileSettling(t *testing.T) {
	t.Parallel()
	for name, s := range settlements() {
		for left, complete := range map[string]bool{"completed": true, "never completed": false} {
			t.Run(name+", "+left, func(t *testing.T) {
				t.Parallel()
				calls := s.calls(t, complete)
				for _, service := range slices.Sorted(maps.Keys(calls)) {
					for operation, n := range calls[service] {
						t.Run(service+" "+operation, func(t *testing.T) {
							t.Parallel()
							s.crash(t, complete, service, operation, n)
						})
					}
				}
			})
		}
	}
}

// calls are what act calls when nothing crashes.
func (s settlement) calls(t *testing.T, complete bool) map[string]map[string]int {
	w := newWorld(t, nil)
	l := w.leave("acme", complete)
	s.until(l)
	calls := w.callsDuring(func() { s.act(l) })
	l.interim()
	s.resume(l)
	l.done(s)
	return calls
}

func (s settlement) crash(t *testing.T, complete bool, service, operation string, calls int) {
	w := newWorld(t, nil)
	stride := crashStride(t)
	if operation == "Query" {
		stride *= 4 // most of them ask the same of another shard
	}
	for at := 0; at < calls; at += stride {
		for _, lost := range []bool{false, true} {
			if lost && !changes(operation) {
				continue
			}
			l := w.leave(dcm.TenantID(fmt.Sprintf("t%d-%t", at, lost)), complete)
			s.until(l)
			w.die(service, operation, at, lost)
			s.act(l)
			w.clearFaults()
			l.interim()
			s.resume(l)
			l.done(s)
			if t.Failed() {
				t.Fatalf("call %d, its answer lost: %t", at, lost)
			}
		}
	}
}
