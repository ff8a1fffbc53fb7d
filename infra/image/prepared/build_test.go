package prepared_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/wire"
)

func TestBuild(t *testing.T) {
	t.Parallel()
	t.Run("an image is made, recorded for the types that it fits, and nothing else is left", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		id := w.mustBuild(recipe("amd64"), false)
		w.requireOnly(id)
		for name, want := range map[string]string{"cx23": fmt.Sprint(id), "cx53": fmt.Sprint(id), "cpx22": fmt.Sprint(id), "cax11": ""} {
			if got := w.recorded()[name]; got != want {
				t.Errorf("%s boots %q, want %q", name, got, want)
			}
		}
		image := w.api.Snapshots(project)[0]
		for label, want := range map[string]string{"managed-by": "devcontainer-manager", "installation": installation, "role": "image", "agent": "a1a1a1a1a1a1a1a1", "build": "build1"} {
			if image.Labels[label] != want {
				t.Errorf("its label %s is %q", label, image.Labels[label])
			}
		}
		if len(w.oven.data) != 1 || !strings.Contains(w.oven.data[0], "mcr.example.com/base:ubuntu") {
			t.Error("its server did not get the recipe")
		}
	})
	t.Run("again, it is the same one, and no server is made", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		id := w.mustBuild(recipe("amd64"), false)
		other := recipe("amd64")
		other.Agent.URL = dcm.NewSecret("https://b.example.com/agent?X-Amz-Signature=cd")
		if again := w.mustBuild(other, false); again != id || len(w.oven.data) != 1 {
			t.Errorf("it is %d after %d, on %d servers", again, id, len(w.oven.data))
		}
		w.requireOnly(id)
	})
	t.Run("another agent is another image, and so is a fresh one", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		first := w.mustBuild(recipe("amd64"), false)
		other := recipe("amd64")
		other.Agent.SHA256 = strings.Repeat("b2", 32)
		second := w.mustBuild(other, false)
		third := w.mustBuild(other, true)
		if got := w.images(); !slices.Equal(got, []int64{second, third}) || first == second {
			t.Errorf("left are %v of %d, %d, %d", got, first, second, third)
		}
		if got := w.recorded()["cx23"]; got != fmt.Sprint(third) {
			t.Errorf("launches boot %s", got)
		}
	})
	t.Run("each architecture has its own", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		x86, arm := w.mustBuild(recipe("amd64"), false), w.mustBuild(recipe("arm64"), false)
		w.mustBuild(recipe("amd64"), true)
		newest := w.mustBuild(recipe("amd64"), true)
		if r := w.recorded(); r["cx23"] != fmt.Sprint(newest) || r["cax11"] != fmt.Sprint(arm) {
			t.Errorf("recorded is %v", r)
		}
		if got := w.images(); slices.Contains(got, x86) || !slices.Contains(got, arm) || len(got) != 3 {
			t.Errorf("there are %v", got)
		}
	})
	t.Run("sold out at one place, it is made at another", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.api.SetStock("cx23", "fsn1", 0)
		w.api.SetStock("cx23", "nbg1", 0)
		w.requireOnly(w.mustBuild(recipe("amd64"), false))
	})
	t.Run("sold out everywhere, it says where it tried, and takes no larger disk", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		for _, place := range []string{"fsn1", "nbg1", "hel1"} {
			w.api.SetStock("cx23", place, 0)
		}
		_, err := w.process(nil).Build(t.Context(), recipe("amd64"), false)
		if err == nil || !strings.Contains(err.Error(), "cx23@fsn1, cx23@nbg1, cx23@hel1") {
			t.Errorf("%v", err)
		}
	})
}

// TestBuildThatFails: what can't come to a good end leaves no server, and what
// launches boot stays.
func TestBuildThatFails(t *testing.T) {
	t.Parallel()
	requireFailure := func(t *testing.T, w *world, err error, word string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%v, want something about %q", err, word)
		}
		if left := w.api.State(); len(left) != 0 {
			t.Errorf("servers are left: %+v", left)
		}
	}
	t.Run("a server that never powers off", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		first := w.mustBuild(recipe("amd64"), false)
		w.oven.broken = true
		_, err := w.process(nil).Build(t.Context(), recipe("amd64"), true)
		requireFailure(t, w, err, "stays on")
		w.requireOnly(first)
	})
	t.Run("a user who has had enough", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		ctx, cancel := context.WithCancel(t.Context())
		p := w.process(nil)
		p.Sleep = func(_ context.Context, d time.Duration) error {
			if len(w.api.State()) > 0 {
				cancel()
			}
			return w.clock.sleep(context.Background(), d)
		}
		_, err := p.Build(ctx, recipe("amd64"), false)
		requireFailure(t, w, err, "canceled")
	})
	t.Run("a token that may only read", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.fault(wire.Fault{Service: "hetzner", Operation: "CreateServer", Mode: wire.ModeError, Code: "forbidden"})
		_, err := w.process(nil).Build(t.Context(), recipe("amd64"), false)
		requireFailure(t, w, err, "insufficient permissions")
	})
	t.Run("a record that nobody may write", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.fault(wire.Fault{Service: "ssm", Operation: "PutParameter", Mode: wire.ModeError, Code: "AccessDeniedException"})
		_, err := w.process(nil).Build(t.Context(), recipe("amd64"), false)
		requireFailure(t, w, err, "AccessDenied")
		w.wire.Clear()
		w.requireOnly(w.mustBuild(recipe("amd64"), false)) // the image is there already
		if len(w.oven.data) != 1 {
			t.Errorf("it was made %d times", len(w.oven.data))
		}
	})
	t.Run("a run that is overtaken by another", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		p, second := w.process(nil), int64(0)
		p.Sleep = func(ctx context.Context, d time.Duration) error {
			if second == 0 && len(w.api.State()) > 0 {
				second = -1
				second = w.mustBuild(recipe("amd64"), true)
			}
			return w.clock.sleep(ctx, d)
		}
		_, err := p.Build(t.Context(), recipe("amd64"), false)
		requireFailure(t, w, err, "another run")
		w.requireOnly(second)
	})
}

// TestBuildIsRepeatable disturbs each call of a build once, in each way that
// passes: the build comes to the same end.
func TestBuildIsRepeatable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustBuild(recipe("amd64"), false)
	calls := w.wire.Calls()
	cases := 0
	for service, operations := range calls {
		for operation, n := range operations {
			for at := range n {
				for _, f := range []wire.Fault{
					{Mode: wire.ModeLostAnswer}, {Mode: wire.ModeError}, {Mode: wire.ModeError, Code: map[string]string{"hetzner": "rate_limit_exceeded", "ssm": "ThrottlingException"}[service]},
				} {
					f.Service, f.Operation, f.After, f.Count = service, operation, at, 1
					cases++
					t.Run(fmt.Sprint(operation, " ", at, " ", f.Mode, " ", f.Code), func(t *testing.T) {
						t.Parallel()
						w := newWorld(t)
						w.fault(f)
						w.requireOnly(w.mustBuild(recipe("amd64"), false))
						if len(w.oven.data) != 1 {
							t.Errorf("%d servers were made", len(w.oven.data))
						}
					})
				}
			}
		}
	}
	if cases < 40 {
		t.Errorf("only %d cases: %v", cases, calls)
	}
}

// TestBuildThatDies: a process that is killed at any of its calls leaves what the
// next run finds, so that in the end there is one image and nothing else.
func TestBuildThatDies(t *testing.T) {
	t.Parallel()
	clean := &mortal{}
	if _, err := newWorld(t).process(clean).Build(t.Context(), recipe("amd64"), false); err != nil {
		t.Fatal(err)
	}
	if clean.calls < 15 {
		t.Fatalf("a build is only %d calls", clean.calls)
	}
	for at := 1; at <= clean.calls; at++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint("at call ", at, ", which was made: ", after), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				if _, err := w.process(&mortal{at: at, after: after}).Build(t.Context(), recipe("amd64"), false); err == nil {
					t.Fatal("it came to an end")
				}
				w.requireOnly(w.mustBuild(recipe("amd64"), false))
			})
			t.Run(fmt.Sprint("at call ", at, ", which was made: ", after, ", then only cleaned up"), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				_, _ = w.process(&mortal{at: at, after: after}).Build(t.Context(), recipe("amd64"), false)
				if _, err := w.process(nil).Prune(t.Context()); err != nil {
					t.Fatal(err)
				}
				if left := w.api.State(); len(left) != 0 {
					t.Errorf("servers are left: %+v", left)
				}
			})
		}
	}
}
