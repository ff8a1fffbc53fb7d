package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

type harness struct {
	log     bytes.Buffer
	options httpapi.Options
}

func newHarness() *harness {
	h := &harness{}
	h.options = httpapi.Options{
		Identity: httpapi.Identity{TenantClaim: "tenant_id"},
		Log:      slog.New(slog.NewJSONHandler(&h.log, nil)),
	}
	return h
}

func event(claims map[string]string) events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{RawPath: "/vms"}
	e.RequestContext.RequestID = "req-1"
	e.RequestContext.DomainName = "api.example.com"
	e.RequestContext.Stage = "$default"
	if claims != nil {
		e.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{
			JWT: &events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription{Claims: claims},
		}
	}
	return e
}

func (h *harness) call(t *testing.T, e httpapi.Endpoint, in events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, httpapi.Problem) {
	t.Helper()
	out, err := httpapi.New(e, h.options)(t.Context(), in)
	if err != nil {
		t.Fatalf("the handler returned an error to Lambda: %v", err)
	}
	var p httpapi.Problem
	if strings.HasPrefix(out.Headers["content-type"], "application/problem+json") {
		if err := json.Unmarshal([]byte(out.Body), &p); err != nil {
			t.Fatal(err)
		}
	}
	return out, p
}

func endpoint(handle func(context.Context, *httpapi.Request) (httpapi.Response, error)) httpapi.Endpoint {
	return httpapi.Endpoint{Name: "vms-list", Permission: dcm.PermissionVMsRead, Handle: handle}
}

func fails(err error) httpapi.Endpoint {
	return endpoint(func(context.Context, *httpapi.Request) (httpapi.Response, error) { return httpapi.Response{}, err })
}

var reader = map[string]string{"sub": "u1", "tenant_id": "acme", "scope": "vms:read"}

func TestEveryCodeHasItsStatus(t *testing.T) {
	t.Parallel()
	for code, status := range map[dcm.Code]int{
		dcm.CodeInvalid: 400, dcm.CodeUnauthenticated: 401, dcm.CodeForbidden: 403, dcm.CodeNotFound: 404,
		dcm.CodeConflict: 409, dcm.CodePreconditionFailed: 412, dcm.CodeQuotaExceeded: 429, dcm.CodeRateLimited: 429,
		dcm.CodeCapacityUnavailable: 503, dcm.CodeProviderUnavailable: 503, dcm.CodeProviderAuth: 424, dcm.CodeInternal: 500,
	} {
		out, p := newHarness().call(t, fails(dcm.Errorf(code, "words")), event(reader))
		if out.StatusCode != status || p.Status != status || p.Code != code || p.RequestID != "req-1" {
			t.Errorf("%s: status %d, problem %+v", code, out.StatusCode, p)
		}
	}
}

func TestForeignErrorsAreNotShown(t *testing.T) {
	t.Parallel()
	h := newHarness()
	out, p := h.call(t, fails(errors.New("AccessDeniedException: arn:aws:kms")), event(reader))
	if p.Code != dcm.CodeInternal || strings.Contains(out.Body, "arn:aws") {
		t.Errorf("answer %s", out.Body)
	}
	if !strings.Contains(h.log.String(), "arn:aws:kms") {
		t.Error("the log does not say what happened")
	}
	h = newHarness()
	out, _ = h.call(t, fails(dcm.Errorf(dcm.CodeInternal, "table users").WithCause(errors.New("x"))), event(reader))
	if strings.Contains(out.Body, "table users") {
		t.Errorf("an internal error's text is shown: %s", out.Body)
	}
}

func TestPanicsAreAnswered(t *testing.T) {
	t.Parallel()
	h := newHarness()
	_, p := h.call(t, endpoint(func(context.Context, *httpapi.Request) (httpapi.Response, error) { panic("secret state") }), event(reader))
	if p.Code != dcm.CodeInternal || p.Status != 500 || strings.Contains(p.Detail, "secret state") {
		t.Errorf("problem %+v", p)
	}
	if n := strings.Count(h.log.String(), "\n"); n != 1 {
		t.Errorf("%d log lines, want 1", n)
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	ok := endpoint(func(context.Context, *httpapi.Request) (httpapi.Response, error) { return httpapi.JSON(200, nil), nil })
	for name, c := range map[string]struct {
		claims   map[string]string
		defaults []dcm.Permission
		status   int
	}{
		"no claims":               {nil, nil, 401},
		"no user":                 {map[string]string{"tenant_id": "acme", "scope": "vms:read"}, nil, 401},
		"no tenant":               {map[string]string{"sub": "u", "scope": "vms:read"}, nil, 401},
		"tenant is no label":      {map[string]string{"sub": "u", "tenant_id": "Acme", "scope": "vms:read"}, nil, 401},
		"tenant is a list":        {map[string]string{"sub": "u", "tenant_id": "[acme evil]", "scope": "vms:read"}, nil, 401},
		"tenant is a homograph":   {map[string]string{"sub": "u", "tenant_id": "аcme", "scope": "vms:read"}, nil, 401},
		"scope string":            {map[string]string{"sub": "u", "tenant_id": "acme", "scope": "openid vms:read"}, nil, 200},
		"permissions array":       {map[string]string{"sub": "u", "tenant_id": "acme", "permissions": "[vms:read vms:write]"}, nil, 200},
		"permissions JSON":        {map[string]string{"sub": "u", "tenant_id": "acme", "permissions": `["vms:read"]`}, nil, 200},
		"permissions commas":      {map[string]string{"sub": "u", "tenant_id": "acme", "permissions": "vms:write,vms:read"}, nil, 200},
		"all":                     {map[string]string{"sub": "u", "tenant_id": "acme", "permissions": "[*]"}, nil, 200},
		"another permission":      {map[string]string{"sub": "u", "tenant_id": "acme", "scope": "tenant:read"}, nil, 403},
		"part of a word":          {map[string]string{"sub": "u", "tenant_id": "acme", "scope": "xvms:read vms:readx"}, nil, 403},
		"none, default all":       {map[string]string{"sub": "u", "tenant_id": "acme", "scope": "openid"}, []dcm.Permission{"*"}, 200},
		"one of ours, no default": {map[string]string{"sub": "u", "tenant_id": "acme", "scope": "vms:write"}, []dcm.Permission{"*"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness()
			h.options.Identity.DefaultPermissions = c.defaults
			out, p := h.call(t, ok, event(c.claims))
			if out.StatusCode != c.status {
				t.Errorf("status %d, want %d: %s", out.StatusCode, c.status, out.Body)
			}
			if c.status == 403 && !strings.Contains(p.Detail, "vms:read") {
				t.Errorf("the 403 does not name the missing permission: %s", p.Detail)
			}
		})
	}
}

func TestSingleTenantNeedsNoClaim(t *testing.T) {
	t.Parallel()
	h := newHarness()
	h.options.Identity = httpapi.Identity{DefaultPermissions: []dcm.Permission{dcm.PermissionAll}}
	var got dcm.Principal
	h.call(t, endpoint(func(_ context.Context, r *httpapi.Request) (httpapi.Response, error) {
		got = r.Principal
		return httpapi.JSON(200, nil), nil
	}), event(map[string]string{"sub": "u", "tenant_id": "acme"}))
	if got.Tenant != dcm.DefaultTenant || got.User != "u" {
		t.Errorf("principal %+v", got)
	}
}

func TestPublicEndpointsServeEveryone(t *testing.T) {
	t.Parallel()
	h := newHarness()
	e := httpapi.Endpoint{Name: "docs-get", Public: true, Handle: func(_ context.Context, r *httpapi.Request) (httpapi.Response, error) {
		if r.Principal.Tenant != "" || r.Principal.User != "" {
			t.Errorf("principal %+v", r.Principal)
		}
		return httpapi.Response{
			Status: 200, Headers: map[string]string{"cache-control": "public"},
			Body: httpapi.Content{Type: "text/html; charset=utf-8", Text: "<p>"},
		}, nil
	}}
	for _, claims := range []map[string]string{nil, {}, reader} {
		out, _ := h.call(t, e, event(claims))
		if out.StatusCode != 200 || out.Body != "<p>" || out.Headers["content-type"] != "text/html; charset=utf-8" || out.Headers["cache-control"] != "public" {
			t.Errorf("answer %+v", out)
		}
	}
}

func TestBodyBounds(t *testing.T) {
	t.Parallel()
	h := newHarness()
	e := endpoint(func(_ context.Context, r *httpapi.Request) (httpapi.Response, error) {
		return httpapi.JSON(200, len(r.Body)), nil
	})
	in := event(reader)
	in.Body = strings.Repeat(" ", dcm.MaxBodyBytes+1)
	if _, p := h.call(t, e, in); p.Code != dcm.CodeInvalid || p.Errors[0].Field != "body" {
		t.Errorf("problem %+v", p)
	}
	in.Body, in.IsBase64Encoded = "e30=", true
	if out, _ := h.call(t, e, in); out.Body != "2" {
		t.Errorf("base64 body: %s", out.Body)
	}
	in.Body = "!"
	if out, _ := h.call(t, e, in); out.StatusCode != 400 {
		t.Errorf("bad base64: %d", out.StatusCode)
	}
	in = event(reader)
	in.RawQueryString = "a=%zz"
	if out, _ := h.call(t, e, in); out.StatusCode != 400 {
		t.Errorf("bad query: %d", out.StatusCode)
	}
}

// tokens accepts one token.
type tokens struct {
	dcm.Tokens
	good  string
	claim dcm.TokenClaims
}

func (v tokens) Verify(_ context.Context, token dcm.Secret, a dcm.Audience) (dcm.TokenClaims, error) {
	if token.Reveal() != v.good || a != v.claim.Audience {
		return dcm.TokenClaims{}, dcm.Errorf(dcm.CodeUnauthenticated, "no")
	}
	return v.claim, nil
}

func TestAVMSpeaksForItselfOnly(t *testing.T) {
	t.Parallel()
	claim := dcm.TokenClaims{Audience: dcm.AudienceVM, Tenant: "acme", VM: "vm-a", ExpiresAt: time.Unix(9, 0)}
	e := httpapi.Endpoint{Name: "vms-heartbeat", Audience: dcm.AudienceVM, Handle: func(_ context.Context, r *httpapi.Request) (httpapi.Response, error) {
		return httpapi.JSON(200, r.VM.VM), nil
	}}
	bodies := map[string]string{}
	for name, c := range map[string]struct {
		header, id string
		status     int
	}{
		"its own":        {"Bearer good", "vm-a", 200},
		"lower case":     {"bearer good", "vm-a", 200},
		"another VM's":   {"Bearer good", "vm-b", 401},
		"forged":         {"Bearer bad", "vm-a", 401},
		"none":           {"", "vm-a", 401},
		"another scheme": {"Basic good", "vm-a", 401},
	} {
		h := newHarness()
		h.options.Tokens = tokens{good: "good", claim: claim}
		in := event(nil)
		in.Headers = map[string]string{"authorization": c.header}
		in.PathParameters = map[string]string{"id": c.id}
		out, _ := h.call(t, e, in)
		if out.StatusCode != c.status {
			t.Errorf("%s: status %d, want %d", name, out.StatusCode, c.status)
		}
		if c.status == 401 {
			bodies[out.Body] = name
		}
		if strings.Contains(h.log.String(), "good") {
			t.Errorf("%s: the log holds the token", name)
		}
	}
	if len(bodies) != 1 {
		t.Errorf("a caller can tell the refusals apart: %v", bodies)
	}
}

func TestDecodeNamesEveryMistake(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		`{"name":1,"size":[],"idleTimeoutMinutes":"5","nonsense":{},"Name":"x"}`: {"Name", "idleTimeoutMinutes", "name", "nonsense", "size"},
		`{"idleTimeoutMinutes":1.5}`: {"idleTimeoutMinutes"},
		`{"name":"a","name":"b"}`:    {"name"},
		`[]`:                         {"body"},
		`"x"`:                        {"body"},
		`{"name":"a"} {}`:            {"body"},
		`{"name":`:                   {"body"},
		`{`:                          {"body"},
		`null`:                       {"body"},
		`{"idleTimeoutMinutes":9999999999999999999}`: {"idleTimeoutMinutes"},
	} {
		var r dcm.LaunchRequest
		err := httpapi.Decode([]byte(body), &r)
		e, ok := errors.AsType[*dcm.Error](err)
		if !ok {
			t.Errorf("%s: %v", body, err)
			continue
		}
		var got []string
		for _, f := range e.Fields {
			got = append(got, f.Field)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: fields %v, want %v", body, got, want)
		}
	}
	var r dcm.LaunchRequest
	if err := httpapi.Decode([]byte(`{"name":"a","idleTimeoutMinutes":null}`), &r); err != nil || r.Name != "a" || r.IdleTimeoutMinutes != nil {
		t.Errorf("%+v, %v", r, err)
	}
	var beat dcm.Heartbeat
	err := httpapi.Decode([]byte(`{"signals":{"terminal":"yesterday","x":1}}`), &beat)
	if dcm.ErrorCode(err) != dcm.CodeInvalid {
		t.Errorf("nested mistake: %v", err)
	}
	if err := httpapi.Decode(nil, &beat); err != nil {
		t.Errorf("empty body: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"name":"a"}`))
	f.Add([]byte(`{"idleTimeoutMinutes":1,"x":[{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var r dcm.LaunchRequest
		err := httpapi.Decode(body, &r)
		if err != nil && dcm.ErrorCode(err) != dcm.CodeInvalid {
			t.Errorf("%q: %v", body, err)
		}
	})
}

func TestAnswersCarryStandardHeaders(t *testing.T) {
	t.Parallel()
	h := newHarness()
	out, _ := h.call(t, endpoint(func(_ context.Context, r *httpapi.Request) (httpapi.Response, error) {
		if r.APIURL != "https://api.example.com" {
			t.Errorf("API URL %q", r.APIURL)
		}
		return httpapi.Response{Status: http.StatusCreated, Headers: map[string]string{"location": "/x"}, Body: 1}, nil
	}), event(reader))
	if out.StatusCode != 201 || out.Headers["location"] != "/x" || out.Headers["cache-control"] != "no-store" || out.Headers["x-request-id"] != "req-1" {
		t.Errorf("answer %+v", out)
	}
}
