package app_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
)

// TestAnAnswerIsTheCallers: later calls leave an answer as it was.
func TestAnAnswerIsTheCallers(t *testing.T) {
	t.Parallel()
	h := app.Handle(func(_ context.Context, n int) (any, error) {
		return map[string]string{"n": strings.Repeat(fmt.Sprint(n), 100)}, nil
	})
	var answers [10][]byte
	for n := range answers {
		var err error
		if answers[n], err = h.Invoke(t.Context(), []byte(fmt.Sprint(n))); err != nil {
			t.Fatal(err)
		}
	}
	for n, got := range answers {
		if want := fmt.Sprintf(`{"n":"%s"}`, strings.Repeat(fmt.Sprint(n), 100)); string(got) != want {
			t.Errorf("call %d has the answer %s", n, got)
		}
	}
}

// TestHandlerEncodesAsLambda: nothing is escaped for HTML, and no line ended.
func TestHandlerEncodesAsLambda(t *testing.T) {
	t.Parallel()
	failure := errors.New("it failed")
	h := app.Handle(func(_ context.Context, n int) (any, error) {
		if n == 0 {
			return nil, failure
		}
		return "<a>&\n", nil
	})
	if got, err := h.Invoke(t.Context(), []byte("1")); err != nil || string(got) != `"<a>&\n"` {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := h.Invoke(t.Context(), []byte("0")); !errors.Is(err, failure) {
		t.Errorf("%v", err)
	}
	if _, err := h.Invoke(t.Context(), []byte(`"x"`)); err == nil {
		t.Error("an event of another kind passes")
	}
}
