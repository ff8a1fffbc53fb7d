package dcm_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func TestMoves(t *testing.T) {
	t.Parallel()
	legal := map[string]bool{
		"creating>running": true, "creating>stopping": true, "running>stopping": true, "stopping>stopped": true,
	}
	for _, from := range dcm.Statuses {
		for _, to := range dcm.Statuses {
			move := string(from) + ">" + string(to)
			if dcm.CanMove(from, to) != legal[move] {
				t.Errorf("%s: legal is %v", move, !legal[move])
			}
		}
	}
}

func TestSecretNeverShows(t *testing.T) {
	t.Parallel()
	const text = "hunter2"
	s := dcm.NewSecret(text)
	holder := struct {
		S dcm.Secret
		P *dcm.Secret
	}{s, &s}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "holder", holder)
	marshalled, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{log.String(), string(marshalled), s.String(), fmt.Sprint(holder), fmt.Errorf("x: %v", s).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown = append(shown, fmt.Sprintf(verb, s), fmt.Sprintf(verb, holder))
	}
	for _, text := range shown {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74657232") {
			t.Errorf("shown: %s", text)
		}
	}
	if s.Reveal() != text {
		t.Error("Reveal lost the text")
	}
}

func TestErrorCodes(t *testing.T) {
	t.Parallel()
	wrapped := fmt.Errorf("doing: %w", dcm.Errorf(dcm.CodeConflict, "no").WithCause(errors.New("cause")))
	if c := dcm.ErrorCode(wrapped); c != dcm.CodeConflict {
		t.Errorf("code %s", c)
	}
	if c := dcm.ErrorCode(errors.New("x")); c != dcm.CodeInternal {
		t.Errorf("foreign error has code %s", c)
	}
	if dcm.ErrorCode(nil) != "" || dcm.InvalidFields() != nil {
		t.Error("nothing wrong is an error")
	}
	if k := dcm.KindOf(fmt.Errorf("x: %w", &dcm.ProviderError{Kind: dcm.KindCapacity})); k != dcm.KindCapacity {
		t.Errorf("kind %s", k)
	}
	if k := dcm.KindOf(errors.New("x")); k != dcm.KindUnavailable {
		t.Errorf("foreign error has kind %s", k)
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	random := bytes.NewReader(bytes.Repeat([]byte{0, 31, 32, 255, 77, 1, 2, 3, 4, 5}, 10))
	vm, err := dcm.NewVMID(random)
	if err != nil || !vm.Valid() {
		t.Errorf("VM id %q, %v", vm, err)
	}
	if ws, err := dcm.NewWorkspaceID(random); err != nil || !ws.Valid() {
		t.Errorf("workspace id %q, %v", ws, err)
	}
	if bk, err := dcm.NewBackupID(random); err != nil || !bk.Valid() {
		t.Errorf("backup id %q, %v", bk, err)
	}
	if _, err := dcm.NewVMID(bytes.NewReader(nil)); err == nil {
		t.Error("an id without randomness")
	}
	for id, valid := range map[dcm.TenantID]bool{
		"acme": true, "a": true, "a-1": true, "": false, "-a": false, "a-": false, "A": false, "a.b": false,
		"a_b": false, "аcme": false, dcm.TenantID(strings.Repeat("a", 32)): true, dcm.TenantID(strings.Repeat("a", 33)): false,
		"a\n": false, "tenant#x": false,
	} {
		if id.Valid() != valid {
			t.Errorf("tenant id %q: valid is %v", id, !valid)
		}
	}
}

func TestAddressRecordsLeaveOutWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "0.0.0.0", "::", "x", "224.0.0.1", "2001:db8::1", "1.2.3", "1.2.3.4/32"} {
		if r := dcm.AddressRecords("vm-x.vm.example.com", address, "", "c"); len(r) != 0 {
			t.Errorf("%q was published: %v", address, r)
		}
	}
	r := dcm.AddressRecords("vm-x.vm.example.com", "203.0.113.7", "2001:db8::1", "c")
	if len(r) != 2 || r[0].Type != "A" || r[1].Type != "AAAA" || r[0].Name != "*.vm-x.vm.example.com" || r[0].TTL != 60 {
		t.Errorf("records %+v", r)
	}
	if r := dcm.AddressRecords("h", "", "::ffff:1.2.3.4", "c"); len(r) != 0 {
		t.Errorf("a mapped address was published: %v", r)
	}
}

func TestHostnames(t *testing.T) {
	t.Parallel()
	if h := dcm.Hostname("vm-a", "acme", "example.com"); h != "vm-a.acme.vm.example.com" {
		t.Error(h)
	}
	if h := dcm.Hostname("vm-a", "", "example.com"); h != "vm-a.vm.example.com" {
		t.Error(h)
	}
	comment := dcm.DNSComment(strings.Repeat("i", 20), dcm.TenantID(strings.Repeat("t", 32)), "vm-k3j9x2m4qa")
	if len(comment) > 100 {
		t.Errorf("comment has %d characters", len(comment))
	}
}

func TestOwnsServerOnlyOnAnExactMatch(t *testing.T) {
	t.Parallel()
	vm := dcm.VM{ID: "vm-a", TenantID: "acme", WorkspaceID: "ws-a", ExpiresAt: time.Unix(5, 0)}
	labels := vm.ServerLabels("prod")
	if !vm.OwnsServer("prod", labels) {
		t.Error("does not own its own server")
	}
	for label := range labels {
		if label == dcm.LabelWorkspace || label == dcm.LabelExpiresAt {
			continue
		}
		changed := vm.ServerLabels("prod")
		changed[label] += "x"
		if vm.OwnsServer("prod", changed) {
			t.Errorf("owns a server with another %s", label)
		}
	}
	if vm.OwnsServer("prod", nil) || vm.OwnsServer("production", labels) {
		t.Error("owns a stranger's server")
	}
}

func TestTokenHalfLife(t *testing.T) {
	t.Parallel()
	c := dcm.TokenClaims{IssuedAt: time.Unix(0, 0), ExpiresAt: time.Unix(100, 0)}
	if c.PastHalfLife(time.Unix(50, 0)) || !c.PastHalfLife(time.Unix(51, 0)) {
		t.Error("half of 100 s is not 50 s")
	}
}
