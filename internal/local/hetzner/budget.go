package hetzner

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// budget is a project's rate limit: limit requests an hour, coming back one by
// one.
type budget struct {
	limit int
	left  float64
	at    time.Time
	// refused is how many requests there was nothing left for.
	refused int
}

func (b *budget) perSecond() float64 { return float64(b.limit) / time.Hour.Seconds() }

func (b *budget) refill(now time.Time) {
	b.left = math.Min(float64(b.limit), b.left+max(0, now.Sub(b.at).Seconds())*b.perSecond())
	b.at = now
}

// SetRequestLimit gives a project that has been called, or with "" every one and
// those to come, this many requests an hour, of which so many are left now.
func (s *Server) SetRequestLimit(project string, perHour, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if project == "" {
		s.hourly = perHour
	}
	for name, p := range s.projects {
		if project != "" && name != project {
			continue
		}
		p.budget = budget{limit: perHour, left: float64(left), at: s.clock.Now()}
	}
}

// take uses one request, if there is one left, and says how many are.
func (b *budget) take(now time.Time, h http.Header) bool {
	b.refill(now)
	ok := b.left >= 1
	if ok {
		b.left--
	} else {
		b.refused++
	}
	whole := time.Duration((float64(b.limit) - b.left) / b.perSecond() * float64(time.Second))
	rateHeaders(h, b.limit, int(b.left), now.Add(whole))
	return ok
}

// rateHeaders are on every answer. reset is when the whole limit will be
// available again.
func rateHeaders(h http.Header, limit, left int, reset time.Time) {
	h.Set("RateLimit-Limit", strconv.Itoa(limit))
	h.Set("RateLimit-Remaining", strconv.Itoa(left))
	h.Set("RateLimit-Reset", strconv.FormatInt(reset.Add(time.Second-1).Unix(), 10))
}
