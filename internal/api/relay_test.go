package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
)

// route is the way from one function to one service.
type route struct{ function, service string }

// relay stands between a function and a service, so that a test can hold calls
// back, or change what they say, and nobody else's.
type relay struct {
	route
	// around handles each call; next passes it on to the service.
	around func(next http.Handler) http.Handler

	url string
}

// start makes the relay listen. The service need not be there yet.
func (r *relay) start(w *world) {
	w.t.Helper()
	forward := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		to, err := url.Parse(w.Endpoint(r.service))
		if err != nil {
			w.t.Error(err)
			return
		}
		p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = to.Scheme, to.Host, p.In.Host
	}}
	server := httptest.NewServer(r.around(forward))
	w.t.Cleanup(server.Close)
	r.url = server.URL
}

// relayed is a function's environment with its relays in it.
func (w *world) relayed(function string, getenv func(string) string) func(string) string {
	settings := map[string]route{
		"AWS_ENDPOINT_URL_DYNAMODB": {function, "dynamodb"}, "AWS_ENDPOINT_URL_KMS": {function, "kms"}, "AWS_ENDPOINT_URL_S3": {function, "s3"},
		"HCLOUD_ENDPOINT": {function, "hetzner"}, "CLOUDFLARE_ENDPOINT": {function, "cloudflare"},
	}
	return func(name string) string {
		value := getenv(name)
		r := w.relays[settings[name]]
		if r == nil {
			return value
		}
		address, err := url.Parse(value)
		if err != nil {
			w.t.Error(err)
			return value
		}
		return r.url + address.Path
	}
}
