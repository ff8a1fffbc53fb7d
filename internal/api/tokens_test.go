package api_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/golang-jwt/jwt/v5"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func TestBootstrapTokenWorksForOneKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	created := user.launch()
	m := w.machine(created.ID)
	first := m.bootstrap()
	if first.TerminalPassword != created.TerminalPassword || first.Restore != nil || first.Hostname != created.Hostname {
		t.Errorf("answer %+v", first)
	}
	again := m.bootstrap()
	again.VMToken = first.VMToken
	if !reflect.DeepEqual(again, first) {
		t.Errorf("the same key is answered differently:\n%+v\n%+v", first, again)
	}
	thief := *m
	thief.publicKey = newPublicKey(t)
	a := caller{w, m.bootToken}.call("POST", m.path("/bootstrap"), dcm.BootstrapRequest{PublicKey: thief.publicKey, AgentVersion: "x"})
	if a.expect(t, 403); a.problem.Code != dcm.CodeForbidden {
		t.Errorf("problem %+v", a.problem)
	}
	for _, key := range []string{"", "AAAA", "not base64"} {
		a := caller{w, m.bootToken}.call("POST", m.path("/bootstrap"), dcm.BootstrapRequest{PublicKey: key})
		if a.expect(t, 400); a.problem.Errors[0].Field != "publicKey" {
			t.Errorf("%q: %+v", key, a.problem)
		}
	}
}

// TestForgedTokens tries every kind of token that is not the VM's own.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	m, vm := w.running(user)
	other, _ := w.running(w.user("evil"))
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(m.token, claims); err != nil {
		t.Fatal(err)
	}
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	der := w.tokenPublicKey()
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	hmacPEM, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(public)
	hmacDER, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(der)
	for name, token := range map[string]string{
		"none":                      "",
		"alg none":                  none,
		"HS256 with the public key": hmacPEM,
		"HS256 with the DER":        hmacDER,
		"another VM's":              other.token,
		"a bootstrap token":         m.bootToken,
		"a user's":                  user.token,
		"cut short":                 m.token[:len(m.token)-2],
		"signature of another":      m.token[:len(m.token)-86] + other.token[len(other.token)-86:],
		"nonsense":                  "a.b.c",
	} {
		for _, suffix := range []string{"/heartbeat", "/backups", "/backups/bk-abcdefghjk/parts", "/backups/bk-abcdefghjk/complete", "/cleanup"} {
			a := caller{w, token}.call("POST", m.path(suffix), dcm.Heartbeat{State: dcm.AgentRunning, Phase: dcm.PhaseReady})
			if a.status != 401 || a.problem.Code != dcm.CodeUnauthenticated {
				t.Errorf("%s on %s: %d %s", name, suffix, a.status, a.body)
			}
		}
	}
	if a := (caller{w, m.token}).call("POST", m.path("/bootstrap"), dcm.BootstrapRequest{PublicKey: m.publicKey}); a.status != 401 {
		t.Errorf("a VM token on bootstrap: %d", a.status)
	}
	if a := user.get(vm.ID); a.Status != dcm.StatusRunning {
		t.Errorf("status %s", a.Status)
	}
	w.advance(dcm.VMTokenLife + time.Minute)
	if a := m.call("POST", m.path("/heartbeat"), dcm.Heartbeat{State: dcm.AgentRunning, Phase: dcm.PhaseReady}); a.status != 401 {
		t.Errorf("an expired token: %d", a.status)
	}
}

func TestHeartbeatRenewsTheToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	created := decodeVM(t, w.user("acme"), w.launchWith("maxLifetimeMinutes", 10080))
	m := w.machine(created)
	m.bootstrap()
	m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
	old := m.token
	if m.beat(dcm.Heartbeat{State: dcm.AgentRunning}); m.token != old {
		t.Error("renewed too early")
	}
	w.advance(dcm.VMTokenLife / 2)
	m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
	if m.token == old {
		t.Error("not renewed after half its life")
	}
	if a := m.beat(dcm.Heartbeat{State: dcm.AgentRunning}); a.Command != dcm.CommandNone {
		t.Errorf("command %s", a.Command)
	}
}

// TestOldTokensAreRenewedNowAndThen: whoever calls with an old token, however
// often and whatever he says, costs one signature in an interval; who was cut off
// gets his at once.
func TestOldTokensAreRenewedNowAndThen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	m := w.machine(decodeVM(t, w.user("acme"), w.launchWith("maxLifetimeMinutes", 10080)))
	w.hardware.keepOn()
	m.bootstrap()
	m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
	old := caller{w, m.token}
	storm := func(beat func(int) dcm.Heartbeat) (signatures int) {
		t.Helper()
		calls := w.callsDuring(func() {
			var all sync.WaitGroup
			for i := range 12 {
				all.Go(func() { old.call("POST", m.path("/heartbeat"), beat(i)) })
			}
			all.Wait()
			for i := range 6 {
				old.call("POST", m.path("/heartbeat"), beat(i)).expect(t, 200)
			}
		})
		return calls["kms"]["Sign"]
	}
	same := func(int) dcm.Heartbeat { return dcm.Heartbeat{State: dcm.AgentRunning, Phase: dcm.PhaseReady} }
	news := func(i int) dcm.Heartbeat {
		return dcm.Heartbeat{State: dcm.AgentRunning, Phase: []dcm.Phase{dcm.PhaseBuilding, dcm.PhaseReady}[i%2]}
	}
	w.advance(dcm.VMTokenLife/2 + time.Minute)
	for name, beat := range map[string]func(int) dcm.Heartbeat{"with nothing new": same, "with news each time": news} {
		w.advance(dcm.TokenRenewalInterval)
		if n := storm(beat); n != 1 {
			t.Errorf("heartbeats %s cost %d signatures, want one", name, n)
		}
	}
	w.advance(dcm.TokenRenewalInterval)
	if m.beat(dcm.Heartbeat{State: dcm.AgentRunning}); m.token == old.token {
		t.Error("the agent got no fresh token in its turn")
	}
}

// TestAVMThatWasCutOff: with the oldest token that a VM can hold, it is let in
// again for as long as its record waits for it, and what it has is saved.
func TestAVMThatWasCutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	m := w.machine(decodeVM(t, user, w.launchWith("maxLifetimeMinutes", 10080)))
	w.hardware.keepOn()
	m.bootstrap()
	m.beat(dcm.Heartbeat{State: dcm.AgentRunning})
	held := m.token
	w.advance(dcm.VMTokenLife/2 - time.Minute) // the clock runs on while this does
	if m.beat(dcm.Heartbeat{State: dcm.AgentRunning}); m.token != held {
		t.Fatal("it has a fresh token")
	}
	w.advance(dcm.HeartbeatLostAfter + time.Second)
	w.sweep()
	since := user.get(m.id).StoppingAt
	if since == nil {
		t.Fatal("it was not missed")
	}
	for w.Now().Before(since.Add(dcm.StopGrace - time.Hour)) {
		w.advance(time.Hour)
		w.sweep()
	}
	if a := m.beat(dcm.Heartbeat{State: dcm.AgentRunning}); a.Command != dcm.CommandStop || a.Discard {
		t.Fatalf("it is told %+v", a)
	}
	m.backup(0, []byte("all of it"))
	m.cleanup(1).expect(t, 202)
	if got := string(w.read("acme", m.boot.WorkspaceID)); got != "all of it" {
		t.Errorf("the workspace holds %q", got)
	}
	w.nothingLeft()
}

// TestASwitchedOffServerSavesItsWork: what is on a server that somebody switched
// off is worth a boot.
func TestASwitchedOffServerSavesItsWork(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]time.Duration{
		"at once": dcm.HeartbeatLostAfter + time.Second, "late": 3 * time.Hour, "after an outage of ours": 3 * dcm.StopGrace,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			savesWhatWasOff(t, away)
		})
	}
}

// savesWhatWasOff has the sweeps look for it for the first time after a while.
func savesWhatWasOff(t *testing.T, away time.Duration) {
	w := newWorld(t, nil)
	user := w.user("acme")
	m, vm := w.running(user)
	w.hardware.keepOn()
	w.hetznerDo(http.MethodPost, "/servers/"+*user.get(vm.ID).ProviderID+"/actions/poweroff")
	off := func() bool { return w.State().Servers[0].Status == "off" }
	w.eventually("the server is off", off)
	w.advance(dcm.HeartbeatLostAfter + time.Second)
	w.sweep() // it is missed
	w.advance(away)
	w.sweep() // and looked for
	w.eventually("the server is on", func() bool { return !off() })
	if a := m.beat(dcm.Heartbeat{State: dcm.AgentRunning}); a.Command != dcm.CommandStop || a.Discard {
		t.Fatalf("it is told %+v", a)
	}
	m.backup(0, []byte("all of it"))
	m.cleanup(1).expect(t, 202)
	if got := string(w.read("acme", vm.WorkspaceID)); got != "all of it" {
		t.Errorf("the workspace holds %q", got)
	}
	w.nothingLeft()
}

func decodeVM(t *testing.T, user caller, body any) dcm.VMID {
	t.Helper()
	return decode[struct {
		ID dcm.VMID `json:"id"`
	}](t, user.call("POST", "/vms", body).expect(t, 201)).ID
}

// tokenPublicKey fetches the tokens' public key, as anybody may know it.
func (w *world) tokenPublicKey() []byte {
	w.t.Helper()
	client := kms.New(kms.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(w.Endpoint("kms")),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "x", SecretAccessKey: "x"}, nil
		}),
	})
	out, err := client.GetPublicKey(w.t.Context(), &kms.GetPublicKeyInput{KeyId: aws.String(w.TokenKeyID())})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := x509.ParsePKIXPublicKey(out.PublicKey); err != nil {
		w.t.Fatal(err)
	}
	return out.PublicKey
}
