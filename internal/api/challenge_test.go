package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func challengeValue(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// challenges lists what is published for certificates: "name value", sorted.
func (w *world) challenges() []string {
	list := []string{}
	for _, r := range w.State().DNSRecords {
		if r.Type == "TXT" {
			list = append(list, r.Name+" "+strings.Trim(r.Content, `"`))
		}
	}
	slices.Sort(list)
	return list
}

// editRecord changes a record in the platform's zone, as somebody with its token
// does.
func (w *world) editRecord(id, change string) {
	w.t.Helper()
	url := w.Endpoint("cloudflare") + "/client/v4/zones/" + platformZone + "/dns_records/" + id
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPatch, url, strings.NewReader(change))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+platformDNSToken)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		w.t.Fatalf("edit record %s: %s", id, answer.Status)
	}
}

func (m *machine) challenge(value string) answer {
	return m.call("POST", m.path("/dns-challenge"), dcm.DNSChallenge{Value: value})
}

// published is what challenges lists for this VM's values.
func (m *machine) published(values ...string) []string {
	list := []string{}
	for _, v := range values {
		list = append(list, "_acme-challenge."+m.boot.Hostname+" "+v)
	}
	slices.Sort(list)
	return list
}

func (w *world) challengesAre(want []string) {
	w.t.Helper()
	if got := w.challenges(); !slices.Equal(got, want) {
		w.t.Errorf("published are %q, want %q", got, want)
	}
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	one, two, three := challengeValue("one"), challengeValue("two"), challengeValue("three")
	t.Run("two values are published, once each, and withdrawn", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		vm := w.user("acme").launch()
		m := w.machine(vm.ID)
		m.bootstrap() // before it runs: its users come with the first page
		m.challenge(one).expect(t, 200)
		m.challenge(one).expect(t, 200)
		said := decode[dcm.DNSChallenges](t, m.challenge(two).expect(t, 200))
		slices.Sort(said.Values)
		want := []string{one, two}
		slices.Sort(want)
		if said.Name != "_acme-challenge."+vm.Hostname || !slices.Equal(said.Values, want) {
			t.Errorf("answer %+v", said)
		}
		w.challengesAre(m.published(one, two))
		for _, r := range w.State().DNSRecords {
			if r.Comment != dcm.DNSComment("local", "acme", vm.ID) || !slices.Contains([]string{"A", "AAAA", "TXT"}, r.Type) {
				t.Errorf("record %+v", r)
			}
		}
		if a := m.challenge(three).expect(t, 409); a.problem.Code != dcm.CodeConflict {
			t.Errorf("%s", a.body)
		}
		w.challengesAre(m.published(one, two))
		m.challenge("").expect(t, 200)
		m.challenge("").expect(t, 200)
		w.challengesAre([]string{})
		if len(w.zones()) == 0 {
			t.Error("the VM's address went along")
		}
		m.challenge(three).expect(t, 200)
	})
	t.Run("many at once leave no more than two", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		m, _ := w.running(w.user("acme"))
		var all sync.WaitGroup
		for _, text := range strings.Fields("a b c d e f g h") {
			all.Go(func() { m.challenge(challengeValue(text)) })
		}
		all.Wait()
		if got := w.challenges(); len(got) > 2 {
			t.Errorf("published are %q", got)
		}
	})
	t.Run("nothing but a digest, and no name", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		m, _ := w.running(w.user("acme"))
		for _, body := range []string{
			`{"value":"` + one[:42] + `"}`, `{"value":"` + one + `A"}`, `{"value":"` + one + `="}`,
			`{"value":"` + one[:42] + `+"}`, `{"value":"` + one[:42] + `\n"}`, `{"value":"` + one[:41] + `\"\""}`,
			`{"value":"` + strings.Repeat("A", 42) + `B"}`, `{"value":["` + one + `"]}`,
			`{"value":"` + one + `","name":"_acme-challenge.example.com"}`,
			`{"value":"` + one + `","hostname":"vm-aaaaaaaaaa.evil.vm.localhost"}`,
		} {
			a := m.call("POST", m.path("/dns-challenge"), body).expect(t, 400)
			if a.problem.Code != dcm.CodeInvalid {
				t.Errorf("%s: %s", body, a.body)
			}
		}
		w.challengesAre([]string{})
	})
	t.Run("each tenant's in its own zone", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		w.bringAlong()
		acme, other := w.user("acme"), w.user("other")
		acme.call("POST", "/tenant/dns", w.dnsBody()).expect(t, 201)
		theirs, vm := w.running(acme)
		own, _ := w.running(other)
		theirs.challenge(one).expect(t, 200)
		own.challenge(two).expect(t, 200)
		w.challengesAre(slices.Sorted(slices.Values(append(theirs.published(one), own.published(two)...))))
		if !strings.HasSuffix(vm.Hostname, ownDomain) {
			t.Fatalf("hostname %s", vm.Hostname)
		}
		for _, r := range w.State().DNSRecords {
			if r.Type == "TXT" && (r.Zone == ownZone) != strings.HasSuffix(r.Name, ownDomain) {
				t.Errorf("%s is in zone %s", r.Name, r.Zone)
			}
		}
		// One's token on the other's path, and its own VM's clearing.
		caller{w, own.token}.call("POST", theirs.path("/dns-challenge"), dcm.DNSChallenge{}).expect(t, 401)
		own.challenge("").expect(t, 200)
		w.challengesAre(theirs.published(one))
	})
	t.Run("an account is bound, and nothing published", testBinding)
	t.Run("a release takes them away", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user := w.user("acme")
		m, vm := w.running(user)
		m.challenge(one).expect(t, 200)
		m.challenge(two).expect(t, 200)
		user.call("DELETE", "/vms/"+string(vm.ID)+"?force=true", nil).expect(t, 202)
		w.eventually("its end", func() bool { w.sweep(); return user.get(vm.ID).Status == dcm.StatusStopped })
		w.nothingLeft()
		m.challenge("").expect(t, 200)
		if a := m.challenge(one).expect(t, 409); a.problem.Code != dcm.CodeConflict {
			t.Errorf("%s", a.body)
		}
		w.nothingLeft()
	})
	t.Run("and an address whose comment somebody changed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user := w.user("acme")
		m, vm := w.running(user)
		m.challenge(one).expect(t, 200)
		for _, r := range w.State().DNSRecords {
			if r.Type != "TXT" {
				w.editRecord(r.ID, `{"comment": "mine now"}`)
			}
		}
		user.force(vm.ID)
		w.nothingLeft()
	})
	t.Run("one that is published while its VM is let go is taken back", func(t *testing.T) {
		t.Parallel()
		var m *machine
		var between func()
		r := &relay{route: route{"vms-dns-challenge", "cloudflare"}, around: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					between()
				}
				next.ServeHTTP(rw, r)
			})
		}}
		w := newWorld(t, nil, r)
		user := w.user("acme")
		m, vm := w.running(user)
		between = func() { // the challenge has read that the VM runs
			user.call("DELETE", "/vms/"+string(vm.ID)+"?force=true", nil).expect(t, 202)
			w.eventually("its end", func() bool { w.sweep(); return user.get(vm.ID).Status == dcm.StatusStopped })
		}
		m.challenge(one).expect(t, 409)
		w.nothingLeft()
	})
}

const customersDirectory = "https://acme.example/directory"

// testBinding: the key that binds accounts stays in the control plane, and binds
// a live VM's account, at the authority that it is for.
func testBinding(t *testing.T) {
	t.Parallel()
	mac := []byte("what the authority knows us by")
	w := newWorld(t, map[string]string{"ACME_CUSTOMERS": `{"` + customersDirectory + `": {"keyId": "kid-7", "hmacKey": "` +
		base64.URLEncoding.EncodeToString(mac) + `"}}`})
	user := w.user("acme")
	m, vm := w.running(user)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	account := dcm.ACMEAccount{
		Directory: customersDirectory, NewAccount: "https://acme.example/new-account", PublicKey: base64.StdEncoding.EncodeToString(der),
	}
	m.challenge(challengeValue("stays")).expect(t, 200)
	var a answer
	calls := w.callsDuring(func() {
		a = m.call("POST", m.path("/dns-challenge"), dcm.DNSChallenge{Account: &account}).expect(t, 200)
	})
	if n := total(calls["dynamodb"]) - calls["dynamodb"]["Query"]; n != 1 || total(calls["cloudflare"]) != 0 {
		t.Errorf("calls %v", calls)
	}
	w.challengesAre(m.published(challengeValue("stays")))
	said := decode[dcm.DNSChallenges](t, a)
	b := said.Binding
	if b == nil {
		t.Fatal("there is no binding")
	}
	sum := hmac.New(sha256.New, mac)
	sum.Write([]byte(b.Protected + "." + b.Payload))
	if b.Signature != base64.RawURLEncoding.EncodeToString(sum.Sum(nil)) {
		t.Error("it is not signed by the customer's key")
	}
	for part, want := range map[string]string{
		b.Protected: `{"alg":"HS256","kid":"kid-7","url":"https://acme.example/new-account"}`,
		b.Payload:   jwk(t, &key.PublicKey),
	} {
		if got, err := base64.RawURLEncoding.DecodeString(part); err != nil || string(got) != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for name, change := range map[string]func(*dcm.DNSChallenge){
		"another authority":     func(c *dcm.DNSChallenge) { c.Account.Directory = "https://acme.example/other" },
		"another host":          func(c *dcm.DNSChallenge) { c.Account.NewAccount = "https://evil.example/new-account" },
		"not over TLS":          func(c *dcm.DNSChallenge) { c.Account.NewAccount = "http://acme.example/new-account" },
		"no directory":          func(c *dcm.DNSChallenge) { c.Account.Directory = "" },
		"no address":            func(c *dcm.DNSChallenge) { c.Account.Directory, c.Account.NewAccount = ":", ":" },
		"no key":                func(c *dcm.DNSChallenge) { c.Account.PublicKey = "" },
		"a key of another kind": func(c *dcm.DNSChallenge) { c.Account.PublicKey = m.publicKey },
		"a value, too":          func(c *dcm.DNSChallenge) { c.Value = challengeValue("one") },
	} {
		other := account
		body := dcm.DNSChallenge{Account: &other}
		change(&body)
		if a := m.call("POST", m.path("/dns-challenge"), body).expect(t, 400); a.problem.Code != dcm.CodeInvalid {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	user.force(vm.ID)
	if a := m.call("POST", m.path("/dns-challenge"), dcm.DNSChallenge{Account: &account}).expect(t, 409); a.problem.Code != dcm.CodeConflict {
		t.Errorf("%s", a.body)
	}
	w.nothingLeft()
}

func jwk(t *testing.T, key *ecdsa.PublicKey) string {
	t.Helper()
	point, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return `{"crv":"P-256","kty":"EC","x":"` + encode(point[1:33]) + `","y":"` + encode(point[33:]) + `"}`
}
