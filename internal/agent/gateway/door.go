package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// door decides who may come in: whoever knows the password, or holds a cookie
// that only somebody who knew it could have been given.
type door struct {
	hostname string
	// passwordHash is compared instead of the password, so that the comparison
	// takes the same time whatever the length.
	passwordHash [sha256.Size]byte
	cookieKey    []byte
	locked       bool
	tries        *limiter
	clock        dcm.Clock
}

func newDoor(hostname string, password dcm.Secret, clock dcm.Clock) *door {
	mac := hmac.New(sha256.New, []byte(password.Reveal()))
	mac.Write([]byte("devcontainer-manager gateway cookie v1\x00" + hostname))
	return &door{
		hostname:     hostname,
		passwordHash: sha256.Sum256([]byte(password.Reveal())),
		cookieKey:    mac.Sum(nil),
		locked:       password.IsZero(),
		tries:        newLimiter(clock),
		clock:        clock,
	}
}

// verdict is what the door makes of a request.
type verdict int

const (
	// unknown: nothing was shown that opens.
	unknown verdict = iota
	// known: come in.
	known
	// tooMany: too many wrong passwords from this client, or from all.
	tooMany
)

// check reads a request's cookie, then its Basic authorization. A wrong Basic
// password counts as a try; the wait is meaningful with tooMany only.
func (d *door) check(r *http.Request) (v verdict, wait time.Duration) {
	if d.holdsCookie(r) {
		return known, 0
	}
	_, password, ok := r.BasicAuth()
	if !ok {
		return unknown, 0
	}
	return d.try(r, password)
}

// try compares one password, unless there were too many wrong ones: then not
// even the right one opens, or the limit would not slow a guesser down.
func (d *door) try(r *http.Request, password string) (v verdict, wait time.Duration) {
	client := clientOf(r)
	if wait := d.tries.take(client); wait > 0 {
		return tooMany, wait
	}
	if !d.opens(password) {
		return unknown, 0
	}
	d.tries.giveBack(client)
	return known, 0
}

// opens compares in constant time.
func (d *door) opens(password string) bool {
	shown := sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(shown[:], d.passwordHash[:]) == 1 && !d.locked
}

// strip removes from a request what it was admitted by, so that no server in
// the workspace ever sees it. Cookies and authorizations of the workspace's
// own servers stay.
func (d *door) strip(r *http.Request) {
	stripCookie(r.Header)
	if _, password, ok := r.BasicAuth(); ok && d.opens(password) {
		r.Header.Del("Authorization")
	}
}

// clientOf is whose tries are counted together: an IPv4 address, or the /64
// that one IPv6 user usually has to choose from.
func clientOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	network, err := ip.Prefix(64)
	if err != nil {
		return ip.String()
	}
	return network.String()
}
