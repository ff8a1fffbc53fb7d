package api_test

import (
	"crypto/sha256"
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
