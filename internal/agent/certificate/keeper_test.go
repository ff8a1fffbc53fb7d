package certificate_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/certificate"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
)

const hostname = "vm-aaaaaaaaaa.acme.vm.example.com"

// zone is the control plane: it holds two values at most.
type zone struct {
	mu     sync.Mutex
	texts  []string
	most   int
	down   error
	clears int
	// calls are how many came, of which limit are answered, unless it is 0.
	calls, limit, refused int
	// customers holds the keys that bind accounts, by directory.
	customers map[string][]byte
}

// tooOften is the control plane's answer to a VM that calls too often.
type tooOften struct{}

func (tooOften) Error() string             { return "rate_limited" }
func (tooOften) RetryAfter() time.Duration { return time.Hour }

func (z *zone) DNSChallenge(_ context.Context, r dcm.DNSChallenge) (dcm.DNSChallenges, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.calls++; z.limit != 0 && z.calls > z.limit {
		z.refused++
		return dcm.DNSChallenges{}, tooOften{}
	}
	switch {
	case z.down != nil:
		return dcm.DNSChallenges{}, z.down
	case r.Account != nil:
		return z.bind(*r.Account)
	case r.Value == "":
		z.texts, z.clears = nil, z.clears+1
	case len(z.texts) == 2:
		return dcm.DNSChallenges{}, errors.New("conflict")
	default:
		z.texts = append(z.texts, r.Value)
		z.most = max(z.most, len(z.texts))
	}
	return dcm.DNSChallenges{Values: z.texts}, nil
}

func (z *zone) bind(a dcm.ACMEAccount) (dcm.DNSChallenges, error) {
	mac := z.customers[a.Directory]
	if mac == nil {
		return dcm.DNSChallenges{}, errors.New("invalid")
	}
	der, err := base64.StdEncoding.DecodeString(a.PublicKey)
	if err != nil {
		return dcm.DNSChallenges{}, err
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return dcm.DNSChallenges{}, err
	}
	point, err := key.(*ecdsa.PublicKey).Bytes()
	if err != nil {
		return dcm.DNSChallenges{}, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	binding := sign(mac, a.NewAccount, `{"kty":"EC","crv":"P-256","x":"`+encode(point[1:33])+`","y":"`+encode(point[33:])+`"}`)
	return dcm.DNSChallenges{Binding: &binding}, nil
}

func (z *zone) values() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.Clone(z.texts)
}

func newClock() *clocktest.Clock { return clocktest.New(time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)) }

// vm is a keeper and what is around it.
type vm struct {
	*testing.T
	zone   *zone
	clock  *clocktest.Clock
	dir    string
	keeper *certificate.Keeper
}

// start makes a keeper that keeps until the test, or stop, ends it.
func (v *vm) start(all ...*authority) (stop func()) {
	v.Helper()
	o := certificate.Options{
		Hostname: hostname, Dir: v.dir, Control: v.zone, Clock: v.clock, HTTP: client(all...), Patience: time.Millisecond,
		Visible: func(_ context.Context, name, value string) bool {
			return name == "_acme-challenge."+hostname && slices.Contains(v.zone.values(), value)
		},
	}
	for _, a := range all {
		o.Directories = append(o.Directories, a.directory())
	}
	v.keeper = certificate.New(o)
	ctx, cancel := context.WithCancel(v.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		v.keeper.Keep(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	v.Cleanup(stop)
	return stop
}

func newVM(t *testing.T) *vm {
	return &vm{T: t, zone: &zone{}, clock: newClock(), dir: filepath.Join(t.TempDir(), "certificate")}
}

// shown is what a browser would be shown now.
func (v *vm) shown() *tls.Certificate {
	v.Helper()
	c, err := v.keeper.Get(&tls.ClientHelloInfo{ServerName: "ui." + hostname})
	if err != nil {
		v.Fatal(err)
	}
	return c
}

func (v *vm) eventually(what string, holds func() bool) {
	v.Helper()
	ctx, cancel := context.WithTimeout(v.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			v.Fatalf("never happened: %s", what)
		}
	}
}

// certified waits for a certificate other than old, which may be nil.
func (v *vm) certified(old *tls.Certificate) *tls.Certificate {
	v.Helper()
	v.eventually("a certificate", func() bool { c := v.shown(); return c != nil && c != old })
	return v.shown()
}

const ninetyDays = 90 * 24 * time.Hour

func TestACertificateIsOrdered(t *testing.T) {
	t.Parallel()
	v := newVM(t)
	a := newAuthority(t, v.zone, v.clock, ninetyDays)
	if _, err := v.zone.DNSChallenge(t.Context(), dcm.DNSChallenge{Value: "left by an order that was cut short"}); err != nil {
		t.Fatal(err)
	}
	v.start(a)
	c := v.certified(nil)
	roots := x509.NewCertPool()
	roots.AddCert(a.root)
	for _, name := range []string{hostname, "ui." + hostname, "3000." + hostname} {
		if _, err := c.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: v.clock.Now()}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(c.Leaf.DNSNames) != 2 || v.zone.most != 2 {
		t.Errorf("names %v, at most %d values at once", c.Leaf.DNSNames, v.zone.most)
	}
	v.eventually("the challenges' end", func() bool { return len(v.zone.values()) == 0 })
	v.forNobodyElse()
}

// forNobodyElse checks that what is kept can be read by its owner alone.
func (v *vm) forNobodyElse() {
	v.Helper()
	err := filepath.WalkDir(v.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			v.Errorf("%s is %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		v.Error(err)
	}
	if files, _ := os.ReadDir(v.dir); len(files) != 2 {
		v.Errorf("files %v", files)
	}
}

func TestTheNextDirectory(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"at its limit": http.StatusTooManyRequests, "failing": http.StatusServiceUnavailable} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVM(t)
			first, second := newAuthority(t, v.zone, v.clock, ninetyDays), newAuthority(t, v.zone, v.clock, ninetyDays)
			first.set(status)
			v.start(first, second)
			c := v.certified(nil)
			if _, signed, _ := second.seen(); len(signed) != 1 || !signed[0].Equal(c.Leaf) {
				t.Error("it is not the second's")
			}
			if orders, signed, _ := first.seen(); orders == 0 || len(signed) != 0 {
				t.Errorf("the first had %d orders and signed %d", orders, len(signed))
			}
		})
	}
	t.Run("gone altogether", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		first, second := newAuthority(t, v.zone, v.clock, ninetyDays), newAuthority(t, v.zone, v.clock, ninetyDays)
		first.Close()
		v.start(first, second)
		v.certified(nil)
	})
	t.Run("none of them, for a while", func(t *testing.T) {
		t.Parallel()
		v := newVM(t)
		a := newAuthority(t, v.zone, v.clock, ninetyDays)
		a.set(http.StatusTooManyRequests)
		v.start(a)
		v.eventually("three rounds", func() bool { orders, _, _ := a.seen(); return orders >= 3 })
		if v.shown() != nil {
			t.Error("there is a certificate")
		}
		a.set(0)
		v.certified(nil)
	})
}

// TestACustomersAuthority: one that signs for known customers only wants to see
// whose account it is, and one that we are no customer of is passed over.
func TestACustomersAuthority(t *testing.T) {
	t.Parallel()
	for name, ours := range map[string]bool{"ours": true, "not ours": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVM(t)
			first, second := newAuthority(t, v.zone, v.clock, ninetyDays), newAuthority(t, v.zone, v.clock, ninetyDays)
			first.mac = []byte("a key of the platform's")
			v.zone.customers = map[string][]byte{}
			if ours {
				v.zone.customers[first.directory()] = first.mac
			}
			stop := v.start(first, second)
			c := v.certified(nil)
			stop()
			_, byFirst, _ := first.seen()
			_, bySecond, _ := second.seen()
			if (len(byFirst) == 1) != ours || (len(bySecond) == 0) != ours {
				t.Errorf("signed are %d and %d, until %s", len(byFirst), len(bySecond), c.Leaf.NotAfter)
			}
		})
	}
}

// TestFourFailingDirectories: a VM that gets its certificate from the fifth, and
// had to be bound at each, calls no more often than it may.
func TestFourFailingDirectories(t *testing.T) {
	t.Parallel()
	v := newVM(t)
	v.zone.limit, v.zone.customers = dcm.MaxChallengeCalls, map[string][]byte{}
	var all []*authority
	for i := range 5 {
		a := newAuthority(t, v.zone, v.clock, ninetyDays)
		a.mac = []byte("a key of the platform's")
		v.zone.customers[a.directory()] = a.mac
		a.unproven = i < 4
		all = append(all, a)
	}
	stop := v.start(all...)
	v.certified(nil)
	v.eventually("the challenges' end", func() bool { return len(v.zone.values()) == 0 })
	stop()
	if orders, _, _ := all[3].seen(); orders != 1 || v.zone.refused != 0 {
		t.Errorf("%d orders at the fourth, %d of %d calls refused", orders, v.zone.refused, v.zone.calls)
	}
}

// TestATooEagerVM waits as long as it is told, and asks no other directory
// meanwhile.
func TestATooEagerVM(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := &zone{limit: -1}
		k := certificate.New(certificate.Options{
			Hostname: hostname, Dir: t.TempDir(), Control: z, Clock: dcm.SystemClock{},
			Directories: []string{"https://one.example/directory", "https://two.example/directory"},
			HTTP:        &http.Client{Transport: paper{}},
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Hour)
		defer cancel()
		k.Keep(ctx)
		if z.calls < 10 || z.calls > 11 {
			t.Errorf("%d calls in ten hours, of which each was told to wait for one", z.calls)
		}
	})
}

// paper is an authority that opens accounts.
type paper struct{}

func (paper) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Replay-Nonce", rand.Text())
	w.Header().Set("Location", "https://"+r.Host+"/accounts/1")
	at := "https://" + r.URL.Host
	switch r.URL.Path {
	case "/directory":
		_ = json.NewEncoder(w).Encode(map[string]string{"newNonce": at + "/nonce", "newAccount": at + "/account", "newOrder": at + "/orders"})
	case "/account":
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]string{"status": "valid"})
	}
	return w.Result(), nil
}

func TestWithoutTheControlPlane(t *testing.T) {
	t.Parallel()
	v := newVM(t)
	a := newAuthority(t, v.zone, v.clock, ninetyDays)
	v.zone.down = errors.New("down")
	stop := v.start(a)
	v.eventually("an account", func() bool { _, _, accounts := a.seen(); return len(accounts) > 0 })
	stop()
	if orders, _, _ := a.seen(); orders != 0 || v.shown() != nil {
		t.Errorf("%d orders that could not be proven", orders)
	}
}

func TestRenewal(t *testing.T) {
	t.Parallel()
	v := newVM(t)
	a := newAuthority(t, v.zone, v.clock, ninetyDays)
	stop := v.start(a)
	first := v.certified(nil)
	v.clock.Advance(60*24*time.Hour - time.Second)
	stop()
	v.start(a)
	if orders, _, _ := a.seen(); orders != 1 || !v.shown().Leaf.Equal(first.Leaf) {
		t.Errorf("%d orders before two thirds of its life", orders)
	}
	v.clock.Advance(time.Second)
	second := v.certified(v.shown())
	if second.Leaf.Equal(first.Leaf) || second.Leaf.NotBefore.Before(first.Leaf.NotBefore.Add(60*24*time.Hour)) {
		t.Errorf("valid from %s", second.Leaf.NotBefore)
	}
	if same(first, second) {
		t.Error("the key was used again")
	}
	if _, _, accounts := a.seen(); len(accounts) != 1 {
		t.Errorf("%d accounts", len(accounts))
	}
}

func same(a, b *tls.Certificate) bool {
	return string(a.Leaf.RawSubjectPublicKeyInfo) == string(b.Leaf.RawSubjectPublicKeyInfo)
}

func TestWhatIsKept(t *testing.T) {
	t.Parallel()
	setup := func(t *testing.T) (*vm, *authority, *tls.Certificate) {
		v := newVM(t)
		a := newAuthority(t, v.zone, v.clock, ninetyDays)
		stop := v.start(a)
		c := v.certified(nil)
		stop()
		return v, a, c
	}
	t.Run("serves after a restart, and nobody is asked", func(t *testing.T) {
		t.Parallel()
		v, a, c := setup(t)
		stop := v.start(a)
		if !v.shown().Leaf.Equal(c.Leaf) {
			t.Error("another one is shown")
		}
		stop()
		if orders, _, _ := a.seen(); orders != 1 {
			t.Errorf("%d orders", orders)
		}
	})
	t.Run("is not shown when it is over", func(t *testing.T) {
		t.Parallel()
		v, a, c := setup(t)
		a.set(http.StatusTooManyRequests)
		v.start(a)
		v.clock.Advance(ninetyDays - time.Second)
		if v.shown() == nil {
			t.Error("a good certificate is not shown")
		}
		v.clock.Advance(time.Second)
		if v.shown() != nil {
			t.Error("it is shown after its end")
		}
		a.set(0)
		v.certified(c)
	})
	t.Run("is ordered anew when it is damaged, or another VM's", func(t *testing.T) {
		t.Parallel()
		v, a, c := setup(t)
		path := filepath.Join(v.dir, "certificate.pem")
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(content), "PRIVATE KEY") || !strings.Contains(string(content), "CERTIFICATE") {
			t.Error("key and chain are not in one file")
		}
		if err := os.WriteFile(path, content[:len(content)/2], 0o600); err != nil {
			t.Fatal(err)
		}
		v.start(a)
		v.certified(c)
	})
}

func TestWithoutDirectories(t *testing.T) {
	t.Parallel()
	v := newVM(t)
	v.start()
	v.keeper.Keep(t.Context()) // returns
	if v.shown() != nil || v.zone.clears != 0 {
		t.Error("somebody was asked")
	}
}

// TestTried: who waits for the first certificate is told when there is one, and
// when there will be none soon.
func TestTried(t *testing.T) {
	t.Parallel()
	tried := func(v *vm) bool {
		select {
		case <-v.keeper.Tried():
			return true
		default:
			return false
		}
	}
	v := newVM(t)
	a := newAuthority(t, v.zone, v.clock, ninetyDays)
	a.set(http.StatusServiceUnavailable)
	stop := v.start(a)
	v.eventually("a try in vain", func() bool { return tried(v) })
	if v.shown() != nil {
		t.Error("there is a certificate")
	}
	stop()
	a.set(0)
	stop = v.start(a)
	v.eventually("a certificate", func() bool { return tried(v) && v.shown() != nil })
	stop()
	if v.keeper = certificate.New(certificate.Options{Hostname: hostname, Dir: v.dir, Clock: v.clock}); !tried(v) {
		t.Error("the one that was kept does not count")
	}
}
