package apigateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/apigateway"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/issuer"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sam"
	"github.com/golang-jwt/jwt/v5"
)

const audience = "the-api"

// handler is a lambda.Handler made of a function.
type handler func(ctx context.Context, payload []byte) ([]byte, error)

func (h handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) { return h(ctx, payload) }

// sharedIssuer is one for all tests: making a key takes long.
var sharedIssuer = sync.OnceValues(func() (*issuer.Issuer, error) {
	i, err := issuer.New(issuer.Options{Clock: dcm.SystemClock{}, Audience: audience, TenantClaim: "tenant_id"})
	if err == nil {
		i.SetURL(httptest.NewServer(i).URL)
	}
	return i, err
})

// api is a gateway with an issuer behind its authorizer.
type api struct {
	t      *testing.T
	issuer *issuer.Issuer
	url    string
	client *http.Client
	event  events.APIGatewayV2HTTPRequest
	seen   []apigateway.Observation
}

// newAPI serves the routes; every one of them runs h, after noting its event.
func newAPI(t *testing.T, h handler, timeout time.Duration) *api {
	t.Helper()
	i, err := sharedIssuer()
	if err != nil {
		t.Fatal(err)
	}
	a := &api{t: t, issuer: i}
	jwtOnly := &sam.Authorizer{Name: "Jwt", Issuer: i.URL(), Audience: []string{"another", audience}}
	g, err := apigateway.New(apigateway.Options{
		Clock: dcm.SystemClock{},
		Routes: []sam.Route{
			{Method: "GET", Path: "/things/{id}", Function: "f", Authorizer: jwtOnly},
			{Method: "GET", Path: "/things/new", Function: "g", Authorizer: jwtOnly},
			{Method: "ANY", Path: "/open/{rest+}", Function: "f"},
			{Method: "POST", Path: "/open", Function: "f"},
			{Method: "GET", Path: "/gone", Function: "no-such-function"},
		},
		Functions: map[string]apigateway.Function{
			"f": {Timeout: timeout, Handler: handler(func(ctx context.Context, payload []byte) ([]byte, error) {
				if err := json.Unmarshal(payload, &a.event); err != nil {
					t.Error(err)
				}
				return h(ctx, payload)
			})},
			"g": {Handler: answer(`{"statusCode":200,"body":"the other"}`)},
		},
		Observe: func(o apigateway.Observation) { a.seen = append(a.seen, o) },
	})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(g)
	t.Cleanup(front.Close)
	a.url, a.client = front.URL, front.Client()
	return a
}

func answer(text string) handler {
	return func(context.Context, []byte) ([]byte, error) { return []byte(text), nil }
}

// call returns status, body and headers.
func (a *api) call(method, path, token, body string, headers ...string) (int, string, http.Header) {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	got, err := a.client.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return got.StatusCode, strings.TrimSpace(string(text)), got.Header
}

func (a *api) mustMint(who issuer.Identity) string {
	a.t.Helper()
	token, err := a.issuer.Mint(who)
	if err != nil {
		a.t.Fatal(err)
	}
	return "Bearer " + token.Reveal()
}

func TestEvent(t *testing.T) {
	t.Parallel()
	a := newAPI(t, answer(`{"statusCode":204}`), time.Minute)
	token := a.mustMint(issuer.Identity{Tenant: "acme", User: "u1", Permissions: []dcm.Permission{"vms:read", "vms:write"}})
	status, _, header := a.call("GET", "/things/a%2Fb?x=1&x=2&y=%20", token, "",
		"X-Many", "one", "X-Many", "two", "Cookie", "a=1; b=2", "User-Agent", "tester")
	if status != http.StatusNoContent || header.Get("Apigw-Requestid") == "" {
		t.Fatalf("status %d, headers %v", status, header)
	}
	e := a.event
	if e.Version != "2.0" || e.RouteKey != "GET /things/{id}" || e.RawQueryString != "x=1&x=2&y=%20" {
		t.Errorf("event %+v", e)
	}
	if e.PathParameters["id"] != "a/b" || e.QueryStringParameters["x"] != "1,2" || e.QueryStringParameters["y"] != " " {
		t.Errorf("parameters %v, %v", e.PathParameters, e.QueryStringParameters)
	}
	if e.Headers["x-many"] != "one,two" || e.Headers["cookie"] != "" || strings.Join(e.Cookies, "|") != "a=1|b=2" {
		t.Errorf("headers %v, cookies %v", e.Headers, e.Cookies)
	}
	c := e.RequestContext
	if c.HTTP.Method != "GET" || c.HTTP.SourceIP != "127.0.0.1" || c.HTTP.UserAgent != "tester" || c.Stage != "$default" ||
		c.RequestID != header.Get("Apigw-Requestid") || "http://"+c.DomainName != a.url || c.TimeEpoch == 0 {
		t.Errorf("context %+v", c)
	}
	claims := c.Authorizer.JWT.Claims
	if claims["tenant_id"] != "acme" || claims["sub"] != "u1" || claims["permissions"] != "[vms:read vms:write]" || claims["exp"] == "" {
		t.Errorf("claims %v", claims)
	}
	if strings.ContainsAny(claims["exp"], "e.+") {
		t.Errorf("exp is %q", claims["exp"])
	}
	if len(a.seen) != 1 || a.seen[0].Function != "f" || a.seen[0].StatusCode != 204 {
		t.Errorf("observed %+v", a.seen)
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		contentType, body, text string
		encoded                 bool
	}{
		"JSON is text":          {"application/json; charset=utf-8", `{"a":"ü"}`, `{"a":"ü"}`, false},
		"a form is not":         {"application/x-www-form-urlencoded", "a=1", "YT0x", true},
		"bytes are not":         {"application/octet-stream", "\x00\xff", "AP8=", true},
		"broken UTF-8 is not":   {"application/json", "\xff", "/w==", true},
		"nothing is no body":    {"application/json", "", "", false},
		"a type we cannot read": {"??", "x", "eA==", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t, answer(`{"statusCode":200}`), 0)
			a.call("POST", "/open", "", c.body, "Content-Type", c.contentType)
			if a.event.Body != c.text || a.event.IsBase64Encoded != c.encoded {
				t.Errorf("body %q, encoded %v", a.event.Body, a.event.IsBase64Encoded)
			}
			if a.event.RequestContext.Authorizer != nil {
				t.Error("an open route has an authorizer")
			}
		})
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	a := newAPI(t, answer(`{"statusCode":200,"body":"f"}`), 0)
	token := a.mustMint(issuer.Identity{User: "u"})
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/things/1", 200, "f"},
		{"GET", "/things/new", 200, "the other"},
		{"GET", "/open/a/b/c", 200, "f"},
		{"DELETE", "/open/a", 200, "f"},
		{"GET", "/open", 404, `{"message":"Not Found"}`},
		{"POST", "/things/1", 404, `{"message":"Not Found"}`},
		{"GET", "/things/", 404, `{"message":"Not Found"}`},
		{"GET", "/things/1/2", 404, `{"message":"Not Found"}`},
		{"GET", "/", 404, `{"message":"Not Found"}`},
		{"GET", "/gone", 500, `{"message":"Internal Server Error"}`},
	} {
		status, body, _ := a.call(c.method, c.path, token, "")
		if status != c.status || body != c.body {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, body)
		}
	}
	a.call("GET", "/open/a/b%20c", "", "")
	if got := a.event.PathParameters["rest"]; got != "a/b c" {
		t.Errorf("the greedy parameter is %q", got)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	internal := `{"message":"Internal Server Error"}`
	for name, c := range map[string]struct {
		h      handler
		status int
		body   string
	}{
		"as it is":            {answer(`{"statusCode":418,"headers":{"content-type":"a/b","x-y":"z"},"body":"tea","cookies":["k=v"]}`), 418, "tea"},
		"from base64":         {answer(`{"statusCode":200,"body":"aGk=","isBase64Encoded":true}`), 200, "hi"},
		"a body without more": {answer(`{"free":"form"}`), 200, `{"free":"form"}`},
		"a text without more": {answer(`"text"`), 200, `"text"`},
		"no JSON":             {answer(`oops`), 500, internal},
		"no status":           {answer(`{"statusCode":7}`), 500, internal},
		"bad base64":          {answer(`{"statusCode":200,"body":"?","isBase64Encoded":true}`), 500, internal},
		"an error":            {func(context.Context, []byte) ([]byte, error) { return nil, errors.New("secret") }, 500, internal},
		"a panic":             {func(context.Context, []byte) ([]byte, error) { panic("secret") }, 500, internal},
		"too slow":            {func(ctx context.Context, _ []byte) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() }, 500, internal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t, c.h, 500*time.Millisecond)
			status, body, header := a.call("POST", "/open", "", "")
			if status != c.status || body != c.body {
				t.Errorf("%d %s", status, body)
			}
			if status == 418 && (header.Get("Content-Type") != "a/b" || header.Get("X-Y") != "z" || header.Get("Set-Cookie") != "k=v") {
				t.Errorf("headers %v", header)
			}
		})
	}
	t.Run("a request too large", func(t *testing.T) {
		t.Parallel()
		a := newAPI(t, answer(`{"statusCode":200}`), 0)
		if status, body, _ := a.call("POST", "/open", "", strings.Repeat("x", 10<<20+1)); status != 413 || body != `{"message":"Request Entity Too Large"}` {
			t.Errorf("%d %s", status, body)
		}
	})
}

func TestAuthorizer(t *testing.T) {
	t.Parallel()
	a := newAPI(t, answer(`{"statusCode":200}`), 0)
	now := time.Now()
	good := func() jwt.MapClaims {
		return jwt.MapClaims{"iss": a.issuer.URL(), "aud": audience, "sub": "u", "exp": now.Add(time.Hour).Unix()}
	}
	sign := func(change func(jwt.MapClaims)) string {
		c := good()
		change(c)
		token, err := a.issuer.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		return token.Reveal()
	}
	genuine := sign(func(jwt.MapClaims) {})
	hmac, err := jwt.NewWithClaims(jwt.SigningMethodHS256, good()).SignedString([]byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, good()).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		token  string
		status int
	}{
		"genuine":               {"Bearer " + genuine, 200},
		"without the scheme":    {genuine, 200},
		"for several audiences": {sign(func(c jwt.MapClaims) { c["aud"] = []string{"x", audience} }), 200},
		"of a client id":        {sign(func(c jwt.MapClaims) { delete(c, "aud"); c["client_id"] = audience }), 200},
		"none":                  {"", 401},
		"no token":              {"Bearer x", 401},
		"changed":               {genuine[:len(genuine)-8] + "AAAAAAAA", 401},
		"expired":               {sign(func(c jwt.MapClaims) { c["exp"] = now.Add(-time.Minute).Unix() }), 401},
		"without an end":        {sign(func(c jwt.MapClaims) { delete(c, "exp") }), 401},
		"for later":             {sign(func(c jwt.MapClaims) { c["nbf"] = now.Add(time.Hour).Unix() }), 401},
		"of the future":         {sign(func(c jwt.MapClaims) { c["iat"] = now.Add(time.Hour).Unix() }), 401},
		"of another issuer":     {sign(func(c jwt.MapClaims) { c["iss"] = "https://elsewhere" }), 401},
		"for another audience":  {sign(func(c jwt.MapClaims) { c["aud"] = "elsewhere" }), 401},
		"for no audience":       {sign(func(c jwt.MapClaims) { delete(c, "aud") }), 401},
		"HMAC":                  {hmac, 401},
		"alg none":              {unsigned, 401},
	} {
		t.Run(name, func(t *testing.T) {
			status, body, header := a.call("GET", "/things/1", c.token, "")
			if status != c.status {
				t.Errorf("%d %s", status, body)
			}
			if status == 401 && (body != `{"message":"Unauthorized"}` || !strings.HasPrefix(header.Get("Www-Authenticate"), "Bearer")) {
				t.Errorf("%s, %v", body, header)
			}
		})
	}
}
