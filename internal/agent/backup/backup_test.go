package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/agenttest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/backup"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/control"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type world struct {
	plane   *agenttest.Plane
	client  *control.Client
	saver   backup.Saver
	restore backup.Restorer
	dir     string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	plane, err := agenttest.New(t.TempDir())
	must(t, err)
	server := httptest.NewServer(plane)
	t.Cleanup(server.Close)
	plane.URL = server.URL
	client := control.New(plane.URL, agenttest.VM, "test", dcm.NewSecret(agenttest.FirstVMToken))
	tuning := backup.Tuning{Base: time.Microsecond, Attempts: 5}
	w := &world{
		plane: plane, client: client, dir: filepath.Join(t.TempDir(), "workspace"),
		saver:   backup.Saver{Control: client, HTTP: backup.NewTransferClient(), Tuning: tuning},
		restore: backup.Restorer{HTTP: backup.NewTransferClient(), Tuning: tuning},
	}
	must(t, os.MkdirAll(filepath.Join(w.dir, "src", "empty"), 0o755))
	must(t, os.WriteFile(filepath.Join(w.dir, "src", "main.go"), []byte("package main\n"), 0o640))
	must(t, os.Symlink("src/main.go", filepath.Join(w.dir, "link")))
	return w
}

// noise writes a file that does not compress, so that it fills several parts.
func (w *world) noise(t *testing.T, size int) []byte {
	t.Helper()
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	must(t, os.WriteFile(filepath.Join(w.dir, "noise"), b, 0o644))
	return b
}

func (w *world) save(t *testing.T, generation int64) backup.Saved {
	t.Helper()
	saved, err := w.saver.Save(context.Background(), w.dir, generation)
	must(t, err)
	return saved
}

// noTraces checks that nothing lies beside a restored tree.
func noTraces(t *testing.T, dir string, want int) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(dir))
	must(t, err)
	if len(entries) != want {
		t.Errorf("beside it lie %v", entries)
	}
}

func TestSaveAndRestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	noise := w.noise(t, 5<<20)
	saved := w.save(t, 0)
	if saved.Generation != 1 || saved.Totals.Parts < 5 {
		t.Fatalf("saved %+v", saved)
	}
	object, err := os.ReadFile(w.plane.ObjectPath())
	must(t, err)
	if !bytes.HasPrefix(object, []byte("age-encryption.org/v1\n")) {
		t.Errorf("the object begins with %q", object[:32])
	}
	if bytes.Contains(object, []byte("package main")) {
		t.Error("the object is not encrypted")
	}
	to := filepath.Join(t.TempDir(), "workspace")
	must(t, os.Mkdir(to, 0o755)) // an empty one may be there
	_, err = w.restore.Restore(context.Background(), *w.plane.Restore(), to)
	must(t, err)
	if b, err := os.ReadFile(filepath.Join(to, "noise")); !bytes.Equal(b, noise) {
		t.Errorf("the noise differs, %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(to, "link")); string(b) != "package main\n" {
		t.Errorf("the link leads to %q, %v", b, err)
	}
	noTraces(t, to, 1)
}

func TestSaveSurvives(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string][]agenttest.Fault{
		"a lost answer to every kind of call": {
			{Route: "start", Count: 1, LoseAnswer: true}, {Route: "parts", Count: 2, LoseAnswer: true},
			{Route: "put", Count: 2, LoseAnswer: true}, {Route: "complete", Count: 1, LoseAnswer: true},
		},
		"storage that is busy":            {{Route: "put", Count: 3, Status: 503}},
		"a control plane that is busy":    {{Route: "parts", After: 1, Count: 3, Status: 500, Code: dcm.CodeInternal}},
		"a gateway that is busy":          {{Route: "complete", Count: 2, Status: 429}},
		"a refusal of a signature, twice": {{Route: "put", After: 1, Count: 2, Status: 403}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.noise(t, 3<<20)
			for _, f := range faults {
				w.plane.Inject(f)
			}
			if saved := w.save(t, 0); saved.Generation != 1 || w.plane.Generation() != 1 {
				t.Errorf("saved %+v, the plane is at %d", saved, w.plane.Generation())
			}
		})
	}
	t.Run("URLs that expire", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.noise(t, 3<<20)
		w.plane.Inject(agenttest.Fault{Route: "put", After: 1, Count: 1, Before: w.plane.ExpireUploadURLs})
		w.save(t, 0)
		if asked := w.plane.Calls("parts"); asked < 5 {
			t.Errorf("only %d requests for URLs: no fresh one was asked for", asked)
		}
	})
}

func TestSaveFails(t *testing.T) {
	t.Parallel()
	t.Run("at once when the generation is refused", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.plane.Overtake()
		_, err := w.saver.Save(context.Background(), w.dir, 0)
		if p, ok := errors.AsType[*control.Problem](err); !ok || p.Code != dcm.CodeConflict {
			t.Errorf("the error is %v", err)
		}
		if n := w.plane.Calls("start"); n != 1 {
			t.Errorf("%d starts", n)
		}
	})
	t.Run("when storage stays away, and leaves no goroutine behind", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.noise(t, 4<<20)
		w.plane.Inject(agenttest.Fault{Route: "put", Status: 500})
		_, err := w.saver.Save(context.Background(), w.dir, 0)
		if err == nil || !backup.Transient(err) || strings.Contains(err.Error(), "/storage/") {
			t.Errorf("the error is %v", err)
		}
		if w.plane.Generation() != 0 {
			t.Error("a generation was made of it")
		}
		w.plane.Heal()
		w.save(t, 0)
	})
	t.Run("when the tree can't be read", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.dir = filepath.Join(w.dir, "missing")
		if _, err := w.saver.Save(context.Background(), w.dir, 0); err == nil || w.plane.Calls("complete") != 0 {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("when it is cancelled", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.noise(t, 4<<20)
		ctx, cancel := context.WithCancel(context.Background())
		w.plane.Inject(agenttest.Fault{Route: "put", Before: cancel})
		if _, err := w.saver.Save(ctx, w.dir, 0); !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
	})
}

func TestRestoreSurvives(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string][]agenttest.Fault{
		"a connection that breaks, again and again": {
			{Route: "get", Count: 1, CutAfter: 1000}, {Route: "get", Count: 2, CutAfter: 700_000},
		},
		"storage that is busy": {{Route: "get", Count: 3, Status: 503}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			noise := w.noise(t, 3<<20)
			w.save(t, 0)
			for _, f := range faults {
				w.plane.Inject(f)
			}
			to := filepath.Join(t.TempDir(), "workspace")
			_, err := w.restore.Restore(context.Background(), *w.plane.Restore(), to)
			must(t, err)
			if b, _ := os.ReadFile(filepath.Join(to, "noise")); !bytes.Equal(b, noise) {
				t.Error("the noise differs")
			}
		})
	}
}

func TestRestoreRefusesAndShowsNothing(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, w *world, r *dcm.Restore){
		"a wrong digest": func(_ *testing.T, _ *world, r *dcm.Restore) { r.SHA256 = strings.Repeat("0", 64) },
		"a longer size":  func(_ *testing.T, _ *world, r *dcm.Restore) { r.Size++ },
		"a shorter size": func(_ *testing.T, _ *world, r *dcm.Restore) { r.Size -= 100 },
		"a foreign key": func(t *testing.T, _ *world, r *dcm.Restore) {
			other, err := agenttest.New(t.TempDir())
			must(t, err)
			r.Identities = []string{other.Identity()}
		},
		"a flipped bit": func(_ *testing.T, w *world, _ *dcm.Restore) {
			w.plane.Inject(agenttest.Fault{Route: "get", Damage: 1_500_000})
		},
		"a flipped bit in the header": func(_ *testing.T, w *world, _ *dcm.Restore) {
			w.plane.Inject(agenttest.Fault{Route: "get", Damage: 60})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.noise(t, 3<<20)
			w.save(t, 0)
			r := *w.plane.Restore()
			spoil(t, w, &r)
			to := filepath.Join(t.TempDir(), "workspace")
			_, err := w.restore.Restore(context.Background(), r, to)
			if !errors.Is(err, backup.ErrDamaged) {
				t.Errorf("the error is %v", err)
			}
			if err != nil && strings.Contains(fmt.Sprint(err), "AGE-SECRET") {
				t.Errorf("the error tells the key: %v", err)
			}
			noTraces(t, to, 0)
		})
	}
	t.Run("a place where work lies", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.save(t, 0)
		if _, err := w.restore.Restore(context.Background(), *w.plane.Restore(), w.dir); err == nil {
			t.Error("it was overwritten")
		}
		if _, err := os.Stat(filepath.Join(w.dir, "src", "main.go")); err != nil {
			t.Error(err)
		}
	})
	t.Run("a URL that storage refuses, without a repetition", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.save(t, 0)
		w.plane.Inject(agenttest.Fault{Route: "get", Status: 403})
		_, err := w.restore.Restore(context.Background(), *w.plane.Restore(), filepath.Join(t.TempDir(), "workspace"))
		if err == nil || w.plane.Calls("get") != 1 || backup.Transient(err) {
			t.Errorf("after %d tries the error is %v", w.plane.Calls("get"), err)
		}
	})
}
