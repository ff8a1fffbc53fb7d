package api_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/cloudflare"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// loadSize is how much is asked of the control plane.
type loadSize struct {
	// tenants launch posts VMs all at once, and then as many as make vms.
	tenants, posts, vms int
	// rounds are the minutes that all of them heartbeat.
	rounds int
	// workers make the calls that are not all made at once.
	workers int
	// faults is the share of outside calls that fail, half of them after they
	// have had their effect.
	faults float64
}

// loadOf is what DCM_LOAD asks for: tenants, VMs at once, VMs, minutes. Without
// it there is no load: make load is a check of its own.
func loadOf(t *testing.T) loadSize {
	t.Helper()
	size, err := askedLoad()
	if err != nil {
		t.Skipf("DCM_LOAD=%q: %v; make load sets it", os.Getenv("DCM_LOAD"), err)
	}
	return size
}

func askedLoad() (loadSize, error) {
	size := loadSize{workers: 16, faults: 0.02}
	_, err := fmt.Sscanf(os.Getenv("DCM_LOAD"), "%d,%d,%d,%d", &size.tenants, &size.posts, &size.vms, &size.rounds)
	return size, err
}

// TestLoad launches VMs of many tenants at once, has them heartbeat, back up and
// end, while the services behind fail now and then. It reports how long each
// operation took; what it checks is that nothing leaked and nothing was lost.
func TestLoad(t *testing.T) {
	t.Parallel()
	size := loadOf(t)
	w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": fmt.Sprint(size.vms)})
	l := &load{world: w, size: size, times: map[string][]time.Duration{}, failed: map[string]int{}}
	l.client.Transport = &http.Transport{MaxIdleConnsPerHost: size.posts}
	l.phase("tenants", l.tenancy)
	l.disturb()
	l.phase("launch all at once", l.storm)
	l.phase("launch the others", l.fill)
	l.phase("boot", l.boot)
	l.phase("run", func() {
		for range size.rounds {
			l.minute()
		}
	})
	l.phase("check", func() { l.check("while they run") })
	l.disturb()
	l.phase("end", l.end)
	l.phase("check", func() { l.check("after they ended") })
	w.nothingLeft()
	t.Log(l.report())
}

// phase says how long a part took.
func (l *load) phase(name string, do func()) {
	began := time.Now()
	do()
	l.t.Logf("%-20s %s", name, time.Since(began).Round(time.Millisecond))
}

// load is a world under load.
type load struct {
	*world
	size   loadSize
	client http.Client
	users  []caller // of tenant-0, tenant-1…

	mu       sync.Mutex
	machines []*machine
	times    map[string][]time.Duration
	failed   map[string]int
	ended    bool
}

// tenancy brings the tenants, each with a project and a zone of its own: one
// project has no more than 3600 requests an hour, one Cloudflare user 1200 in
// five minutes.
func (l *load) tenancy() {
	for n := range l.size.tenants {
		token := fmt.Sprintf("project-of-tenant-%d", n)
		l.AddHetznerToken(token, hetzner.Token{})
		zone, domain := fmt.Sprintf("%032x", 0xcafe0000+n), fmt.Sprintf("tenant-%d.example", n)
		l.AddZone(zone, domain)
		l.AddCloudflareToken(token, cloudflare.Token{Zones: []string{zone}})
		user := l.user(dcm.TenantID(fmt.Sprintf("tenant-%d", n)))
		user.call("POST", "/tenant/providers", map[string]any{"type": "hetzner", "apiToken": token}).expect(l.t, 201)
		user.call("POST", "/tenant/dns", map[string]any{"type": "custom", "zoneId": zone, "apiToken": token, "baseDomain": domain}).expect(l.t, 201)
		l.users = append(l.users, user)
	}
}

// disturb makes calls of every service fail, without an effect or after it. Only
// the parts of a backup go through: there is nobody here to try them again.
func (l *load) disturb() {
	if l.size.faults == 0 {
		return
	}
	for _, service := range []string{"dynamodb", "kms", "ssm", "hetzner", "cloudflare"} {
		for _, mode := range []string{"error", "lost_answer"} {
			l.fault(map[string]any{"service": service, "mode": mode, "share": l.size.faults / 2})
		}
	}
	for _, operation := range []string{"CreateMultipartUpload", "CompleteMultipartUpload", "ListParts", "HeadObject", "AbortMultipartUpload"} {
		l.fault(map[string]any{"service": "s3", "operation": operation, "mode": "error", "share": l.size.faults / 2})
		l.fault(map[string]any{"service": "s3", "operation": operation, "mode": "lost_answer", "share": l.size.faults / 2})
	}
}

// send makes one call, times it, and tries it again while the failure may pass,
// as a client would.
func (l *load) send(name string, c caller, method, path string, body any, headers ...string) answer {
	raw, err := json.Marshal(body)
	if err != nil {
		l.t.Error(err)
	}
	for try := 0; ; try++ {
		began := time.Now()
		a, err := l.once(c, method, path, raw, headers)
		l.mu.Lock()
		l.times[name] = append(l.times[name], time.Since(began))
		again := err != nil || a.status >= 500 || a.status == 429
		if again {
			l.failed[name]++
		}
		l.mu.Unlock()
		if !again || try == 20 {
			return a
		}
		// A crowd that comes back at once finds the same crowd.
		_ = dcm.Sleep(l.t.Context(), time.Duration(mathrand.Int64N(int64(50*time.Millisecond)<<min(try, 6))))
	}
}

func (l *load) once(c caller, method, path string, raw []byte, headers []string) (answer, error) {
	r, err := http.NewRequestWithContext(l.t.Context(), method, l.URL+path, bytes.NewReader(raw))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := l.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	a := answer{status: response.StatusCode, header: response.Header}
	a.body, err = io.ReadAll(response.Body)
	return a, err
}

// each does something for every number below n, with so many at once.
func each(n, workers int, do func(int)) {
	var all sync.WaitGroup
	next := make(chan int)
	for range workers {
		all.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
}

// storm launches VMs all at once.
func (l *load) storm() { each(l.size.posts, l.size.posts, l.launch("POST /vms, all at once")) }

// fill launches the rest.
func (l *load) fill() {
	each(l.size.vms-l.size.posts, l.size.workers, l.launch("POST /vms"))
	if len(l.machines) < l.size.vms*9/10 {
		l.t.Fatalf("only %d of %d VMs were launched", len(l.machines), l.size.vms)
	}
}

func (l *load) launch(name string) func(int) {
	return func(n int) {
		user := l.users[n%len(l.users)]
		for range 5 {
			a := l.send(name, user, "POST", "/vms", l.launchBody(), "Idempotency-Key", rand.Text())
			if a.status != 201 {
				continue // what failed for good says so again, for the same key
			}
			var vm api.CreatedVM
			if err := json.Unmarshal(a.body, &vm); err != nil {
				l.t.Error(err)
			}
			m := &machine{caller: caller{w: l.world}, id: vm.ID, publicKey: newPublicKey(l.t)}
			l.mu.Lock()
			l.machines = append(l.machines, m)
			l.mu.Unlock()
			return
		}
	}
}

// boot has every VM bootstrap and run.
func (l *load) boot() {
	each(len(l.machines), l.size.workers, func(n int) {
		m := l.machines[n]
		l.eventually("the boot of "+string(m.id), func() bool { return l.hardware.token(m.id) != "" })
		m.token = l.hardware.token(m.id)
		a := l.send("bootstrap", m.caller, "POST", m.path("/bootstrap"), dcm.BootstrapRequest{PublicKey: m.publicKey, AgentVersion: "load"})
		if err := json.Unmarshal(a.body, &m.boot); a.status != 200 || err != nil {
			l.t.Errorf("bootstrap: %d %s", a.status, a.body)
			return
		}
		m.token = m.boot.VMToken
		l.beat(m)
	})
}

func (l *load) beat(m *machine) {
	a := l.send("heartbeat", m.caller, "POST", m.path("/heartbeat"), dcm.Heartbeat{State: dcm.AgentRunning, Phase: dcm.PhaseReady, Runtime: "host"})
	if a.status != 200 {
		l.t.Errorf("heartbeat: %d %s", a.status, a.body)
	}
}

// minute is one minute of all VMs: heartbeats, some backups, the sweeps.
func (l *load) minute() {
	l.advance(time.Minute)
	each(len(l.machines), l.size.workers, func(n int) { l.beat(l.machines[n]) })
	l.patience = 20
	each(max(1, len(l.machines)/50), l.size.workers, func(n int) {
		m := l.machines[n*50%len(l.machines)]
		began := time.Now()
		generation := l.backup(m)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.times["backup, whole"] = append(l.times["backup, whole"], time.Since(began))
		m.boot.Generation = generation
	})
	l.sweeps()
}

// backup saves what names the VM and its generation.
func (l *load) backup(m *machine) int64 {
	from := m.boot.Generation
	return m.backup(from, fmt.Appendf(nil, "%s %d", m.id, from+1)).Generation
}

func (l *load) sweeps() {
	for _, name := range []string{"sweep-vms", "sweep-orphans", "sweep-keys"} {
		l.send(name, caller{w: l.world}, "POST", "/_local/schedules/"+name, nil)
	}
}

// check lets the sweeps come round without faults, until what a lost answer has
// left is old enough to be judged, and asks for the invariants of every tenant.
func (l *load) check(when string) {
	l.clearFaults()
	for range 5 {
		l.advance(4 * time.Minute)
		if !l.ended {
			each(len(l.machines), l.size.workers, func(n int) { l.beat(l.machines[n]) })
		}
		l.sweeps()
	}
	for n := range l.users {
		books := l.books(dcm.TenantID(fmt.Sprintf("tenant-%d", n)))
		for _, breach := range l.breaches(books) {
			l.t.Errorf("%s, tenant-%d: %s", when, n, breach)
		}
	}
	for _, m := range l.machines {
		if m.boot.Generation == 0 {
			continue
		}
		ws, want := m.boot.WorkspaceID, fmt.Sprintf("%s %d", m.id, m.boot.Generation)
		if got := string(l.read(m.boot.TenantID, ws)); got != want {
			l.t.Errorf("%s: workspace %s holds %q, acknowledged was %q", when, ws, got, want)
		}
	}
}

// end has every VM's user let it go.
func (l *load) end() {
	each(len(l.machines), l.size.workers, func(n int) {
		m := l.machines[n]
		a := l.send("DELETE /vms/{id}?force", l.owner(m), "DELETE", "/vms/"+string(m.id)+"?force=true", nil)
		if a.status != 202 {
			l.t.Errorf("delete: %d %s", a.status, a.body)
		}
	})
	l.ended = true
}

func (l *load) owner(m *machine) caller {
	var n int
	if _, err := fmt.Sscanf(string(m.boot.TenantID), "tenant-%d", &n); err != nil {
		l.t.Errorf("whose is %s? %v", m.id, err)
	}
	return l.users[n]
}

// report is a line for each operation.
func (l *load) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%+v\n%-24s %8s %8s %10s %10s\n", l.size, "operation", "calls", "failed", "p50", "p99")
	for _, name := range slices.Sorted(maps.Keys(l.times)) {
		times := l.times[name]
		slices.Sort(times)
		fmt.Fprintf(&b, "%-24s %8d %8d %10s %10s\n", name, len(times), l.failed[name], quantile(times, 0.5), quantile(times, 0.99))
	}
	return b.String()
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(math.Ceil(q*float64(len(sorted))))-1].Round(100 * time.Microsecond)
}
