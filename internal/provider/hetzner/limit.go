package hetzner

import (
	"cmp"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// observer tells a credential's holder what each answer says of the limit,
// whatever else is in it.
type observer struct {
	base    http.RoundTripper
	observe func(dcm.RateLimit)
}

// observed is p's HTTP client, with an ear on the answers if anybody listens.
func (p *Provider) observed(observe func(dcm.RateLimit)) *http.Client {
	if observe == nil {
		return p.http
	}
	client := *p.http
	client.Transport = observer{base: client.Transport, observe: observe}
	if p.http.Transport == nil {
		client.Transport = observer{base: http.DefaultTransport, observe: observe}
	}
	return &client
}

// RoundTrip makes one request.
func (o observer) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := o.base.RoundTrip(r)
	if err == nil {
		if said, ok := limitOf(response.Header); ok {
			o.observe(said)
		}
	}
	return response, err
}

// limitOf reads the limit that every answer names. It is a number per hour and
// project, and what was used of it comes back one by one, evenly.
func limitOf(h http.Header) (dcm.RateLimit, bool) {
	limit, err := strconv.Atoi(h.Get("RateLimit-Limit"))
	if err != nil || limit <= 0 {
		return dcm.RateLimit{}, false
	}
	left, err := strconv.Atoi(h.Get("RateLimit-Remaining"))
	if err != nil || left < 0 || left > limit {
		return dcm.RateLimit{}, false
	}
	return dcm.RateLimit{Limit: limit, Remaining: left, Interval: max(time.Hour/time.Duration(limit), time.Nanosecond)}, true
}

// retryAfter says when one more request will be let through: when the answer
// says so, or else by the limit. Hetzner's documentation promises no
// Retry-After; something before the API may send one.
func retryAfter(response *hcloud.Response) time.Duration {
	if response == nil || response.Response == nil {
		return 0
	}
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		date = time.Now()
	}
	if wait := asked(response.Header.Get("Retry-After"), date); wait > 0 {
		return wait
	}
	// RateLimit-Reset is when all of the limit is back. The answer's own date is
	// what it is compared with, so that it does not matter how our clock is set.
	limit := response.Meta.Ratelimit
	if err != nil || limit.Reset.IsZero() {
		return 0
	}
	used := cmp.Or(max(0, limit.Limit-limit.Remaining), 1)
	seconds := limit.Reset.Sub(date).Seconds() / float64(used)
	return time.Duration(max(1, math.Ceil(seconds))) * time.Second
}

// maxRetryAfter keeps a strange answer from putting everything off for good.
const maxRetryAfter = time.Hour

// asked reads a Retry-After: seconds, or a date.
func asked(text string, date time.Time) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil {
		return min(max(0, time.Duration(min(seconds, 1<<20))*time.Second), maxRetryAfter)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(0, at.Sub(date)), maxRetryAfter)
}
