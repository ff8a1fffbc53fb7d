package api_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// backup plays an agent's backup of plain, whole, and returns the answer to
// its completion. Like an agent it starts again once, should the storage have
// refused what was uploaded, while something is made to fail.
func (m *machine) backup(generation int64, plain []byte) dcm.BackupCompleted {
	m.w.t.Helper()
	for again := m.w.patience > 0; ; again = false {
		started, complete := m.upload(generation, plain)
		a := m.call("POST", m.path("/backups/"+string(started.BackupID)+"/complete"), complete)
		if a.status == 409 && again {
			continue
		}
		return decode[dcm.BackupCompleted](m.w.t, a.expect(m.w.t, 200))
	}
}

// upload plays a backup up to its completion.
func (m *machine) upload(generation int64, plain []byte) (dcm.BackupStarted, dcm.BackupComplete) {
	t := m.w.t
	t.Helper()
	a := m.call("POST", m.path("/backups"), dcm.BackupStart{Generation: generation}).expect(t, 201)
	started := decode[dcm.BackupStarted](t, a)
	sealed := encrypt(t, started.Recipient, plain)
	complete := dcm.BackupComplete{Size: int64(len(sealed)), SHA256: digest(sealed)}
	var sums []byte
	for rest := sealed; len(rest) > 0; {
		part := rest[:min(int64(len(rest)), started.PartBytes)]
		rest = rest[len(part):]
		complete.Parts++
		m.put(started.BackupID, complete.Parts, part)
		sum := sha256.Sum256(part)
		sums = append(sums, sum[:]...)
	}
	complete.PartsSHA256 = digest(sums)
	return started, complete
}

func (m *machine) put(id dcm.BackupID, number int, part []byte) {
	t := m.w.t
	t.Helper()
	urls := decode[dcm.BackupPartURLs](t, m.call("POST", m.path("/backups/"+string(id)+"/parts"), dcm.BackupParts{
		Parts: []dcm.PartSpec{{Number: number, SizeBytes: int64(len(part)), SHA256: digest(part)}},
	}).expect(t, 200))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, urls.Parts[0].URL, bytes.NewReader(part))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range urls.Parts[0].Headers {
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 200 {
		body, _ := io.ReadAll(response.Body)
		t.Fatalf("part %d: %s: %s", number, response.Status, body)
	}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func encrypt(t *testing.T, recipient string, plain []byte) []byte {
	t.Helper()
	r, err := age.ParseX25519Recipient(recipient)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// restore plays an agent's restore and returns what was backed up.
func (w *world) restore(r *dcm.Restore) []byte {
	w.t.Helper()
	if r == nil {
		w.t.Fatal("there is nothing to restore")
	}
	response, err := http.Get(r.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	sealed, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 {
		w.t.Fatalf("%s, %v: %s", response.Status, err, sealed)
	}
	if int64(len(sealed)) != r.Size || digest(sealed) != r.SHA256 {
		w.t.Fatalf("restored %d bytes with digest %s, announced %d with %s", len(sealed), digest(sealed), r.Size, r.SHA256)
	}
	identity, err := age.ParseX25519Identity(r.Identities[0])
	if err != nil {
		w.t.Fatal(err)
	}
	plain, err := age.Decrypt(bytes.NewReader(sealed), identity)
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := io.ReadAll(plain)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (m *machine) cleanup(generation int64) answer {
	return m.call("POST", m.path("/cleanup"), dcm.Cleanup{Reason: dcm.StopUser, Generation: generation})
}

func (w *world) resumeBody(id dcm.WorkspaceID) map[string]any {
	return map[string]any{"name": "again", "size": "small", "workspaceId": id}
}

func TestWorkIsSavedAndCarriedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	m, vm := w.running(user)
	big := make([]byte, dcm.BackupPartBytes+12345)
	if _, err := rand.Read(big); err != nil {
		t.Fatal(err)
	}
	if got := m.backup(0, []byte("first")); got.Generation != 1 {
		t.Fatalf("generation %d", got.Generation)
	}
	if got := m.backup(1, big); got.Generation != 2 {
		t.Fatalf("generation %d", got.Generation)
	}
	ws := decode[api.Workspace](t, user.call("GET", "/workspaces/"+string(vm.WorkspaceID), nil).expect(t, 200))
	if ws.Backup == nil || ws.Generation != 2 || ws.Backup.Key != "acme/"+string(vm.WorkspaceID)+"/workspace.tar.gz.enc" || *ws.ActiveVMID != string(vm.ID) {
		t.Errorf("workspace %+v", ws)
	}
	stopping := decode[api.VM](t, user.call("DELETE", "/vms/"+string(vm.ID), nil).expect(t, 202))
	if stopping.Status != dcm.StatusStopping || *stopping.StopReason != "user" {
		t.Errorf("after DELETE: %+v", stopping)
	}
	if a := m.beat(dcm.Heartbeat{State: dcm.AgentRunning}); a.Command != dcm.CommandStop || a.Discard || a.Reason != dcm.StopUser {
		t.Errorf("command %+v", a)
	}
	if a := m.cleanup(1); a.status != 409 {
		t.Errorf("cleanup with an older generation: %d %s", a.status, a.body)
	}
	m.cleanup(2).expect(t, 202)
	if got := user.get(vm.ID); got.Status != dcm.StatusStopped || got.StoppedAt == nil {
		t.Errorf("after cleanup: %+v", got)
	}
	w.nothingLeft()

	next := decode[api.CreatedVM](t, user.call("POST", "/vms", w.resumeBody(vm.WorkspaceID)).expect(t, 201))
	if next.ID == vm.ID || next.WorkspaceID != vm.WorkspaceID || next.RepoURL != vm.RepoURL {
		t.Errorf("resumed as %+v", next)
	}
	m2 := w.machine(next.ID)
	boot := m2.bootstrap()
	if boot.Generation != 2 || !bytes.Equal(w.restore(boot.Restore), big) {
		t.Error("what was restored is not what was saved last")
	}
	if strings.Contains(string(w.dump()), boot.Restore.Identities[0]) || strings.Contains(string(w.dump()), vm.TerminalPassword) {
		t.Error("the table holds a secret in clear")
	}
}

// TestAStaleVMNeverOverwrites: what a VM may write depends on what it has.
func TestAStaleVMNeverOverwrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	user := w.user("acme")
	m, vm := w.running(user)
	m.backup(0, []byte("good"))
	m.cleanup(1).expect(t, 202)
	next := decode[api.CreatedVM](t, user.call("POST", "/vms", w.resumeBody(vm.WorkspaceID)).expect(t, 201))
	m2 := w.machine(next.ID)
	m2.bootstrap()
	t.Run("before it runs", func(t *testing.T) {
		if a := m2.call("POST", m2.path("/backups"), dcm.BackupStart{Generation: 1}); a.status != 409 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("after a failed restore", func(t *testing.T) {
		a := m2.beat(dcm.Heartbeat{State: dcm.AgentFailed, Phase: dcm.PhaseRestoring, Error: &dcm.Problem{Code: dcm.ProblemRestoreFailed, Message: "no"}})
		if a.Command != dcm.CommandStop || !a.Discard {
			t.Errorf("command %+v", a)
		}
		if a := m2.call("POST", m2.path("/backups"), dcm.BackupStart{Generation: 1}); a.status != 409 {
			t.Errorf("%d %s", a.status, a.body)
		}
		m2.call("POST", m2.path("/cleanup"), dcm.Cleanup{Reason: dcm.StopUser, Discard: true}).expect(t, 202)
		got := user.get(next.ID)
		if got.Status != dcm.StatusStopped || *got.StopReason != "create_failed" || got.Error.Code != dcm.ProblemRestoreFailed {
			t.Errorf("%+v", got)
		}
	})
	t.Run("from an older generation", func(t *testing.T) {
		third := decode[api.CreatedVM](t, user.call("POST", "/vms", w.resumeBody(vm.WorkspaceID)).expect(t, 201))
		m3 := w.machine(third.ID)
		if boot := m3.bootstrap(); string(w.restore(boot.Restore)) != "good" {
			t.Error("the good backup is gone")
		}
		m3.beat(dcm.Heartbeat{State: dcm.AgentRunning})
		if a := m3.call("POST", m3.path("/backups"), dcm.BackupStart{Generation: 0}); a.status != 409 {
			t.Errorf("%d %s", a.status, a.body)
		}
		if got := m3.backup(1, []byte("newer")); got.Generation != 2 {
			t.Errorf("generation %d", got.Generation)
		}
		if a := m3.call("POST", m3.path("/cleanup"), dcm.Cleanup{Reason: dcm.StopIdle, Discard: true}); a.status != 409 {
			t.Errorf("discarded work it had no right to: %d", a.status)
		}
	})
}

func TestABackupIsWhatWasAnnounced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	m, vm := w.running(w.user("acme"))
	for name, spoil := range map[string]func(*dcm.BackupComplete){
		"size":   func(c *dcm.BackupComplete) { c.Size++ },
		"parts":  func(c *dcm.BackupComplete) { c.Parts++ },
		"digest": func(c *dcm.BackupComplete) { c.PartsSHA256 = digest(nil) },
	} {
		started, complete := m.upload(0, []byte("work"))
		spoil(&complete)
		path := m.path("/backups/" + string(started.BackupID) + "/complete")
		if a := m.call("POST", path, complete); a.status != 409 {
			t.Errorf("another %s: %d %s", name, a.status, a.body)
		}
	}
	started, complete := m.upload(0, []byte("work"))
	path := m.path("/backups/" + string(started.BackupID) + "/complete")
	for range 3 {
		if got := decode[dcm.BackupCompleted](t, m.call("POST", path, complete).expect(t, 200)); got.Generation != 1 {
			t.Errorf("generation %d", got.Generation)
		}
	}
	if a := m.call("POST", m.path("/backups/bk-abcdefghjk/complete"), complete); a.status != 404 {
		t.Errorf("a backup that never was: %d", a.status)
	}
	if s := w.State(); len(s.Uploads) != 0 {
		t.Errorf("uploads left: %v", s.Uploads)
	}
	for _, o := range w.State().Objects {
		if strings.HasPrefix(o.Key, "acme/"+string(vm.WorkspaceID)+"/") && o.Size == 0 {
			t.Errorf("empty object %s", o.Key)
		}
	}
}

// TestAnUnheardBackupCounts: the storage completed the upload, the answer was
// lost, and the agent never came back. The work in it is the newest.
func TestAnUnheardBackupCounts(t *testing.T) {
	t.Parallel()
	for _, lost := range []string{"the storage's answer", "the record"} {
		t.Run(lost, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			user := w.user("acme")
			m, vm := w.running(user)
			m.backup(0, []byte("older"))
			started, complete := m.upload(1, []byte("newest"))
			if lost == "the record" {
				w.fault(map[string]any{"service": "dynamodb", "operation": "TransactWriteItems", "mode": "error"})
			} else {
				w.fault(map[string]any{"service": "s3", "operation": "CompleteMultipartUpload", "mode": "lost_answer"})
			}
			a := m.call("POST", m.path("/backups/"+string(started.BackupID)+"/complete"), complete)
			w.clearFaults()
			if a.status == 200 && lost == "the record" {
				t.Fatalf("acknowledged without a record: %s", a.body)
			}
			// The agent is gone; its VM is let go by force, and the next carries on.
			user.call("DELETE", "/vms/"+string(vm.ID)+"?force=true", nil).expect(t, 202)
			w.nothingLeft()
			next := decode[api.CreatedVM](t, user.call("POST", "/vms", w.resumeBody(vm.WorkspaceID)).expect(t, 201))
			boot := w.machine(next.ID).bootstrap()
			if got := string(w.restore(boot.Restore)); got != "newest" || boot.Generation != 2 {
				t.Errorf("restored %q at generation %d", got, boot.Generation)
			}
		})
	}
}
