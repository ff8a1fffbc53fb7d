package api_test

import (
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// savesFor stops a VM and lets its last backup go on for so long. Sweeps come
// once it matters.
func (m *machine) savesFor(user caller, long time.Duration, p dcm.BackupProgress) {
	m.w.t.Helper()
	user.call("DELETE", "/vms/"+string(m.id), nil).expect(m.w.t, 202)
	step := 50 * time.Minute
	for at := time.Duration(0); at < long && user.get(m.id).Status == dcm.StatusStopping; at += step {
		p.Bytes += 1 << 20
		m.beat(dcm.Heartbeat{State: dcm.AgentStopping, Reason: dcm.StopUser, Backup: &p})
		if at < dcm.StopGrace-time.Hour {
			m.w.advance(step)
			continue
		}
		step = dcm.HeartbeatLostAfter - dcm.HeartbeatInterval
		m.w.advance(step)
		m.w.sweep()
	}
}

// TestABackupThatMovesIsNotGivenUp: what is being saved takes longer than a
// stopping VM is given otherwise.
func TestABackupThatMovesIsNotGivenUp(t *testing.T) {
	t.Parallel()
	workLost := func(vm api.VM) bool { return vm.Error != nil && vm.Error.Code == dcm.ProblemWorkLost }
	t.Run("and ends well", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user := w.user("acme")
		m, vm := w.running(user)
		m.savesFor(user, dcm.StopGrace+5*time.Hour, dcm.BackupProgress{})
		if got := user.get(vm.ID); got.Status != dcm.StatusStopping || got.Error != nil {
			t.Fatalf("after %v it is %s, %+v", dcm.StopGrace+5*time.Hour, got.Status, got.Error)
		}
		m.backup(0, []byte("all of it"))
		m.cleanup(1).expect(t, 202)
		if got := user.get(vm.ID); got.Status != dcm.StatusStopped || got.Error != nil {
			t.Errorf("it ended as %s, %+v", got.Status, got.Error)
		}
		w.nothingLeft()
	})
	t.Run("but not for ever", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user := w.user("acme")
		m, vm := w.running(user)
		m.savesFor(user, dcm.MovingStopGrace+2*time.Hour, dcm.BackupProgress{})
		if got := user.get(vm.ID); got.Status != dcm.StatusStopped || !workLost(got) {
			t.Errorf("after %v it is %s, %+v", dcm.MovingStopGrace+2*time.Hour, got.Status, got.Error)
		}
	})
	t.Run("and one that stands still is given up", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user := w.user("acme")
		m, vm := w.running(user)
		m.savesFor(user, dcm.StopGrace+2*time.Hour, dcm.BackupProgress{StalledSeconds: int(dcm.HeartbeatLostAfter / time.Second)})
		if got := user.get(vm.ID); got.Status != dcm.StatusStopped || !workLost(got) {
			t.Errorf("after %v it is %s, %+v", dcm.StopGrace+2*time.Hour, got.Status, got.Error)
		}
	})
}
