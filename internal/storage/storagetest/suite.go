// Package storagetest is the suite that every dcm.Storage passes, over every
// back end it is used with.
package storagetest

import (
	"net/http"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Subject is a storage under test, and where it may write.
type Subject struct {
	// New makes a storage that signs by clock and sends through client.
	New func(clock dcm.Clock, client *http.Client) dcm.Storage
	// Versioned is a bucket with versioning, Unversioned one without. Both
	// exist and are this run's own.
	Versioned, Unversioned dcm.Bucket
	// List names every version, delete marker and unfinished upload under a
	// prefix, and Hide deletes a key without naming a version. Both ask the back
	// end by another way than the storage under test.
	List func(t *testing.T, b dcm.Bucket, prefix string) []string
	Hide func(t *testing.T, b dcm.Bucket, key string)
	// Now is the back end's clock. Nil is the system's.
	Now dcm.Clock
	// Lacks names the checks that this back end can't pass, with the reason.
	Lacks map[string]string
}

// check is one promise of a storage, and how it is shown.
type check struct {
	name string
	run  func(t *testing.T, e *env)
}

// checks are all promises. A back end may lack one only by name.
func checks() []check {
	var all []check
	for _, part := range [][]check{
		uploadChecks(), completeChecks(), readChecks(), urlChecks(), failureChecks(), copyChecks(), deleteChecks(), probeChecks(),
	} {
		all = append(all, part...)
	}
	return all
}

// Run runs every check, each on a key of its own.
func Run(t *testing.T, s Subject) {
	t.Helper()
	if s.Now == nil {
		s.Now = dcm.SystemClock{}
	}
	known := map[string]bool{}
	for _, c := range checks() {
		known[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			if reason, lacks := s.Lacks[c.name]; lacks {
				t.Skipf("this back end cannot pass: %s", reason)
			}
			t.Parallel()
			c.run(t, newEnv(t, s))
		})
	}
	for name := range s.Lacks {
		if !known[name] {
			t.Errorf("the back end lacks %q, which is not a check", name)
		}
	}
}

// offsetClock is another clock, moved.
type offsetClock struct {
	dcm.Clock
	offset time.Duration
}

// Now returns the other clock's time, moved by the offset.
func (c offsetClock) Now() time.Time { return c.Clock.Now().Add(c.offset) }
