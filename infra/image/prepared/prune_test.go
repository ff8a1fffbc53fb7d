package prepared_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/wire"
)

// mustPrune returns what is left.
func (w *world) mustPrune() []int64 {
	w.t.Helper()
	if _, err := w.process(nil).Prune(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return w.images()
}

func imageLabels(installation string) map[string]string {
	return map[string]string{dcm.LabelManagedBy: dcm.ManagedBy, dcm.LabelInstallation: installation, dcm.LabelRole: dcm.RoleImage}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	// shelf makes so many images for x86, oldest first.
	shelf := func(w *world, n int) (ids []int64) {
		for range n {
			ids = append(ids, w.api.AddSnapshot(project, "cx23", imageLabels(installation)))
		}
		return ids
	}
	t.Run("the last two stay", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		ids := shelf(w, 4)
		if left := w.mustPrune(); !slices.Equal(left, ids[2:]) {
			t.Errorf("%v are left of %v", left, ids)
		}
	})
	t.Run("what a server was made of stays, and what launches boot", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		ids := shelf(w, 5)
		w.order("dcm-vm-k3j9x2m4qa", ids[0], nil)
		if err := w.process(nil).Record.Write(t.Context(), dcm.ImageRecord{"hetzner": {"cx23": fmt.Sprint(ids[1])}}); err != nil {
			t.Fatal(err)
		}
		if left, want := w.mustPrune(), []int64{ids[0], ids[1], ids[3], ids[4]}; !slices.Equal(left, want) {
			t.Errorf("%v are left of %v, want %v", left, ids, want)
		}
	})
	t.Run("each architecture keeps its own two, and what is not ours stays", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		var kept []int64
		for _, labels := range []map[string]string{nil, imageLabels("prod-2"), {dcm.LabelManagedBy: dcm.ManagedBy, dcm.LabelInstallation: installation}} {
			kept = append(kept, w.api.AddSnapshot(project, "cx23", labels))
		}
		kept = append(kept, w.api.AddSnapshot(project, "cax11", imageLabels(installation)))
		kept = append(kept, shelf(w, 3)[1:]...)
		if left := w.mustPrune(); !slices.Equal(left, kept) {
			t.Errorf("%v are left, want %v", left, kept)
		}
	})
	t.Run("servers of runs that crashed go, and nothing else", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		expires := w.clock.Now().Add(time.Hour)
		w.order("dcm-image-left", 161547269, dcm.BuilderLabels(installation, expires))
		named := dcm.BuilderLabels(installation, expires)
		named[dcm.LabelVM] = "vm-k3j9x2m4qa"
		kept := []string{
			w.order("theirs", 161547269, dcm.BuilderLabels("prod-2", expires)).Name,
			w.order("pet", 161547269, nil).Name,
			w.order("dcm-vm-k3j9x2m4qa", 161547269, named).Name,
		}
		w.mustPrune()
		var left []string
		for _, s := range w.api.State() {
			left = append(left, s.Name)
		}
		if !slices.Equal(left, kept) {
			t.Errorf("%v are left, want %v", left, kept)
		}
	})
	for _, operation := range []string{"ListServers", "ListImages", "GetParameter"} {
		t.Run("nothing is deleted if a list fails: "+operation, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ids := shelf(w, 4)
			service, code := "hetzner", "forbidden"
			if operation == "GetParameter" {
				service, code = "ssm", "AccessDeniedException"
			}
			// Only the last list of them: servers are listed twice.
			after := map[string]int{"ListServers": 1}[operation]
			w.fault(wire.Fault{Service: service, Operation: operation, Mode: wire.ModeError, Code: code, After: after})
			if _, err := w.process(nil).Prune(t.Context()); err == nil {
				t.Error("no error")
			}
			if left := w.images(); !slices.Equal(left, ids) {
				t.Errorf("%v are left of %v", left, ids)
			}
		})
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.mustBuild(recipe("amd64"), false)
	w.order("dcm-vm-k3j9x2m4qa", id, nil)
	w.order("dcm-image-left", 161547269, dcm.BuilderLabels(installation, w.clock.Now().Add(-time.Hour)))
	var out bytes.Buffer
	if err := w.process(nil).List(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[1], fmt.Sprint(id)) || !strings.Contains(lines[1], "launches boot it") ||
		!strings.Contains(lines[1], "a1a1a1a1a1a1a1a1") || !strings.Contains(lines[2], "make image-prune") {
		t.Errorf("it lists\n%s", out.String())
	}
}
