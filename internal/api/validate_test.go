package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api/reference"
)

// validator holds requests and answers against the OpenAPI document.
type validator struct {
	document map[string]any
	mu       sync.Mutex // a compiler is not safe for concurrent use
	compiler *jsonschema.Compiler
}

const documentURL = "https://dcm.test/openapi.json"

// theValidator is one for all tests: compiling takes longer than most of them.
var theValidator = sync.OnceValues(func() (*validator, error) {
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(reference.Document()))
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource(documentURL, document); err != nil {
		return nil, fmt.Errorf("add the document: %w", err)
	}
	return &validator{document: document.(map[string]any), compiler: c}, nil
})

// exchange is a call and its answer.
type exchange struct {
	request *http.Request
	body    []byte
	status  int
	header  http.Header
	answer  []byte
}

// asDescribed holds a call to the OpenAPI document.
func (w *world) asDescribed(e exchange) {
	w.t.Helper()
	v, err := theValidator()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := v.check(e); err != nil {
		w.t.Errorf("%s %s is not as infra/openapi.yaml says: %v\nbody: %.500s\nanswer: %.500s", e.request.Method, e.request.URL.Path, err, e.body, e.answer)
	}
}

// check returns what contradicts the document. A request that was refused may
// have been bad on purpose, so only its answer is checked. Paths that belong to
// the local stack, or to nothing, are not the document's.
func (v *validator) check(e exchange) error {
	item, path := v.item(e.request.URL.EscapedPath())
	if item == nil {
		return nil
	}
	operation, _ := item[strings.ToLower(e.request.Method)].(map[string]any)
	if operation == nil {
		return nil
	}
	at := pointer("paths", path, strings.ToLower(e.request.Method))
	if e.status < 300 {
		if err := v.checkRequest(at, path, item, operation, e); err != nil {
			return fmt.Errorf("request: %w", err)
		}
	}
	if err := v.checkAnswer(at, operation, e); err != nil {
		return fmt.Errorf("answer %d: %w", e.status, err)
	}
	return nil
}

// item finds the path that fits, which has the most literal segments.
func (v *validator) item(path string) (map[string]any, string) {
	segments, best, bestLiteral := strings.Split(path, "/"), "", -1
	paths := v.document["paths"].(map[string]any)
	for template := range paths {
		parts := strings.Split(template, "/")
		if len(parts) != len(segments) {
			continue
		}
		literal, fits := 0, true
		for i, part := range parts {
			if part == segments[i] {
				literal++
			} else if !strings.HasPrefix(part, "{") {
				fits = false
			}
		}
		if fits && literal > bestLiteral {
			best, bestLiteral = template, literal
		}
	}
	if best == "" {
		return nil, ""
	}
	return paths[best].(map[string]any), best
}

func (v *validator) checkRequest(at, path string, item, operation map[string]any, e exchange) error {
	known := map[string]bool{}
	for _, source := range []struct {
		at         string
		parameters any
	}{{pointer("paths", path), item["parameters"]}, {at, operation["parameters"]}} {
		list, _ := source.parameters.([]any)
		for i := range list {
			name, err := v.checkParameter(fmt.Sprintf("%s/parameters/%d", source.at, i), list[i].(map[string]any), path, e)
			if err != nil {
				return err
			}
			known[name] = true
		}
	}
	for name := range e.request.URL.Query() {
		if !known["query "+name] {
			return fmt.Errorf("the parameter %s is not described", name)
		}
	}
	body, _ := operation["requestBody"].(map[string]any)
	switch {
	case body == nil && len(bytes.TrimSpace(e.body)) > 0:
		return fmt.Errorf("no body is described")
	case body == nil:
		return nil
	}
	return v.validate(at+"/requestBody/content/application~1json/schema", e.body)
}

// checkParameter returns "query name" and what is wrong with its value.
func (v *validator) checkParameter(at string, p map[string]any, path string, e exchange) (string, error) {
	if ref, ok := p["$ref"].(string); ok {
		at = strings.TrimPrefix(ref, "#")
		p = v.at(at).(map[string]any)
	}
	name, in := p["name"].(string), p["in"].(string)
	key := in + " " + name
	var value string
	switch in {
	case "query":
		if !e.request.URL.Query().Has(name) {
			return key, nil
		}
		value = e.request.URL.Query().Get(name)
	case "header":
		if value = e.request.Header.Get(name); value == "" {
			return key, nil
		}
	case "path":
		segments := strings.Split(e.request.URL.EscapedPath(), "/")
		for i, part := range strings.Split(path, "/") {
			if part == "{"+name+"}" {
				value, _ = url.PathUnescape(segments[i])
			}
		}
	}
	var typed any = value
	switch s := p["schema"].(map[string]any); s["type"] {
	case "integer":
		n, err := strconv.Atoi(value)
		if err != nil {
			return key, fmt.Errorf("%s: %w", key, err)
		}
		typed = n
	case "boolean":
		b, err := strconv.ParseBool(value)
		if err != nil {
			return key, fmt.Errorf("%s: %w", key, err)
		}
		typed = b
	}
	raw, err := json.Marshal(typed)
	if err != nil {
		return key, err
	}
	if err := v.validate(at+"/schema", raw); err != nil {
		return key, fmt.Errorf("%s: %w", key, err)
	}
	return key, nil
}

func (v *validator) checkAnswer(at string, operation map[string]any, e exchange) error {
	responses := operation["responses"].(map[string]any)
	status := strconv.Itoa(e.status)
	if responses[status] == nil {
		if status = "default"; e.status < 400 {
			return fmt.Errorf("the status is not described")
		}
	}
	response := responses[status].(map[string]any)
	at += "/responses/" + status
	if ref, ok := response["$ref"].(string); ok {
		at = strings.TrimPrefix(ref, "#")
		response = v.at(at).(map[string]any)
	}
	kind, _, err := mime.ParseMediaType(e.header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("content type: %w", err)
	}
	content := response["content"].(map[string]any)
	if content[kind] == nil {
		return fmt.Errorf("%s is not described, but %v", kind, slices.Collect(maps.Keys(content)))
	}
	if !strings.HasSuffix(kind, "json") {
		return nil
	}
	return v.validate(at+"/content/"+strings.ReplaceAll(kind, "/", "~1")+"/schema", e.answer)
}

func (v *validator) validate(at string, text []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("read %.200q: %w", text, err)
	}
	v.mu.Lock()
	s, err := v.compiler.Compile(documentURL + "#" + at)
	v.mu.Unlock()
	if err != nil {
		return fmt.Errorf("compile %s: %w", at, err)
	}
	return s.Validate(value)
}

// at returns what a JSON pointer points to.
func (v *validator) at(pointer string) any {
	var value any = v.document
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		value = value.(map[string]any)[strings.NewReplacer("~1", "/", "~0", "~").Replace(token)]
	}
	return value
}

// pointer makes a JSON pointer that can stand in a URL's fragment.
func pointer(tokens ...string) string {
	var b strings.Builder
	for _, token := range tokens {
		b.WriteString("/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(token)))
	}
	return b.String()
}

// TestTheValidatorRefuses: a validator that lets everything pass would too.
func TestTheValidatorRefuses(t *testing.T) {
	t.Parallel()
	v, err := theValidator()
	if err != nil {
		t.Fatal(err)
	}
	const problem = `{"type":"about:blank","title":"t","status":404,"detail":"d","code":"not_found","requestId":"r"}`
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		kind, answer       string
		good               bool
	}{
		"good problem":        {"GET", "/vms/x", "", 404, "application/problem+json", problem, true},
		"unknown code":        {"GET", "/vms/x", "", 404, "application/problem+json", strings.Replace(problem, "not_found", "gone", 1), false},
		"field missing":       {"GET", "/vms/x", "", 404, "application/problem+json", `{"code":"not_found"}`, false},
		"another type":        {"GET", "/vms/x", "", 404, "text/plain", problem, false},
		"good page":           {"GET", "/vms?limit=1", "", 200, "application/json", `{"items":[],"nextCursor":null}`, true},
		"extra field":         {"GET", "/vms", "", 200, "application/json", `{"items":[],"nextCursor":null,"total":0}`, false},
		"VM without fields":   {"GET", "/vms", "", 200, "application/json", `{"items":[{"id":"vm-abcdefghjk"}],"nextCursor":null}`, false},
		"undescribed query":   {"GET", "/vms?page=1", "", 200, "application/json", `{"items":[],"nextCursor":null}`, false},
		"query out of bounds": {"GET", "/vms?limit=0", "", 200, "application/json", `{"items":[],"nextCursor":null}`, false},
		"undescribed status":  {"GET", "/vms", "", 204, "application/json", `{"items":[],"nextCursor":null}`, false},
		"good request":        {"POST", "/vms/vm-abcdefghjk/backups/bk-abcdefghjk/complete", `{"parts":1,"size":1,"sha256":"` + strings.Repeat("a", 64) + `","partsSha256":"` + strings.Repeat("a", 64) + `"}`, 200, "application/json", `{"generation":1}`, true},
		"bad request":         {"POST", "/vms/vm-abcdefghjk/backups/bk-abcdefghjk/complete", `{"parts":1}`, 200, "application/json", `{"generation":1}`, false},
		"bad id":              {"POST", "/vms/x/backups", `{"generation":0}`, 201, "application/json", `{"backupId":"bk-abcdefghjk","partBytes":1,"maxParts":1,"recipient":"age1"}`, false},
		"bad time":            {"GET", "/tenant/events", "", 200, "application/json", `{"items":[{"id":"","at":"today","user":"","actor":"user","sourceIp":"","action":"","resource":"","result":"ok","requestId":""}],"nextCursor":null}`, false},
		"not ours":            {"GET", "/_local/state", "", 200, "application/json", `{}`, true},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, "http://x"+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = v.check(exchange{r, []byte(c.body), c.status, http.Header{"Content-Type": {c.kind}}, []byte(c.answer)})
		if (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTheReferenceIsServed to everyone, whole, and with its policy.
func TestTheReferenceIsServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a := caller{w: w}.call("GET", "/openapi.json", nil).expect(t, 200)
	if string(a.body) != reference.Document() {
		t.Error("another document is served")
	}
	page := caller{w: w}.call("GET", "/docs", nil).expect(t, 200)
	html, policy := reference.Page()
	if string(page.body) != html || page.header.Get("Content-Security-Policy") != policy || page.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", page.header)
	}
}
