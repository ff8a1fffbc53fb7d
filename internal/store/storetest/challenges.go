package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// challenges: a VM's calls for its certificate are counted by the hour, and what it
// has bound stays.
func challenges(t *testing.T, s *subject) {
	vm := s.launch(t, acme)
	known, err := s.acme().ChallengeContext(t.Context(), vm.ID)
	must(t, err)
	wantEqual(t, known.VM, vm)
	wantEqual(t, known.Book, dcm.ChallengeBook{})
	now := s.clock.Now()
	call := dcm.ChallengeCall{At: now, KeepUntil: now.Add(time.Hour)}
	for i := range dcm.MaxChallengeCalls {
		bind := call
		if i == 1 {
			bind.Directory, bind.Key = "https://acme.example/directory", "one"
		}
		// Who knows the book as it was is corrected.
		before, err := s.acme().CountChallenge(t.Context(), vm.ID, known.Book, bind)
		must(t, err)
		wantEqual(t, before.Calls, i)
	}
	_, err = s.acme().CountChallenge(t.Context(), vm.ID, known.Book, call)
	wantCode(t, err, dcm.CodeRateLimited)
	known, err = s.acme().ChallengeContext(t.Context(), vm.ID)
	must(t, err)
	wantEqual(t, known.Book, dcm.ChallengeBook{
		From: now, Calls: dcm.MaxChallengeCalls, Version: dcm.MaxChallengeCalls,
		Bound: map[string]string{"https://acme.example/directory": "one"},
	})

	call.At = now.Add(dcm.ChallengeWindow)
	call.Directory, call.Key = "https://acme.example/directory", "two"
	_, err = s.acme().CountChallenge(t.Context(), vm.ID, known.Book, call)
	wantCode(t, err, dcm.CodeConflict)
	call.Key = "one"
	before, err := s.acme().CountChallenge(t.Context(), vm.ID, known.Book, call)
	must(t, err)
	wantEqual(t, before.Bound, known.Book.Bound)
	known, err = s.acme().ChallengeContext(t.Context(), vm.ID)
	must(t, err)
	if known.Book.Calls != 1 || !known.Book.From.Equal(call.At) {
		t.Errorf("the next hour begins with %+v", known.Book)
	}
	_, err = s.acme().ChallengeContext(t.Context(), mustVMID(t))
	wantCode(t, err, dcm.CodeNotFound)
}

// raceToBindAccount: of several keys that are bound at once, one is.
func raceToBindAccount(t *testing.T, s *subject) {
	vm := s.launch(t, acme)
	now := s.clock.Now()
	var bound atomic.Int32
	var all sync.WaitGroup
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		all.Go(func() {
			_, err := s.acme().CountChallenge(t.Context(), vm.ID, dcm.ChallengeBook{}, dcm.ChallengeCall{
				At: now, KeepUntil: now.Add(time.Hour), Directory: "https://acme.example/directory", Key: key,
			})
			if err == nil {
				bound.Add(1)
			} else {
				wantCode(t, err, dcm.CodeConflict)
			}
		})
	}
	all.Wait()
	if bound.Load() != 1 {
		t.Errorf("%d keys were bound", bound.Load())
	}
}
