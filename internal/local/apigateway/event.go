package apigateway

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// call is one request on its way to a function.
type call struct {
	*http.Request
	id         string
	at         time.Time
	route      route
	parameters map[string]string
	claims     map[string]string
	body       []byte
}

// event is the request in payload format 2.0.
func (c call) event() ([]byte, error) {
	headers, cookies := flatten(c.Header, c.Host)
	body, encoded := bodyText(c.body, c.Header.Get("Content-Type"))
	e := events.APIGatewayV2HTTPRequest{
		Version:               "2.0",
		RouteKey:              c.route.Key(),
		RawPath:               rawPath(c.URL),
		RawQueryString:        c.URL.RawQuery,
		Cookies:               cookies,
		Headers:               headers,
		QueryStringParameters: joined(c.URL.Query()),
		PathParameters:        c.parameters,
		RequestContext:        c.context(),
		Body:                  body,
		IsBase64Encoded:       encoded,
	}
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode the event: %w", err)
	}
	return b, nil
}

func (c call) context() events.APIGatewayV2HTTPRequestContext {
	ip, _, err := net.SplitHostPort(c.RemoteAddr)
	if err != nil {
		ip = c.RemoteAddr
	}
	prefix, _, _ := strings.Cut(c.Host, ".")
	r := events.APIGatewayV2HTTPRequestContext{
		RouteKey: c.route.Key(), AccountID: "000000000000", APIID: "local", Stage: "$default",
		RequestID: c.id, DomainName: c.Host, DomainPrefix: prefix,
		Time: c.at.UTC().Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: c.at.UnixMilli(),
		HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
			Method: c.Method, Path: rawPath(c.URL), Protocol: c.Proto, SourceIP: ip, UserAgent: c.UserAgent(),
		},
	}
	if c.route.Authorizer != nil {
		r.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{
			JWT: &events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription{Claims: c.claims},
		}
	}
	return r
}

// rawPath is the path as API Gateway passes it on: decoded.
func rawPath(u *url.URL) string { return u.Path }

// flatten lower-cases the names and joins several values with commas. Cookies
// have a field of their own.
func flatten(h http.Header, host string) (headers map[string]string, cookies []string) {
	headers = map[string]string{"host": host}
	for name, values := range h {
		if name == "Cookie" {
			for _, line := range values {
				cookies = append(cookies, strings.Split(line, "; ")...)
			}
			continue
		}
		headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	return headers, cookies
}

func joined(q url.Values) map[string]string {
	if len(q) == 0 {
		return nil
	}
	m := make(map[string]string, len(q))
	for name, values := range q {
		m[name] = strings.Join(values, ",")
	}
	return m
}

// bodyText is the body as it stands in the event: as it is for the content
// types that API Gateway takes for text, else in base64.
func bodyText(body []byte, contentType string) (text string, encoded bool) {
	if len(body) == 0 {
		return "", false
	}
	if utf8.Valid(body) && isText(contentType) {
		return string(body), false
	}
	return base64.StdEncoding.EncodeToString(body), true
}

func isText(contentType string) bool {
	if contentType == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch kind {
	case "application/json", "application/xml", "application/javascript":
		return true
	}
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml")
}

// requestID looks like API Gateway's.
func requestID() string {
	b := make([]byte, 11)
	_, _ = rand.Read(b) // never fails, by its documentation
	return base64.StdEncoding.EncodeToString(b)
}
