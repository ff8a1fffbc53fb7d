package hetzner_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	sim "github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
	"github.com/devcontainer-manager/devcontainer-manager/internal/provider/hetzner"
)

// against returns the provider before an API that answers by f.
func against(t *testing.T, f http.HandlerFunc) *hetzner.Provider {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return hetzner.New(hetzner.Options{Endpoint: server.URL + "/v1"})
}

func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func request() dcm.ServerRequest {
	return dcm.ServerRequest{
		Name: "dcm-vm-a", ServerType: "cx23", Location: "fsn1", Image: "debian-12",
		UserData: dcm.NewSecret("#cloud-config"), Labels: map[string]string{"vm-id": "vm-a"},
	}
}

func wantKind(t *testing.T, err error, want dcm.ProviderKind) {
	t.Helper()
	if dcm.KindOf(err) != want {
		t.Errorf("got %v, want kind %s", err, want)
	}
}

func TestCreateSendsNamesOnly(t *testing.T) {
	t.Parallel()
	var sent map[string]any
	var path, agent string
	p := against(t, func(w http.ResponseWriter, r *http.Request) {
		path, agent = r.Method+" "+r.URL.Path, r.UserAgent()
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			t.Error(err)
		}
		sim.WriteError(w, r, "maintenance")
	})
	_, err := p.CreateVM(t.Context(), credential("full"), request())
	wantKind(t, err, dcm.KindUnavailable)
	want := map[string]any{
		"name": "dcm-vm-a", "server_type": "cx23", "location": "fsn1", "image": "debian-12",
		"user_data": "#cloud-config", "labels": map[string]any{"vm-id": "vm-a"},
	}
	if path != "POST /v1/servers" || fmt.Sprint(sent) != fmt.Sprint(want) {
		t.Errorf("%s was sent %v, want %v", path, sent, want)
	}
	if !strings.Contains(agent, "hcloud-go/") {
		t.Errorf("the user agent is %q", agent)
	}
}

func TestPriceAndAddresses(t *testing.T) {
	t.Parallel()
	s := newStack(t, sim.Options{})
	v, err := s.provider.CreateVM(t.Context(), credential("full"), request())
	if err != nil {
		t.Fatal(err)
	}
	if v.Price == nil || *v.Price != (dcm.Price{Hourly: "0.0096", Currency: "EUR"}) {
		t.Errorf("the price is %+v", v.Price)
	}
	if v.IPv4 != "198.18.0.2" || v.IPv6 != "2001:db8:0:1::1" {
		t.Errorf("the addresses are %s and %s", v.IPv4, v.IPv6)
	}
	if v.Status != "initializing" {
		t.Errorf("the status is %s", v.Status)
	}
}

// What isn't the API's own word proves nothing: a proxy's 404 must not count as
// "the server is gone", nor half an answer as a whole one.
func TestStrangeAnswers(t *testing.T) {
	t.Parallel()
	const html, js = "text/html", "application/json"
	for _, c := range []struct {
		name string
		api  http.HandlerFunc
		want dcm.ProviderKind
	}{
		{"a 404 page", answer(404, html, "<h1>not found</h1>"), dcm.KindUnavailable},
		{"a 404 in JSON of somebody else's", answer(404, js, `{"message": "no such route"}`), dcm.KindUnavailable},
		{"a 502 page", answer(502, html, "bad gateway"), dcm.KindUnavailable},
		{"a 429 page", answer(429, html, "slow down"), dcm.KindRateLimited},
		{"a 401 page", answer(401, html, "who are you"), dcm.KindAuth},
		{"success without content", answer(200, js, `{}`), dcm.KindUnavailable},
		{"success in HTML", answer(200, html, "<h1>welcome</h1>"), dcm.KindUnavailable},
		{"half an answer", answer(200, js, `{"server": {"id": 4`), dcm.KindUnavailable},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, dcm.KindUnavailable},
		{"no answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, dcm.KindUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := against(t, c.api)
			_, err := p.CreateVM(t.Context(), credential("full"), request())
			wantKind(t, err, c.want)
			for _, ref := range []dcm.ServerRef{{ID: "42"}, {Name: "dcm-vm-a"}} {
				got, err := p.GetVM(t.Context(), credential("full"), ref)
				wantKind(t, err, c.want)
				if got != nil {
					t.Errorf("%+v found %+v", ref, got)
				}
			}
			list, err := p.ListVMs(t.Context(), credential("full"), nil)
			wantKind(t, err, c.want)
			if list != nil {
				t.Errorf("a list of %d", len(list))
			}
			_, err = p.SizeOptions(t.Context(), credential("full"))
			wantKind(t, err, c.want)
			_, err = p.Check(t.Context(), credential("full"))
			wantKind(t, err, c.want)
			if !strings.HasPrefix(c.name, "success") && !strings.HasPrefix(c.name, "half") {
				wantKind(t, p.DeleteVM(t.Context(), credential("full"), "42"), c.want)
			}
		})
	}
}

func TestAnotherServersAnswer(t *testing.T) {
	t.Parallel()
	p := against(t, answer(200, "application/json", `{"server": {"id": 43, "name": "dcm-vm-b"}, "servers": [{"id": 43, "name": "dcm-vm-b"}],
		"meta": {"pagination": {"page": 1, "per_page": 25, "last_page": 1, "total_entries": 1}}}`))
	_, err := p.GetVM(t.Context(), credential("full"), dcm.ServerRef{ID: "42"})
	wantKind(t, err, dcm.KindUnavailable)
	_, err = p.CreateVM(t.Context(), credential("full"), request())
	wantKind(t, err, dcm.KindUnavailable)
	got, err := p.GetVM(t.Context(), credential("full"), dcm.ServerRef{Name: "dcm-vm-a"})
	if got != nil || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAServerBeingDeletedIsStillThere(t *testing.T) {
	t.Parallel()
	s := newStack(t, sim.Options{DeleteDelay: 20 * time.Second})
	v, err := s.provider.CreateVM(t.Context(), credential("full"), request())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.provider.DeleteVM(t.Context(), credential("full"), v.ID); err != nil {
		t.Fatal(err)
	}
	got, err := s.provider.GetVM(t.Context(), credential("full"), v.Ref())
	if err != nil || got == nil || got.Status != "deleting" {
		t.Errorf("got %+v, %v", got, err)
	}
	wantKind(t, s.provider.DeleteVM(t.Context(), credential("full"), v.ID), dcm.KindUnavailable)
	s.clock.Advance(20 * time.Second)
	if got, err = s.provider.GetVM(t.Context(), credential("full"), v.Ref()); err != nil || got != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	s := newStack(t, sim.Options{RequestsPerHour: 360})
	ref := dcm.ServerRef{Name: "dcm-vm-a"}
	for range 360 {
		if _, err := s.provider.GetVM(t.Context(), credential("full"), ref); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.provider.GetVM(t.Context(), credential("full"), ref)
	e, ok := errors.AsType[*dcm.ProviderError](err)
	// 360 requests an hour come back one every ten seconds.
	if !ok || e.Kind != dcm.KindRateLimited || e.RetryAfter != 10*time.Second {
		t.Fatalf("got %+v", e)
	}
	s.clock.Advance(e.RetryAfter)
	if _, err := s.provider.GetVM(t.Context(), credential("full"), ref); err != nil {
		t.Errorf("after waiting: %v", err)
	}
}

// What stands before the API may send a Retry-After of its own, in either form.
func TestRetryAfterHeader(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		"7": 7 * time.Second, "99999": time.Hour, "-3": 0, "soon": 0, "": 0,
		"Tue, 24 Nov 2026 06:01:30 GMT": 90 * time.Second,
	} {
		p := against(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", "Tue, 24 Nov 2026 06:00:00 GMT")
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		e, ok := errors.AsType[*dcm.ProviderError](p.DeleteVM(t.Context(), credential("full"), "42"))
		if !ok || e.Kind != dcm.KindRateLimited || e.RetryAfter != want {
			t.Errorf("Retry-After %q: %+v, want %v", header, e, want)
		}
	}
}

// A server that goes between two pages shifts another over the edge.
func TestAListThatMoves(t *testing.T) {
	t.Parallel()
	page := func(number, next, total int, ids ...int) string {
		var servers []string
		for _, id := range ids {
			servers = append(servers, fmt.Sprintf(`{"id": %d, "name": "s%d", "labels": {}}`, id, id))
		}
		return fmt.Sprintf(`{"servers": [%s], "meta": {"pagination": {"page": %d, "per_page": 2, "next_page": %d, "total_entries": %d}}}`,
			strings.Join(servers, ","), number, next, total)
	}
	serve := func(t *testing.T, pages ...string) (*hetzner.Provider, *atomic.Int32) {
		var calls atomic.Int32
		return against(t, func(w http.ResponseWriter, r *http.Request) {
			n := int(calls.Add(1))
			answer(200, "application/json", pages[min(n, len(pages))-1])(w, r)
		}), &calls
	}
	t.Run("is begun again", func(t *testing.T) {
		t.Parallel()
		p, calls := serve(t, page(1, 2, 4, 1, 2), page(2, 0, 3, 4), page(1, 2, 3, 2, 3), page(2, 0, 3, 4))
		list, err := p.ListVMs(t.Context(), credential("full"), nil)
		if err != nil || len(list) != 3 || calls.Load() != 4 {
			t.Errorf("%d servers, %v, %d calls", len(list), err, calls.Load())
		}
	})
	t.Run("is given up in the end", func(t *testing.T) {
		t.Parallel()
		p, calls := serve(t, page(1, 0, 2, 1))
		list, err := p.ListVMs(t.Context(), credential("full"), nil)
		wantKind(t, err, dcm.KindUnavailable)
		if list != nil || calls.Load() != 3 {
			t.Errorf("%d servers, %d calls", len(list), calls.Load())
		}
	})
	t.Run("does not go round in circles", func(t *testing.T) {
		t.Parallel()
		p, calls := serve(t, page(1, 1, 4, 1, 2))
		_, err := p.ListVMs(t.Context(), credential("full"), nil)
		wantKind(t, err, dcm.KindUnavailable)
		if calls.Load() != 1 {
			t.Errorf("%d calls", calls.Load())
		}
	})
	t.Run("what the selector should have kept out is left out", func(t *testing.T) {
		t.Parallel()
		p, _ := serve(t, page(1, 0, 2, 1, 2))
		list, err := p.ListVMs(t.Context(), credential("full"), map[string]string{"installation": "one"})
		if err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}
