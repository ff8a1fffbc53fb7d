package certificate_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// authority is a small ACME server (RFC 8555). It checks no signature, but signs
// nothing whose challenges are not answered in the zone.
type authority struct {
	*httptest.Server
	t     *testing.T
	zone  *zone
	clock dcm.Clock
	life  time.Duration
	root  *x509.Certificate
	key   *ecdsa.PrivateKey

	// newAccount has to be bound by this key; nil for an authority that serves
	// everybody.
	mac []byte

	mu sync.Mutex
	// refuse answers every order with this status; 0 for none.
	refuse   int
	orders   int
	accounts []string // thumbprints of the keys that asked
	signed   []*x509.Certificate
	thumb    string
	names    []string
	valid    map[string]bool
	chain    []byte
}

func newAuthority(t *testing.T, z *zone, clock dcm.Clock, life time.Duration) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: clock.Now().Add(-time.Hour), NotAfter: clock.Now().Add(10 * 365 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, zone: z, clock: clock, life: life, root: root, key: key, valid: map[string]bool{}}
	a.Server = httptest.NewUnstartedServer(http.HandlerFunc(a.serve))
	a.StartTLS()
	t.Cleanup(a.Close)
	return a
}

func (a *authority) directory() string { return a.URL + "/directory" }

func (a *authority) set(refuse int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuse = refuse
}

// seen are how many orders came, and the certificates that were signed.
func (a *authority) seen() (orders int, signed []*x509.Certificate, accounts []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.orders, slices.Clone(a.signed), slices.Compact(slices.Clone(a.accounts))
}

func (a *authority) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Replay-Nonce", rand.Text())
	w.Header().Set("Content-Type", "application/json")
	var jws, head struct {
		Protected, Payload string
		JWK                json.RawMessage
	}
	_ = json.NewDecoder(r.Body).Decode(&jws)
	protected, _ := base64.RawURLEncoding.DecodeString(jws.Protected)
	payload, _ := base64.RawURLEncoding.DecodeString(jws.Payload)
	_ = json.Unmarshal(protected, &head)

	path, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch path {
	case "directory":
		a.answer(w, 200, map[string]any{
			"newNonce": a.URL + "/nonce", "newAccount": a.URL + "/account", "newOrder": a.URL + "/orders",
			"meta": map[string]any{"externalAccountRequired": a.mac != nil},
		})
	case "nonce":
	case "account":
		if !a.bound(head.JWK, payload) {
			a.answer(w, 403, map[string]any{"type": "urn:ietf:params:acme:error:unauthorized", "status": 403})
			return
		}
		a.thumb = thumbprint(head.JWK)
		a.accounts = append(a.accounts, a.thumb)
		w.Header().Set("Location", a.URL+"/accounts/1")
		a.answer(w, 201, map[string]string{"status": "valid"})
	case "orders":
		a.newOrder(w, payload)
	case "order":
		a.order(w, 200)
	case "authorization":
		a.authorization(w, id)
	case "challenge":
		sum := sha256.Sum256([]byte("token" + id + "." + a.thumb))
		a.valid[id] = slices.Contains(a.zone.values(), base64.RawURLEncoding.EncodeToString(sum[:]))
		a.answer(w, 200, a.challenge(id))
	case "finalize":
		a.sign(payload)
		a.order(w, 200)
	case "certificate":
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		_, _ = w.Write(a.chain)
	default:
		a.answer(w, 404, map[string]any{"type": "urn:ietf:params:acme:error:malformed", "status": 404})
	}
}

// bound reports whether the account that a key opens is bound to a customer's.
func (a *authority) bound(jwk json.RawMessage, payload []byte) bool {
	if a.mac == nil {
		return true
	}
	var account struct{ ExternalAccountBinding dcm.ACMEBinding }
	_ = json.Unmarshal(payload, &account)
	b := account.ExternalAccountBinding
	bound, _ := base64.RawURLEncoding.DecodeString(b.Payload)
	return b == sign(a.mac, a.URL+"/account", string(bound)) && thumbprint(bound) == thumbprint(jwk)
}

// sign makes a binding as the control plane does.
func sign(mac []byte, address, jwk string) dcm.ACMEBinding {
	encode := base64.RawURLEncoding.EncodeToString
	b := dcm.ACMEBinding{Protected: encode([]byte(address)), Payload: encode([]byte(jwk))}
	sum := hmac.New(sha256.New, mac)
	sum.Write([]byte(b.Protected + "." + b.Payload))
	b.Signature = encode(sum.Sum(nil))
	return b
}

func (a *authority) answer(w http.ResponseWriter, status int, body any) {
	if status >= 400 {
		w.Header().Set("Content-Type", "application/problem+json")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (a *authority) newOrder(w http.ResponseWriter, payload []byte) {
	a.orders++
	if a.refuse == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "3600")
		a.answer(w, a.refuse, map[string]any{
			"type": "urn:ietf:params:acme:error:rateLimited", "status": a.refuse, "detail": "too many certificates already issued",
		})
		return
	}
	if a.refuse != 0 {
		a.answer(w, a.refuse, map[string]any{"type": "urn:ietf:params:acme:error:serverInternal", "status": a.refuse})
		return
	}
	var order struct{ Identifiers []struct{ Value string } }
	_ = json.Unmarshal(payload, &order)
	a.names, a.valid, a.chain = nil, map[string]bool{}, nil
	for _, i := range order.Identifiers {
		a.names = append(a.names, i.Value)
	}
	w.Header().Set("Location", a.URL+"/order/1")
	a.order(w, 201)
}

func (a *authority) order(w http.ResponseWriter, status int) {
	var authorizations []string
	identifiers, state := []map[string]string{}, "pending"
	for i, name := range a.names {
		authorizations = append(authorizations, fmt.Sprintf("%s/authorization/%d", a.URL, i))
		identifiers = append(identifiers, map[string]string{"type": "dns", "value": name})
	}
	body := map[string]any{"identifiers": identifiers, "authorizations": authorizations, "finalize": a.URL + "/finalize"}
	if a.chain != nil {
		state, body["certificate"] = "valid", a.URL+"/certificate"
	}
	body["status"] = state
	a.answer(w, status, body)
}

func (a *authority) authorization(w http.ResponseWriter, id string) {
	state := "pending"
	if good, looked := a.valid[id]; good {
		state = "valid"
	} else if looked {
		state = "invalid"
	}
	index := int(id[0] - '0')
	name, wildcard := strings.CutPrefix(a.names[index], "*.")
	a.answer(w, 200, map[string]any{
		"status": state, "identifier": map[string]string{"type": "dns", "value": name}, "wildcard": wildcard,
		"challenges": []any{a.challenge(id)},
	})
}

func (a *authority) challenge(id string) map[string]any {
	c := map[string]any{"type": "dns-01", "url": a.URL + "/challenge/" + id, "token": "token" + id, "status": "pending"}
	if good, looked := a.valid[id]; good {
		c["status"] = "valid"
	} else if looked {
		c["status"] = "invalid"
		c["error"] = map[string]any{"type": "urn:ietf:params:acme:error:unauthorized", "status": 403}
	}
	return c
}

// sign signs the request if every name in it is proven.
func (a *authority) sign(payload []byte) {
	var finalize struct{ CSR string }
	_ = json.Unmarshal(payload, &finalize)
	der, _ := base64.RawURLEncoding.DecodeString(finalize.CSR)
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil || csr.CheckSignature() != nil {
		a.t.Errorf("the request for a signature is no good: %v", err)
		return
	}
	for i := range a.names {
		if !a.valid[fmt.Sprint(i)] {
			a.t.Errorf("a certificate is asked for without proof of %s", a.names[i])
			return
		}
	}
	now := a.clock.Now()
	leaf, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(int64(100 + len(a.signed))), DNSNames: csr.DNSNames,
		NotBefore: now, NotAfter: now.Add(a.life), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.root, csr.PublicKey, a.key)
	if err != nil {
		a.t.Error(err)
		return
	}
	parsed, err := x509.ParseCertificate(leaf)
	if err != nil {
		a.t.Error(err)
		return
	}
	a.signed = append(a.signed, parsed)
	a.chain = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf})
}

// thumbprint is RFC 7638's, of an elliptic key.
func thumbprint(jwk json.RawMessage) string {
	var k struct{ Crv, Kty, X, Y string }
	_ = json.Unmarshal(jwk, &k)
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":%q,"kty":%q,"x":%q,"y":%q}`, k.Crv, k.Kty, k.X, k.Y))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// client trusts both the authorities' own addresses.
func client(all ...*authority) *http.Client {
	roots := x509.NewCertPool()
	for _, a := range all {
		roots.AddCert(a.Certificate())
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
}
