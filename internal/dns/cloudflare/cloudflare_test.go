package cloudflare_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/dns"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dns/cloudflare"
)

// against returns the adapter before an API that answers by f.
func against(t *testing.T, f http.HandlerFunc) *cloudflare.DNS {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return cloudflare.New(cloudflare.Options{Endpoint: server.URL + "/client/v4", UserAgent: "dcm/test"})
}

func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func wantKind(t *testing.T, err error, want dcm.ProviderKind) {
	t.Helper()
	if dcm.KindOf(err) != want {
		t.Errorf("got %v, want kind %s", err, want)
	}
}

func addresses(ipv6 string) []dcm.DNSRecord {
	return dcm.AddressRecords("vm-a.vm.example.com", "198.51.100.7", ipv6, "dcm/one/acme/vm-a")
}

func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	var path, agent, token string
	var sent map[string]any
	d := against(t, func(w http.ResponseWriter, r *http.Request) {
		path, agent, token = r.Method+" "+r.URL.Path, r.UserAgent(), r.Header.Get("Authorization")
		sent = nil
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			t.Error(err)
		}
		answer(500, "application/json", `{"errors": [{"code": 1, "message": "no"}]}`)(w, r)
	})
	z := zone(zoneID, "hunter2")
	_, err := d.Publish(t.Context(), z, addresses(""))
	wantKind(t, err, dcm.KindUnavailable)
	one := map[string]any{
		"name": "*.vm-a.vm.example.com", "type": "A", "content": "198.51.100.7", "ttl": 60.0, "proxied": false, "comment": "dcm/one/acme/vm-a",
	}
	if path != "POST /client/v4/zones/"+zoneID+"/dns_records" || fmt.Sprint(sent) != fmt.Sprint(one) {
		t.Errorf("%s was sent %v", path, sent)
	}
	if agent != "dcm/test" || token != "Bearer hunter2" {
		t.Errorf("agent %q, authorization %q", agent, token)
	}
	_, err = d.Publish(t.Context(), z, addresses("2001:db8::7"))
	wantKind(t, err, dcm.KindUnavailable)
	two := map[string]any{
		"name": "*.vm-a.vm.example.com", "type": "AAAA", "content": "2001:db8::7", "ttl": 60.0, "proxied": false, "comment": "dcm/one/acme/vm-a",
	}
	if path != "POST /client/v4/zones/"+zoneID+"/dns_records/batch" || fmt.Sprint(sent) != fmt.Sprint(map[string]any{"posts": []any{one, two}}) {
		t.Errorf("%s was sent %v", path, sent)
	}
}

// What isn't Cloudflare's own word proves nothing.
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
		{"a 404 that is a JSON list", answer(404, js, `[]`), dcm.KindUnavailable},
		{"a 502 page", answer(502, html, "bad gateway"), dcm.KindUnavailable},
		{"a 429 page", answer(429, html, "slow down"), dcm.KindRateLimited},
		{"a 403 page", answer(403, html, "you are a robot"), dcm.KindAuth},
		{"success without content", answer(200, js, `{}`), dcm.KindUnavailable},
		{"success that isn't", answer(200, js, `{"success": false, "errors": [{"code": 81044, "message": "x"}], "result": null}`), dcm.KindUnavailable},
		{"success in HTML", answer(200, html, "<h1>welcome</h1>"), dcm.KindUnavailable},
		{"half an answer", answer(200, js, `{"result": {"id": "4`), dcm.KindUnavailable},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, dcm.KindUnavailable},
		{"no answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, dcm.KindUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, z := against(t, c.api), zone(zoneID, "hunter2")
			for _, ipv6 := range []string{"", "2001:db8::7"} {
				ids, err := d.Publish(t.Context(), z, addresses(ipv6))
				wantKind(t, err, c.want)
				if ids != nil {
					t.Errorf("published as %v", ids)
				}
			}
			found, err := d.Find(t.Context(), z, "dcm/", true)
			wantKind(t, err, c.want)
			if found != nil {
				t.Errorf("found %v", found)
			}
			for _, ids := range [][]string{{"abc"}, {"abc", "def"}} {
				wantKind(t, d.Withdraw(t.Context(), z, ids...), c.want)
			}
		})
	}
}

// A record that lost its comment could not be found again.
func TestARecordThatLostItsComment(t *testing.T) {
	t.Parallel()
	var withdrawn []string
	d := against(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			withdrawn = append(withdrawn, r.URL.Path)
			answer(200, "application/json", `{"success": true, "result": {"id": "abc"}}`)(w, r)
			return
		}
		answer(200, "application/json", `{"success": true, "result": {"id": "abc", "name": "*.vm-a.vm.example.com",
			"type": "A", "content": "198.51.100.7", "ttl": 60, "comment": null}}`)(w, r)
	})
	_, err := d.Publish(t.Context(), zone(zoneID, "hunter2"), addresses(""))
	wantKind(t, err, dcm.KindInvalid)
	if len(withdrawn) != 1 || !strings.HasSuffix(withdrawn[0], "/abc") {
		t.Errorf("withdrawn are %v", withdrawn)
	}
}

// A batch takes 200 records on the smallest plan. Which code it has for one that
// is gone is not documented: whatever it has against them, each is asked for.
func TestWithdrawingInBatches(t *testing.T) {
	t.Parallel()
	ids := make([]string, 401)
	for i := range ids {
		ids[i] = fmt.Sprintf("%032d", i)
	}
	serve := func(refuse bool) (*cloudflare.DNS, *[]int, map[string]bool) {
		var batches []int
		deleted := map[string]bool{}
		return against(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete {
				id := path.Base(r.URL.Path)
				deleted[id] = true
				answer(200, "application/json", `{"success": true, "result": {"id": "`+id+`"}}`)(w, r)
				return
			}
			var q struct{ Deletes []map[string]string }
			if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
				t.Error(err)
			}
			batches = append(batches, len(q.Deletes))
			if refuse {
				answer(400, "application/json", `{"success": false, "errors": [{"code": 1234, "message": "no"}]}`)(w, r)
				return
			}
			for _, d := range q.Deletes {
				deleted[d["id"]] = true
			}
			done, _ := json.Marshal(map[string]any{"success": true, "result": q})
			answer(200, "application/json", strings.ReplaceAll(string(done), "Deletes", "deletes"))(w, r)
		}), &batches, deleted
	}
	for refuse, size := range map[bool]int{false: 401, true: 3} {
		d, batches, deleted := serve(refuse)
		if err := d.Withdraw(t.Context(), zone(zoneID, "hunter2"), ids[:size]...); err != nil {
			t.Error(err)
		}
		want := []int{200, 200}
		if refuse {
			want = []int{3}
		}
		if !slices.Equal(*batches, want) || len(deleted) != size {
			t.Errorf("batches of %v, %d deleted", *batches, len(deleted))
		}
	}
}

// The library's error holds the request, and with it the token.
func TestNoErrorHoldsTheRequest(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"errors": [{"code": 9109, "message": "no"}]}`, `{}`} {
		d := against(t, answer(403, "application/json", body))
		err := d.Withdraw(t.Context(), zone(zoneID, "hunter2"), "abc")
		wantKind(t, err, dcm.KindAuth)
		if _, ok := errors.AsType[*dns.Error](err); ok {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"": 0, "soon": 0, "-4": 0, "7": 7 * time.Second, "1.2": 2 * time.Second, "99999999999": 0,
		"Tue, 24 Nov 2026 06:01:30 GMT": 90 * time.Second, "Tue, 24 Nov 2026 05:00:00 GMT": 0,
	} {
		d := against(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", "Tue, 24 Nov 2026 06:00:00 GMT")
			w.Header().Set("Retry-After", text)
			answer(429, "application/json", `{"errors": [{"code": 971, "message": "wait"}]}`)(w, r)
		})
		e, ok := errors.AsType[*dcm.ProviderError](d.Withdraw(t.Context(), zone(zoneID, "hunter2"), "abc"))
		if !ok || e.Kind != dcm.KindRateLimited || e.RetryAfter != want {
			t.Errorf("%q: %+v", text, e)
		}
	}
}

// A record that goes between two pages shifts another over the edge.
func TestAListThatMoves(t *testing.T) {
	t.Parallel()
	page := func(pages, total int, ids ...string) string {
		var records []string
		for _, id := range ids {
			records = append(records, fmt.Sprintf(`{"id": %q, "name": "%s.example.com", "type": "A", "content": "198.51.100.7", "ttl": 60, "comment": "dcm/one"}`, id, id))
		}
		return fmt.Sprintf(`{"success": true, "result": [%s], "result_info": {"page": 1, "per_page": 2, "total_count": %d, "total_pages": %d}}`,
			strings.Join(records, ","), total, pages)
	}
	serve := func(t *testing.T, pages ...string) (*cloudflare.DNS, *atomic.Int32) {
		var calls atomic.Int32
		return against(t, func(w http.ResponseWriter, r *http.Request) {
			n := int(calls.Add(1))
			answer(200, "application/json", pages[min(n, len(pages))-1])(w, r)
		}), &calls
	}
	t.Run("is begun again", func(t *testing.T) {
		t.Parallel()
		d, calls := serve(t, page(2, 4, "a", "b"), page(2, 3, "d"), page(2, 3, "b", "c"), page(2, 3, "d"))
		found, err := d.Find(t.Context(), zone(zoneID, "hunter2"), "dcm/", true)
		if err != nil || len(found) != 3 || calls.Load() != 4 {
			t.Errorf("%d records, %v, %d calls", len(found), err, calls.Load())
		}
	})
	t.Run("is given up in the end", func(t *testing.T) {
		t.Parallel()
		d, calls := serve(t, page(1, 2, "a"))
		found, err := d.Find(t.Context(), zone(zoneID, "hunter2"), "dcm/", true)
		wantKind(t, err, dcm.KindUnavailable)
		if found != nil || calls.Load() != 3 {
			t.Errorf("%d records, %d calls", len(found), calls.Load())
		}
	})
}

// Who asked may be gone before the record is: it is deleted all the same.
func TestCheckThatIsGivenUp(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		var deleted atomic.Int32
		var made map[string]any
		d := against(t, func(w http.ResponseWriter, r *http.Request) {
			record := func() string {
				text, _ := json.Marshal(made)
				return string(text)
			}
			switch r.Method {
			case http.MethodPost:
				_ = json.NewDecoder(r.Body).Decode(&made)
				made["id"] = "abc"
				if lost {
					cancel()
					<-r.Context().Done()
					return
				}
				answer(200, "application/json", `{"success": true, "result": `+record()+`}`)(w, r)
				cancel()
			case http.MethodGet:
				answer(200, "application/json", `{"success": true, "result": [`+record()+`], "result_info": {"total_count": 1, "total_pages": 1}}`)(w, r)
			case http.MethodDelete:
				deleted.Add(1)
				answer(200, "application/json", `{"success": true, "result": {"id": "abc"}}`)(w, r)
			}
		})
		// Given up after the creation, the answer to which may have come or not.
		if err := d.Check(ctx, zone(zoneID, "hunter2"), "example.com", dcm.DNSOwnership{Installation: "here", Tenant: "acme", VM: "vm-abcdefghjk"}); lost && dcm.KindOf(err) != dcm.KindUnavailable {
			t.Errorf("%v", err)
		}
		cancel()
		if deleted.Load() != 1 {
			t.Errorf("lost %v: %d deletions", lost, deleted.Load())
		}
		if name, _ := made["name"].(string); !strings.HasPrefix(name, "_dcm-check.vm-abcdefghjk.") || !strings.HasSuffix(name, ".example.com") || made["type"] != "TXT" {
			t.Errorf("the record is %v", made)
		}
	}
}
