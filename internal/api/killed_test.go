package api_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/app/registry"
)

// TestASweepAfterOneThatWasKilled is careful, and says what it begins; the one
// after that is as any other.
func TestASweepAfterOneThatWasKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	run := func() string {
		t.Helper()
		user.rotate(user.saved([]byte("work")))
		var log bytes.Buffer
		a, err := app.New(app.Options{Function: "sweep-keys", Getenv: w.getenv, Clock: clockOf{w}, Output: &log, HTTP: &http.Client{}})
		if err != nil {
			t.Fatal(err)
		}
		handler, err := registry.Builders()["sweep-keys"](a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := handler.Invoke(t.Context(), []byte("{}")); err != nil {
			t.Fatal(err)
		}
		return log.String()
	}
	now := w.Now()
	if _, err := w.behind().Store().TakeLease(t.Context(), "sweep-keys", "killed", now, now.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	w.advance(time.Minute)
	if log := run(); !strings.Contains(log, "the run before was killed") || !strings.Contains(log, "sweep item begins") {
		t.Errorf("%s", log)
	}
	if log := run(); strings.Contains(log, "killed") || strings.Contains(log, "begins") || !strings.Contains(log, `"done":1`) {
		t.Errorf("%s", log)
	}
}
