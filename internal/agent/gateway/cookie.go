package gateway

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"time"
)

const (
	cookieName = "dcm_gateway"
	// cookieLife is the longest life of a VM.
	cookieLife = 7 * 24 * time.Hour

	cookieNonceBytes = 16
	cookieBytes      = 8 + cookieNonceBytes + sha256.Size
)

// newCookie makes a login: when it ends, a nonce, and a MAC of both under a key
// derived from the password and the host name. The gateway keeps no list, so a
// login survives a restart of the agent, and another VM's is worth nothing.
func (d *door) newCookie(secure bool) *http.Cookie {
	ends := d.clock.Now().Add(cookieLife)
	value := binary.BigEndian.AppendUint64(nil, uint64(ends.Unix()))
	nonce := make([]byte, cookieNonceBytes)
	rand.Read(nonce)
	value = append(value, nonce...)
	value = append(value, d.cookieMAC(value)...)
	return d.cookie(base64.RawURLEncoding.EncodeToString(value), int(cookieLife/time.Second), secure)
}

// noCookie takes a login back from a browser.
func (d *door) noCookie(secure bool) *http.Cookie { return d.cookie("", -1, secure) }

// cookie is valid for every label of the VM: one login opens all ports.
func (d *door) cookie(value string, maxAgeSeconds int, secure bool) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: value, Path: "/", Domain: d.hostname, MaxAge: maxAgeSeconds,
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
	}
}

// holdsCookie looks at every cookie of our name: a page of the workspace can
// add one of its own beside ours, which must not log the user out.
func (d *door) holdsCookie(r *http.Request) bool {
	if d.locked {
		return false
	}
	for _, c := range r.CookiesNamed(cookieName) {
		if d.validCookie(c.Value) {
			return true
		}
	}
	return false
}

func (d *door) validCookie(text string) bool {
	value, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(value) != cookieBytes {
		return false
	}
	signed, mac := value[:8+cookieNonceBytes], value[8+cookieNonceBytes:]
	if !hmac.Equal(mac, d.cookieMAC(signed)) {
		return false
	}
	return d.clock.Now().Unix() < int64(binary.BigEndian.Uint64(signed))
}

func (d *door) cookieMAC(signed []byte) []byte {
	mac := hmac.New(sha256.New, d.cookieKey)
	mac.Write(signed)
	return mac.Sum(nil)
}

// stripCookie removes our cookie from a request's headers and leaves the other
// cookies as they were written.
func stripCookie(h http.Header) {
	var kept []string
	for _, line := range h.Values("Cookie") {
		for pair := range strings.SplitSeq(line, ";") {
			pair = strings.TrimSpace(pair)
			name, _, _ := strings.Cut(pair, "=")
			if pair != "" && strings.TrimSpace(name) != cookieName {
				kept = append(kept, pair)
			}
		}
	}
	h.Del("Cookie")
	if len(kept) > 0 {
		h.Set("Cookie", strings.Join(kept, "; "))
	}
}
