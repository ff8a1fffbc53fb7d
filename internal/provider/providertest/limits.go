package providertest

import (
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/wire"
)

// testLimits: whoever holds a credential learns from every answer, also from a
// refusal, how many requests are left, with the credential of that call alone.
func testLimits(t *testing.T, newSubject func(*testing.T) Subject) {
	scenario(t, "every answer reports the limit", newSubject, func(t *testing.T, s Subject) {
		ref := s.mustCreate(t, s.request("dcm-vm-a")).Ref()
		var said []dcm.RateLimit
		c := s.Credential
		c.Observe = func(l dcm.RateLimit) { said = append(said, l) }
		last := 0
		for name, call := range s.operations(c, ref) {
			said = nil
			if err := call(t.Context()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if len(said) == 0 {
				t.Fatalf("%s reported no limit", name)
			}
			l := said[len(said)-1]
			if l.Limit <= 0 || l.Remaining < 0 || l.Remaining >= l.Limit || l.Interval <= 0 || l.Interval > time.Hour {
				t.Errorf("%s reported %+v", name, l)
			}
			if last != 0 && l.Remaining >= last {
				t.Errorf("%s: %d left, after %d", name, l.Remaining, last)
			}
			last = l.Remaining
		}
		said = nil
		s.mustList(t, nil)
		if said != nil {
			t.Errorf("a call without an observer reported %+v", said)
		}
	})
	scenario(t, "a refusal reports the limit", newSubject, func(t *testing.T, s Subject) {
		s.mustInject(t, wire.Fault{Mode: wire.ModeError, Code: s.Codes[dcm.KindRateLimited][0]})
		var said []dcm.RateLimit
		c := s.Credential
		c.Observe = func(l dcm.RateLimit) { said = append(said, l) }
		for name, call := range s.operations(c, dcm.ServerRef{ID: "42"}) {
			said = nil
			wantKind(t, call(t.Context()), dcm.KindRateLimited)
			if len(said) != 1 || said[0].Remaining != 0 {
				t.Errorf("%s reported %+v", name, said)
			}
		}
	})
}
