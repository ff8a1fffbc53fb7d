package lambdaruntime_test

import (
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/lambdaruntime"
)

func TestFunction(t *testing.T) {
	t.Parallel()
	bootstrap := mustBuildSample(t)

	t.Run("an event is answered, with its context and environment", func(t *testing.T) {
		t.Parallel()
		f := mustStart(t, lambdaruntime.Options{
			Bootstrap: bootstrap, Name: "sample", Environment: map[string]string{"GREETING": "hello "}, Timeout: time.Minute,
		})
		var first, second struct {
			Text, RequestID, ARN, Function, Home string
			Left                                 time.Duration
		}
		mustInvoke(t, f, `{"text":"one"}`, &first)
		mustInvoke(t, f, `{"text":"two"}`, &second)
		if first.Text != "hello one" || second.Text != "hello two" {
			t.Errorf("answers are %q and %q", first.Text, second.Text)
		}
		if first.RequestID == "" || first.RequestID == second.RequestID {
			t.Errorf("request ids are %q and %q, want two different ones", first.RequestID, second.RequestID)
		}
		if first.Function != "sample" || !strings.HasSuffix(first.ARN, ":function:sample") {
			t.Errorf("name is %q, ARN %q", first.Function, first.ARN)
		}
		if first.Left <= 0 || first.Left > time.Minute {
			t.Errorf("the deadline is %v away, want within a minute", first.Left)
		}
		if first.Home != "" {
			t.Errorf("HOME=%q leaked from this process", first.Home)
		}
	})

	t.Run("an error of the function is a FunctionError, and the next event works", func(t *testing.T) {
		t.Parallel()
		f := mustStart(t, lambdaruntime.Options{Bootstrap: bootstrap, Name: "sample", Timeout: time.Minute})
		_, err := f.Invoke(t.Context(), []byte(`{"do":"fail","text":"no luck"}`))
		var failed *lambdaruntime.FunctionError
		if !errors.As(err, &failed) || failed.Message != "no luck" || failed.Type != "errorString" {
			t.Fatalf("error is %v, want the function's own", err)
		}
		mustInvoke(t, f, `{}`, &struct{}{})
	})

	t.Run("a panic is a FunctionError", func(t *testing.T) {
		t.Parallel()
		f := mustStart(t, lambdaruntime.Options{Bootstrap: bootstrap, Name: "sample", Timeout: time.Minute})
		_, err := f.Invoke(t.Context(), []byte(`{"do":"panic","text":"oh"}`))
		var failed *lambdaruntime.FunctionError
		if !errors.As(err, &failed) || failed.Message != "oh" {
			t.Fatalf("error is %v, want the panic", err)
		}
	})

	t.Run("a binary that dies, before or during an event, is an error", func(t *testing.T) {
		t.Parallel()
		broken := mustStart(t, lambdaruntime.Options{
			Bootstrap: bootstrap, Name: "broken", Environment: map[string]string{"BROKEN": "yes"}, Timeout: time.Minute,
		})
		if err := broken.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 3") {
			t.Errorf("Ready says %v, want the exit status", err)
		}
		f := mustStart(t, lambdaruntime.Options{Bootstrap: bootstrap, Name: "sample", Timeout: time.Minute})
		if _, err := f.Invoke(t.Context(), []byte(`{"do":"exit"}`)); err == nil || !strings.Contains(err.Error(), "exit status 4") {
			t.Errorf("Invoke says %v, want the exit status", err)
		}
	})

	t.Run("an event that takes too long is an error", func(t *testing.T) {
		t.Parallel()
		f := mustStart(t, lambdaruntime.Options{Bootstrap: bootstrap, Name: "sample", Timeout: 50 * time.Millisecond})
		if err := f.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Invoke(t.Context(), []byte(`{"do":"hang"}`)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Invoke says %v, want a timeout", err)
		}
	})
}

func mustBuildSample(t *testing.T) string {
	t.Helper()
	bootstrap := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", bootstrap, "./testdata/sample")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the sample: %v\n%s", err, out)
	}
	return bootstrap
}

func mustStart(t *testing.T, o lambdaruntime.Options) *lambdaruntime.Function {
	t.Helper()
	f, err := lambdaruntime.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return f
}

func mustInvoke(t *testing.T, f *lambdaruntime.Function, event string, answer any) {
	t.Helper()
	body, err := f.Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatalf("invoke %s: %v", event, err)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		t.Fatalf("answer %s: %v", body, err)
	}
}
