package cloudflare_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/cloudflare"
)

const zoneID = "023e105f4ecef8ad9ca31a8372d0c353"

type api struct {
	*cloudflare.Server
	url   string
	clock *clocktest.Clock
}

func newAPI(t *testing.T, o cloudflare.Options) api {
	t.Helper()
	c := clocktest.New(time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC))
	o.Clock = c
	o.Zones = map[string]string{zoneID: "example.com", "other": "example.org"}
	o.Tokens = map[string]cloudflare.Token{
		"full": {Zones: []string{zoneID}}, "reader": {Zones: []string{zoneID}, ReadOnly: true}, "all": {},
	}
	s := cloudflare.New(o)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return api{s, server.URL + "/client/v4", c}
}

type answer struct {
	status int
	header http.Header
	body   struct {
		Success    bool
		Errors     []struct{ Code int }
		Result     json.RawMessage
		ResultInfo map[string]int `json:"result_info"`
	}
}

func (a answer) code() int {
	if len(a.body.Errors) == 0 {
		return 0
	}
	return a.body.Errors[0].Code
}

type record struct {
	ID, Name, Type, Content, Comment string
	TTL                              int
}

func (a answer) record(t *testing.T) record {
	t.Helper()
	var r record
	if err := json.Unmarshal(a.body.Result, &r); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body.Result, err)
	}
	return r
}

func (a answer) names(t *testing.T) string {
	t.Helper()
	var list []record
	if err := json.Unmarshal(a.body.Result, &list); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body.Result, err)
	}
	var names []string
	for _, r := range list {
		names = append(names, strings.TrimSuffix(r.Name, ".example.com"))
	}
	return strings.Join(names, " ")
}

type fields map[string]any

// records calls the zone's record API.
func (a api) records(t *testing.T, token, method, path string, body any) answer {
	t.Helper()
	return a.call(t, token, method, "/zones/"+zoneID+"/dns_records"+path, body)
}

func (a api) call(t *testing.T, token, method, path string, body any) answer {
	t.Helper()
	var b bytes.Buffer
	if text, ok := body.(string); ok {
		b.WriteString(text)
	} else if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, a.url+path, &b)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	out := answer{status: response.StatusCode, header: response.Header}
	if err := json.NewDecoder(response.Body).Decode(&out.body); err != nil {
		t.Fatal(err)
	}
	if out.body.Success != (out.status < 400) {
		t.Errorf("%s %s: success is %v with status %d", method, path, out.body.Success, out.status)
	}
	return out
}

func a(name, content string) fields {
	return fields{"name": name, "type": "A", "content": content, "ttl": 60}
}

func (f fields) with(key string, value any) fields {
	f[key] = value
	return f
}

func TestRecords(t *testing.T) {
	t.Parallel()
	api := newAPI(t, cloudflare.Options{})
	made := api.records(t, "full", "POST", "", a("WWW", "198.51.100.7").with("comment", "hello"))
	r := made.record(t)
	if made.status != 200 || r.Name != "www.example.com" || r.Content != "198.51.100.7" || r.TTL != 60 || r.Comment != "hello" || len(r.ID) != 32 {
		t.Fatalf("%d %+v", made.status, r)
	}
	if got := api.records(t, "reader", "GET", "/"+r.ID, nil).record(t); got != r {
		t.Errorf("read back: %+v", got)
	}
	if got := api.records(t, "full", "PATCH", "/"+r.ID, fields{"content": "198.51.100.8"}).record(t); got.Content != "198.51.100.8" || got.Comment != "hello" {
		t.Errorf("patched: %+v", got)
	}
	if got := api.records(t, "full", "PUT", "/"+r.ID, a("www.example.com", "198.51.100.9")).record(t); got.Content != "198.51.100.9" || got.Comment != "" {
		t.Errorf("put: %+v", got)
	}
	if len(api.Records()) != 1 || api.Records()[0].Content != "198.51.100.9" {
		t.Errorf("state: %+v", api.Records())
	}
	if got := api.records(t, "full", "DELETE", "/"+r.ID, nil); got.status != 200 || got.record(t).ID != r.ID {
		t.Errorf("deleted: %d", got.status)
	}
	for _, method := range []string{"GET", "DELETE", "PATCH", "PUT"} {
		if got := api.records(t, "full", method, "/"+r.ID, fields{}); got.status != 404 || got.code() != 81044 {
			t.Errorf("%s what is gone: %d %d", method, got.status, got.code())
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	api := newAPI(t, cloudflare.Options{RecordLimit: 3})
	api.records(t, "full", "POST", "", a("www", "198.51.100.7"))
	api.records(t, "full", "POST", "", a("mail", "198.51.100.7").with("type", "CNAME").with("content", "www.example.com"))
	for name, c := range map[string]struct {
		body any
		code int
	}{
		"bad JSON":              {"{", 9207},
		"not an IPv4 address":   {a("x", "2001:db8::1"), 9005},
		"not an IPv6 address":   {a("x", "198.51.100.7").with("type", "AAAA"), 9005},
		"no content":            {a("x", "").with("type", "CNAME"), 9005},
		"a TTL too short":       {a("x", "198.51.100.7").with("ttl", 59), 9021},
		"a comment too long":    {a("x", "198.51.100.7").with("comment", strings.Repeat("é", 101)), 1004},
		"an unknown type":       {a("x", "198.51.100.7").with("type", "BOGUS"), 1004},
		"an identical record":   {a("www.example.com", "198.51.100.7").with("comment", "mine"), 81058},
		"an address at a CNAME": {a("mail", "198.51.100.8"), 81053},
	} {
		if got := api.records(t, "full", "POST", "", c.body); got.status != 400 || got.code() != c.code {
			t.Errorf("%s: %d %d", name, got.status, got.code())
		}
	}
	if got := api.records(t, "full", "POST", "", a("www", "198.51.100.8").with("comment", strings.Repeat("é", 100))); got.status != 200 {
		t.Errorf("a second address: %d %d", got.status, got.code())
	}
	if got := api.records(t, "full", "POST", "", a("more", "198.51.100.8")); got.code() != 81045 {
		t.Errorf("one too many: %d %d", got.status, got.code())
	}
}

func TestBatch(t *testing.T) {
	t.Parallel()
	api := newAPI(t, cloudflare.Options{})
	old := api.records(t, "full", "POST", "", a("old", "198.51.100.1")).record(t)
	batch := fields{
		"deletes": []any{fields{"id": old.ID}},
		"posts":   []any{a("one", "198.51.100.1"), a("two", "198.51.100.2")},
	}
	got := api.records(t, "full", "POST", "/batch", batch)
	var result struct{ Deletes, Patches, Puts, Posts []record }
	if err := json.Unmarshal(got.body.Result, &result); err != nil || got.status != 200 {
		t.Fatalf("%d: %v", got.status, err)
	}
	if len(result.Posts) != 2 || result.Posts[1].Name != "two.example.com" || len(result.Deletes) != 1 || len(api.Records()) != 2 {
		t.Errorf("%+v, state %+v", result, api.Records())
	}
	// All or nothing.
	kept := result.Posts[0].ID
	got = api.records(t, "full", "POST", "/batch", fields{"deletes": []any{fields{"id": kept}, fields{"id": old.ID}}})
	if got.status != 404 || got.code() != 81044 || len(api.Records()) != 2 {
		t.Errorf("%d %d, state %+v", got.status, got.code(), api.Records())
	}
	many := make([]any, 201)
	for i := range many {
		many[i] = fields{"id": kept}
	}
	if got = api.records(t, "full", "POST", "/batch", fields{"deletes": many}); got.code() != 1004 || len(api.Records()) != 2 {
		t.Errorf("more than a batch takes: %d, state %+v", got.code(), api.Records())
	}
	got = api.records(t, "full", "POST", "/batch", fields{"posts": []any{a("three", "198.51.100.3"), a("two", "198.51.100.2")}})
	if got.code() != 81058 || len(api.Records()) != 2 {
		t.Errorf("%d, state %+v", got.code(), api.Records())
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	api := newAPI(t, cloudflare.Options{PageLimit: 3})
	for i, comment := range []string{"dcm/one/a", "dcm/one/b", "DCM/One/a", "dcm/two/a", ""} {
		api.records(t, "full", "POST", "", a(fmt.Sprintf("r%d", i), "198.51.100.7").with("comment", comment))
	}
	for query, want := range map[string]string{
		"comment.exact=dcm/one/a": "r0 r2", "comment=dcm/one/a": "r0 r2", "comment.startswith=dcm/one/": "r0 r1 r2",
		"comment.contains=two": "r3", "comment.endswith=/b": "r1", "comment.absent=true": "r4",
		"name=r3.example.com": "r3", "type=AAAA": "", "name.startswith=r1&comment.exact=dcm/two/a": "",
		"match=any&name.startswith=r1&comment.exact=dcm/two/a": "r1 r3",
		"order=name&direction=desc&per_page=2":                 "r4 r3",
		"order=name&page=2&per_page=100":                       "r3 r4",
	} {
		if got := api.records(t, "reader", "GET", "?"+query, nil).names(t); got != want {
			t.Errorf("%s lists %q, want %q", query, got, want)
		}
	}
	info := api.records(t, "full", "GET", "?page=2&per_page=2", nil).body.ResultInfo
	if info["page"] != 2 || info["per_page"] != 2 || info["count"] != 2 || info["total_count"] != 5 || info["total_pages"] != 3 {
		t.Errorf("result_info is %v", info)
	}
}

func TestAccess(t *testing.T) {
	t.Parallel()
	api := newAPI(t, cloudflare.Options{Requests: 20})
	for _, c := range []struct {
		token, method, path string
		status, code        int
	}{
		{"", "GET", "/zones/" + zoneID + "/dns_records", 400, 6003},
		{"nobody", "GET", "/zones/" + zoneID + "/dns_records", 403, 9109},
		{"full", "GET", "/zones/other/dns_records", 403, 10000},
		{"full", "GET", "/zones/absent/dns_records", 403, 10000},
		{"full", "GET", "/zones/UPPER/dns_records", 404, 7003},
		{"full", "GET", "/zones/" + zoneID + "/dns_secrets", 400, 7000},
		{"reader", "POST", "/zones/" + zoneID + "/dns_records", 403, 10000},
		{"reader", "GET", "/zones/" + zoneID + "/dns_records", 200, 0},
		{"all", "GET", "/zones/other/dns_records", 200, 0},
		{"all", "GET", "/zones/other", 200, 0},
		{"all", "GET", "/user/tokens/verify", 200, 0},
	} {
		if got := api.call(t, c.token, c.method, c.path, nil); got.status != c.status || got.code() != c.code {
			t.Errorf("%s %s %s: %d %d", c.token, c.method, c.path, got.status, got.code())
		}
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	api := newAPI(t, cloudflare.Options{Requests: 2})
	for range 2 {
		if got := api.records(t, "full", "GET", "", nil); got.status != 200 {
			t.Fatal(got.status)
		}
	}
	got := api.records(t, "full", "GET", "", nil)
	if got.status != 429 || got.header.Get("Retry-After") != "301" {
		t.Errorf("%d, retry after %q", got.status, got.header.Get("Retry-After"))
	}
	api.clock.Advance(5 * time.Minute)
	if got := api.records(t, "full", "GET", "", nil); got.status != 200 {
		t.Errorf("five minutes later: %d", got.status)
	}
}

func TestOperation(t *testing.T) {
	t.Parallel()
	for request, want := range map[string]string{
		"POST /client/v4/zones/z/dns_records": "CreateRecord", "POST /client/v4/zones/z/dns_records/batch": "BatchRecords",
		"GET /client/v4/zones/z/dns_records?page=2": "ListRecords", "GET /client/v4/zones/z/dns_records/r": "GetRecord",
		"DELETE /client/v4/zones/z/dns_records/r": "DeleteRecord", "GET /client/v4/zones/z": "GetZone",
		"GET /zones/z/dns_records": "", "POST /client/v4/zones": "",
	} {
		method, path, _ := strings.Cut(request, " ")
		if got := cloudflare.Operation(httptest.NewRequest(method, path, nil)); got != want {
			t.Errorf("%s is %q, want %q", request, got, want)
		}
	}
}

func TestWriteError(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]int{"81045": 400, "429": 429, "971": 429, "503": 503, "10000": 403, "nonsense": 500, "4242": 400} {
		w := httptest.NewRecorder()
		cloudflare.WriteError(w, nil, code)
		var body struct {
			Success bool
			Errors  []struct {
				Code    int
				Message string
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		if w.Code != want || body.Success || len(body.Errors) != 1 || body.Errors[0].Message == "" {
			t.Errorf("%s: %d %s", code, w.Code, w.Body)
		}
	}
}
