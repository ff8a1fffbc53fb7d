package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// race starts n calls at once and returns their errors.
func race(n int, call func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = call(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// winners counts the calls that succeeded, and fails if another failed
// otherwise than allowed.
func winners(t *testing.T, errs []error, allowed func(error) bool) int {
	t.Helper()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !allowed(err):
			t.Errorf("unexpected error: %v", err)
		}
	}
	return won
}

func lost(err error) bool { return errors.Is(err, dcm.ErrLostRace) }

func raceForWorkspace(t *testing.T, s *subject) {
	vm := s.launch(t, acme)
	s.end(t, vm)
	ws := s.workspace(t, vm)
	intents := make([]dcm.Intent, 20)
	for n := range intents {
		i := s.intent(t, acme)
		i.Workspace, i.NewWorkspace, i.VM.WorkspaceID = ws, false, ws.ID
		i.Workspace.ActiveVM = i.VM.ID
		intents[n] = i
	}
	errs := race(len(intents), func(n int) error { return s.acme().CreateVM(t.Context(), intents[n]) })
	won := winners(t, errs, func(err error) bool { return dcm.ErrorCode(err) == dcm.CodeConflict })
	wantEqual(t, won, 1)
	wantEqual(t, s.profile(t, acme).ActiveVMs, 1)
	holder := s.workspace(t, vm).ActiveVM
	for n, err := range errs {
		if (err == nil) != (intents[n].VM.ID == holder) {
			t.Errorf("VM %s was told %v, the workspace is held by %s", intents[n].VM.ID, err, holder)
		}
	}
}

// raceForQuota: 200 launches at once of a tenant that may have 10.
func raceForQuota(t *testing.T, s *subject) {
	const limit = 10
	intents := make([]dcm.Intent, 200)
	for n := range intents {
		intents[n] = s.intent(t, acme)
		intents[n].DefaultQuotas.MaxConcurrentVMs = limit
	}
	errs := race(len(intents), func(n int) error { return s.acme().CreateVM(t.Context(), intents[n]) })
	won := winners(t, errs, func(err error) bool { return dcm.ErrorCode(err) == dcm.CodeQuotaExceeded })
	wantEqual(t, won, limit)
	wantEqual(t, s.profile(t, acme).ActiveVMs, limit)
	all, _ := s.pages(t, acme, dcm.VMQuery{Limit: 100})
	wantEqual(t, len(all), limit)
}

func raceForIdempotencyKey(t *testing.T, s *subject) {
	intents := make([]dcm.Intent, 20)
	for n := range intents {
		i := s.intent(t, acme)
		i.Idempotency = &dcm.Idempotency{Key: "one", VM: i.VM.ID, ExpiresAt: s.clock.Now().Add(time.Hour)}
		intents[n] = i
	}
	errs := race(len(intents), func(n int) error { return s.acme().CreateVM(t.Context(), intents[n]) })
	wantEqual(t, winners(t, errs, func(err error) bool { return errors.Is(err, dcm.ErrIdempotencyTaken) }), 1)
	wantEqual(t, s.profile(t, acme).ActiveVMs, 1)
}

func raceToChange(t *testing.T, s *subject) {
	vm := s.run(t, s.launch(t, acme))
	errs := race(20, func(n int) error {
		due := vm.DueAt.Add(time.Duration(n+1) * time.Minute)
		got, err := s.acme().ChangeVM(t.Context(), vm.ID, dcm.VMChange{
			From: []dcm.Status{dcm.StatusRunning}, IfDueAt: &vm.DueAt, DueAt: &due, StopReason: ptr(dcm.StopIdle),
		})
		if err != nil && got.StopReason != dcm.StopIdle {
			return fmt.Errorf("the loser was shown %+v: %v", got, err)
		}
		return err
	})
	wantEqual(t, winners(t, errs, lost), 1)
}

// raceOfStopAndHeartbeat: whichever comes first, the VM is stopping in the
// end, for the user's reason.
func raceOfStopAndHeartbeat(t *testing.T, s *subject) {
	vm := s.launch(t, acme)
	errs := race(20, func(n int) error {
		c := dcm.VMChange{From: []dcm.Status{dcm.StatusCreating, dcm.StatusRunning}, Status: ptr(dcm.StatusRunning), LastSeenAt: ptr(s.clock.Now())}
		if n%4 == 0 {
			c.Status, c.StopReason = ptr(dcm.StatusStopping), ptr(dcm.StopUser)
		}
		got, err := s.acme().ChangeVM(t.Context(), vm.ID, c)
		if err != nil && got.Status != dcm.StatusStopping {
			return fmt.Errorf("the loser was shown status %q: %v", got.Status, err)
		}
		return err
	})
	stops := 0
	for n := 0; n < len(errs); n += 4 {
		if errs[n] == nil {
			stops++
		}
	}
	winners(t, errs, lost)
	wantEqual(t, stops, 1)
	got := s.vm(t, vm)
	wantEqual(t, got.Status, dcm.StatusStopping)
	wantEqual(t, got.StopReason, dcm.StopUser)
}

func raceToFinish(t *testing.T, s *subject) {
	s.launch(t, acme)
	vm := s.stop(t, s.launch(t, acme))
	errs := race(20, func(int) error {
		return s.acme().FinishVM(t.Context(), dcm.Finish{VM: vm.ID, Workspace: vm.WorkspaceID, At: s.clock.Now()})
	})
	wantEqual(t, winners(t, errs, lost), 1)
	wantEqual(t, s.profile(t, acme).ActiveVMs, 1)
}

func raceForGeneration(t *testing.T, s *subject) {
	vm := s.run(t, s.launch(t, acme))
	backups := make([]dcm.Backup, 20)
	for n := range backups {
		backups[n] = backup(t, vm, 1, s.clock.Now())
	}
	errs := race(len(backups), func(n int) error {
		return s.acme().AdvanceGeneration(t.Context(), vm.ID, vm.WorkspaceID, backups[n])
	})
	wantEqual(t, winners(t, errs, lost), 1)
	newest := s.workspace(t, vm).Backup.ID
	for n, err := range errs {
		if (err == nil) != (backups[n].ID == newest) {
			t.Errorf("backup %s was told %v, the newest is %s", backups[n].ID, err, newest)
		}
	}
}

func raceToBind(t *testing.T, s *subject) {
	vm := s.launch(t, acme)
	errs := race(20, func(n int) error {
		_, err := s.acme().BindBootstrap(t.Context(), vm.ID, fmt.Sprint("key ", n), s.clock.Now())
		return err
	})
	wantEqual(t, winners(t, errs, func(err error) bool { return errors.Is(err, dcm.ErrForeignKey) }), 1)
}
