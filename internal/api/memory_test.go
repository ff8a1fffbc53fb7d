package api_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"runtime"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// bigBackup is far more than a function's memory is allowed to grow by.
const bigBackup = 200 << 20

// TestMemoryDoesNotDependOnTheSize re-encrypts a large backup while it watches
// the heap, which also holds all that the stand-ins need. It runs alone.
func TestMemoryDoesNotDependOnTheSize(t *testing.T) {
	w := newWorld(t, nil)
	user := w.user("acme")
	m, vm := w.running(user)
	m.uploadBig(bigBackup)
	m.cleanup(1).expect(t, 202)
	before := user.rotate(vm.WorkspaceID)
	grown := heapDuring(w.sweepKeys)
	t.Logf("the heap grew by up to %d MiB", grown>>20)
	if grown > 80<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	ws := user.workspace(vm.WorkspaceID)
	if ws.Task != nil || ws.Backup.KeyVersion != 2 || ws.Backup.Size != before.Backup.Size || ws.Backup.SHA256 == before.Backup.SHA256 {
		t.Errorf("%+v", ws)
	}
}

// heapDuring is by how much the heap grew at most while f ran.
func heapDuring(f func()) uint64 {
	heap := func() uint64 {
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	runtime.GC()
	least := heap()
	done, peak := make(chan struct{}), make(chan uint64)
	go func() {
		most := uint64(0)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				most = max(most, heap())
			case <-done:
				peak <- max(most, heap())
				return
			}
		}
	}()
	f()
	close(done)
	return max(<-peak, least) - least
}

// uploadBig plays a backup of this much noise, a part at a time.
func (m *machine) uploadBig(size int64) {
	t := m.w.t
	t.Helper()
	started := decode[dcm.BackupStarted](t, m.call("POST", m.path("/backups"), dcm.BackupStart{}).expect(t, 201))
	recipient, err := age.ParseX25519Recipient(started.Recipient)
	if err != nil {
		t.Fatal(err)
	}
	parts := &partPlayer{m: m, id: started.BackupID, buffer: make([]byte, 0, started.PartBytes)}
	sum := sha256.New()
	sealed, err := age.Encrypt(io.MultiWriter(parts, sum), recipient)
	if err != nil {
		t.Fatal(err)
	}
	noise := mathrand.NewChaCha8([32]byte{1})
	if _, err := io.CopyN(sealed, noise, size); err != nil {
		t.Fatal(err)
	}
	if err := sealed.Close(); err != nil {
		t.Fatal(err)
	}
	parts.flush()
	m.call(http.MethodPost, m.path("/backups/"+string(started.BackupID)+"/complete"), dcm.BackupComplete{
		Parts: parts.count, Size: parts.size, SHA256: hex.EncodeToString(sum.Sum(nil)), PartsSHA256: digest(parts.sums),
	}).expect(t, 200)
}

// partPlayer uploads what is written to it.
type partPlayer struct {
	m      *machine
	id     dcm.BackupID
	buffer []byte
	count  int
	size   int64
	sums   []byte
}

func (p *partPlayer) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := min(len(rest), cap(p.buffer)-len(p.buffer))
		p.buffer, rest = append(p.buffer, rest[:n]...), rest[n:]
		if len(p.buffer) == cap(p.buffer) {
			p.flush()
		}
	}
	return len(b), nil
}

func (p *partPlayer) flush() {
	if len(p.buffer) == 0 {
		return
	}
	p.count++
	p.size += int64(len(p.buffer))
	sum := sha256.Sum256(p.buffer)
	p.sums = append(p.sums, sum[:]...)
	p.m.put(p.id, p.count, p.buffer)
	p.buffer = p.buffer[:0]
}
