package wire_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/wire"
)

// shop is a service that counts what it has really done.
type shop struct {
	wire   *wire.Wire
	url    string
	client *http.Client
	done   atomic.Int32
	// arrived gets a word for each call.
	arrived chan struct{}
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{wire: wire.New(), arrived: make(chan struct{}, 100)}
	h := s.wire.Wrap(wire.Service{
		Name:      "shop",
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.done.Add(1); _, _ = io.WriteString(w, "sold") }),
		Operation: func(r *http.Request) string { s.arrived <- struct{}{}; return strings.TrimPrefix(r.URL.Path, "/") },
		WriteError: func(w http.ResponseWriter, _ *http.Request, code string) {
			http.Error(w, code, http.StatusServiceUnavailable)
		},
		DefaultCode: "closed", Operations: []string{"Buy", "Look"},
	})
	server := httptest.NewServer(h)
	t.Cleanup(func() { s.wire.Close(); server.Close() })
	s.url, s.client = server.URL, server.Client()
	return s
}

// call posts, so that net/http does not try again by itself.
func (s *shop) call(ctx context.Context, operation string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/"+operation, strings.NewReader("body"))
	if err != nil {
		return "", err
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return strings.TrimSpace(string(b)), err
}

func (s *shop) mustInject(t *testing.T, f wire.Fault) {
	t.Helper()
	if err := s.wire.Inject(f); err != nil {
		t.Fatal(err)
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.mustInject(t, wire.Fault{Service: "shop", Operation: "Buy", Mode: wire.ModeError, Count: 1})
	for _, operation := range []string{"Buy", "Buy", "Sell", ""} {
		if _, err := s.call(t.Context(), operation); err != nil {
			t.Fatal(err)
		}
	}
	calls := s.wire.Calls()["shop"]
	if calls["Buy"] != 2 || calls["Sell"] != 1 || calls[wire.Unknown] != 1 || len(calls) != 3 {
		t.Errorf("calls are %v", calls)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	t.Run("an error, after and for so many calls", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.mustInject(t, wire.Fault{Service: "shop", Operation: "Buy", Mode: wire.ModeError, Code: "sold_out", After: 1, Count: 2})
		var got []string
		for range 4 {
			answer, err := s.call(t.Context(), "Buy")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, answer)
		}
		if strings.Join(got, " ") != "sold sold_out sold_out sold" || s.done.Load() != 2 {
			t.Errorf("got %v, and %d were done", got, s.done.Load())
		}
	})
	t.Run("for every operation until cleared, with the service's own code", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.mustInject(t, wire.Fault{Service: "shop", Operation: "*", Mode: wire.ModeError})
		for _, operation := range []string{"Buy", "Sell"} {
			if answer, _ := s.call(t.Context(), operation); answer != "closed" {
				t.Errorf("%s answers %q", operation, answer)
			}
		}
		s.wire.Clear()
		if answer, _ := s.call(t.Context(), "Buy"); answer != "sold" {
			t.Errorf("after clearing: %q", answer)
		}
	})
	t.Run("a lost answer is done all the same", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.mustInject(t, wire.Fault{Service: "shop", Operation: "Buy", Mode: wire.ModeLostAnswer, Count: 1})
		if answer, err := s.call(t.Context(), "Buy"); err == nil || s.done.Load() != 1 {
			t.Errorf("answered %q, %v; %d were done", answer, err, s.done.Load())
		}
		if answer, err := s.call(t.Context(), "Buy"); answer != "sold" {
			t.Errorf("the next call: %q, %v", answer, err)
		}
	})
	t.Run("a truncated answer looks whole", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.mustInject(t, wire.Fault{Service: "shop", Operation: "Buy", Mode: wire.ModeTruncated, Count: 1})
		if answer, err := s.call(t.Context(), "Buy"); err != nil || answer != "so" || s.done.Load() != 1 {
			t.Errorf("answered %q, %v; %d were done", answer, err, s.done.Load())
		}
	})
	t.Run("a timeout lasts until the client gives up, and does nothing", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.mustInject(t, wire.Fault{Service: "shop", Mode: wire.ModeTimeout})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := s.call(ctx, "Buy"); !errors.Is(err, context.DeadlineExceeded) || s.done.Load() != 0 {
			t.Errorf("%v; %d were done", err, s.done.Load())
		}
	})
	t.Run("closing ends what a timeout holds", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.mustInject(t, wire.Fault{Service: "shop", Mode: wire.ModeTimeout})
		failed := make(chan error, 1)
		go func() { _, err := s.call(context.WithoutCancel(t.Context()), "Buy"); failed <- err }()
		<-s.arrived
		s.wire.Close()
		if err := <-failed; err == nil {
			t.Error("it was answered")
		}
	})
}

func TestInjectRefuses(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, f := range []wire.Fault{
		{Service: "bank", Mode: wire.ModeError},
		{Service: "shop", Mode: "slow"},
		{Service: "shop", Operation: "Bye", Mode: wire.ModeError},
		{Service: "shop", Mode: wire.ModeError, Count: -1},
		{Service: "shop", Mode: wire.ModeError, After: -1},
	} {
		if err := s.wire.Inject(f); err == nil {
			t.Errorf("%+v was accepted", f)
		}
	}
}
