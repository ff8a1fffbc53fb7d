package api_test

import (
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// These tests make something happen right before one outside call of a
// function: the moment that a guard is there for.

// meanwhile has something happen right before the function's next call of this
// kind.
func (s *scene) meanwhile(function string, at outsideCall, happens func()) {
	s.pools[function].cold(&disturbance{mode: modeTwice, at: at, most: 1000, twin: happens})
}

func newScene(t *testing.T) *scene {
	t.Helper()
	return newTheatre(t).scene()
}

// heartbeatBefore has a silent VM call right before this call of the sweep, and
// checks that it runs on.
func heartbeatBefore(t *testing.T, at outsideCall) {
	t.Helper()
	s := newScene(t)
	s.runs("")
	s.advance(dcm.HeartbeatLostAfter)
	called := false
	s.meanwhile("sweep-vms", at, func() { called = s.agent.callBeat().status == 200 })
	if a := s.run("sweep-vms"); a.status != 200 || !called {
		t.Fatalf("%d %s, the VM called: %t", a.status, a.body, called)
	}
	if vm := s.user.get(s.vm); vm.Status != dcm.StatusRunning {
		t.Errorf("it is %s: %v", vm.Status, vm.Error)
	}
}

// TestAHeartbeatBeforeTheSweepReads: the list of what is due said that the VM
// is silent. It was, and has called since.
func TestAHeartbeatBeforeTheSweepReads(t *testing.T) {
	t.Parallel()
	heartbeatBefore(t, outsideCall{"dynamodb", "BatchGetItem", 1})
}

// TestAHeartbeatBeforeTheSweepStops: the same, after the sweep has read. Its
// first update takes the lease, its second stops the VM.
func TestAHeartbeatBeforeTheSweepStops(t *testing.T) {
	t.Parallel()
	heartbeatBefore(t, outsideCall{"dynamodb", "UpdateItem", 2})
}

// TestAServerThatIsSaidToBeGone: the provider does not know the server that is
// to be deleted, and right afterwards it does. The VM is not gone before it is.
func TestAServerThatIsSaidToBeGone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.runs("")
	s.forced[s.vm] = true
	s.pools["vms-delete"].cold(&disturbance{mode: modeRefused, code: "not_found", at: outsideCall{"hetzner", "DeleteServer", 1}})
	deletes("?force=true")(s).expect(t, 202)
	if vm := s.user.get(s.vm); vm.Status != dcm.StatusStopping || len(s.State().Servers) != 1 {
		t.Errorf("it is %s, with %d servers", vm.Status, len(s.State().Servers))
	}
	s.passes(2 * time.Minute)
	s.ends()
	s.holds("at the end")
}

// TestANameThatIsTaken: a server of somebody else has the name of the one that
// is about to be created. It is neither given to the user nor deleted.
func TestANameThatIsTaken(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	foreign := ""
	s.meanwhile("vms-create", outsideCall{"hetzner", "CreateServer", 1}, func() {
		vm := s.user.listed()[0].ID
		theirs := labels(s.tenant, vm)
		theirs[dcm.LabelInstallation] = "another"
		foreign = s.serverWith(platformToken, vm.ServerName(), theirs)
	})
	if a := orders(s); a.status == 201 {
		t.Errorf("somebody else's server was given away: %s", a.body)
	}
	s.advance(dcm.LaunchDeadline)
	s.sweeps(true)
	s.advance(dcm.OrphanGrace)
	s.sweeps(true)
	if !s.has(foreign) {
		t.Error("somebody else's server was deleted")
	}
	if vm := s.user.listed()[0]; vm.Status != dcm.StatusStopped {
		t.Errorf("the VM is %s", vm.Status)
	}
}
