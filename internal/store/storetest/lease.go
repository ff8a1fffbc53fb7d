package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// lease: one has it at a time, until it gives it back or its time is over.
func lease(t *testing.T, s *subject) {
	ranOut := false
	take := func(name, owner string) (err error) {
		now := s.clock.Now()
		ranOut, err = s.TakeLease(t.Context(), name, owner, now, now.Add(time.Minute))
		return err
	}
	must(t, take("sweep-vms", "a"))
	must(t, take("sweep-vms", "a")) // its answer was lost
	wantIs(t, take("sweep-vms", "b"), dcm.ErrLeaseHeld)
	must(t, take("sweep-keys", "b"))
	must(t, s.GiveBackLease(t.Context(), "sweep-vms", "b"))
	wantIs(t, take("sweep-vms", "b"), dcm.ErrLeaseHeld)
	must(t, s.GiveBackLease(t.Context(), "sweep-vms", "a"))
	must(t, s.GiveBackLease(t.Context(), "sweep-vms", "a"))
	must(t, take("sweep-vms", "b"))
	wantEqual(t, ranOut, false) // it was given back

	s.clock.Advance(time.Minute - time.Nanosecond)
	wantIs(t, take("sweep-vms", "c"), dcm.ErrLeaseHeld)
	s.clock.Advance(time.Nanosecond)
	must(t, take("sweep-vms", "c"))
	wantEqual(t, ranOut, true)
	must(t, take("sweep-vms", "c"))
	wantEqual(t, ranOut, false) // not another's
	// Who was held to be dead takes nobody's away.
	must(t, s.GiveBackLease(t.Context(), "sweep-vms", "b"))
	wantIs(t, take("sweep-vms", "d"), dcm.ErrLeaseHeld)

	for _, bad := range [][2]string{{"", "a"}, {"sweep-vms", ""}} {
		if take(bad[0], bad[1]) == nil {
			t.Errorf("taken: %q", bad)
		}
	}
	now := s.clock.Now()
	if _, err := s.TakeLease(t.Context(), "sweep-vms", "c", now, now); err == nil {
		t.Error("taken for no time")
	}
}

func raceForLease(t *testing.T, s *subject) {
	var (
		all sync.WaitGroup
		won atomic.Int32
	)
	for n := range 50 {
		all.Go(func() {
			now := s.clock.Now()
			_, err := s.TakeLease(t.Context(), "sweep-vms", fmt.Sprint(n), now, now.Add(time.Minute))
			if err == nil {
				won.Add(1)
			} else {
				wantIs(t, err, dcm.ErrLeaseHeld)
			}
		})
	}
	all.Wait()
	wantEqual(t, won.Load(), 1)
}
