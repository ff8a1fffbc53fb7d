package api_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/cloudflare"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// scene is one tenant's part in a case: its user, and the agents on its
// servers, which act as the real ones do.
type scene struct {
	*theatre
	tenant dcm.TenantID
	user   caller
	agents map[dcm.VMID]*agent
	// saved is what was handed over of each workspace, oldest first; acked is
	// how much of it was acknowledged. What is stored may be newer, never older.
	saved map[dcm.WorkspaceID][]string
	acked map[dcm.WorkspaceID]int
	// forced are the VMs whose work may go, by their user's word.
	forced map[dcm.VMID]bool
	// dropped are the workspaces that their user had deleted.
	dropped map[dcm.WorkspaceID]bool
	// told is the VM that the user was told of.
	told dcm.VMID
	// What the flow's steps tell each other.
	agent     *agent
	vm        dcm.VMID
	workspace dcm.WorkspaceID
	started   dcm.BackupStarted
	complete  dcm.BackupComplete
	sealed    []byte
	body      map[string]any
	// lifetimeMinutes is what is asked for; 0 for nothing.
	lifetimeMinutes int
}

func (s *theatre) scene() *scene {
	s.cases++
	tenant := dcm.TenantID(fmt.Sprintf("t%d", s.cases))
	return &scene{
		theatre: s, tenant: tenant, user: s.user(tenant), agents: map[dcm.VMID]*agent{},
		saved: map[dcm.WorkspaceID][]string{}, acked: map[dcm.WorkspaceID]int{}, forced: map[dcm.VMID]bool{},
		dropped: map[dcm.WorkspaceID]bool{},
	}
}

// agent is the program on one server.
type agent struct {
	*machine
	scene *scene
	// booted: it has what bootstrap answers; ran: the record says "running".
	booted, ran bool
	workspace   dcm.WorkspaceID
	generation  int64
	// disk is the workspace, stored says that all of it is in a backup.
	disk   string
	stored bool
	gone   bool
	// dead: it does nothing at all.
	dead bool
}

// act lets every agent of the tenant do what is next, once.
func (s *scene) act() {
	s.t.Helper()
	alive := map[dcm.VMID]bool{}
	for _, server := range s.State().Servers {
		if server.Labels[dcm.LabelTenant] == string(s.tenant) {
			alive[dcm.VMID(server.Labels[dcm.LabelVM])] = true
		}
	}
	for _, id := range slices.Sorted(keysOfMap(alive)) {
		s.on(id).act()
	}
	for id, a := range s.agents {
		if !alive[id] && !a.gone {
			a.gone = true
			if a.ran && !a.stored && !s.forced[id] {
				s.t.Errorf("the server of %s is gone, with work on it that is in no backup", id)
			}
		}
	}
}

func keysOfMap[K cmp.Ordered, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// on is the agent on a VM's server.
func (s *scene) on(id dcm.VMID) *agent {
	s.t.Helper()
	a := s.agents[id]
	if a == nil {
		a = &agent{machine: s.machine(id), scene: s}
		s.agents[id] = a
	}
	return a
}

// act does what is next: bootstrap, restore, run, or stop.
func (a *agent) act() {
	t := a.scene.t
	t.Helper()
	if a.dead || !a.booted && !a.hearsBoot(a.callBootstrap()) {
		return
	}
	said := a.callBeat()
	if said.status != 200 {
		return
	}
	beat := decode[dcm.HeartbeatAnswer](t, said)
	if beat.Token != "" {
		a.token = beat.Token
	}
	if beat.Command != dcm.CommandStop {
		if !a.ran && a.scene.user.get(a.id).Status == dcm.StatusRunning {
			a.ran = true
		}
		return
	}
	if !beat.Discard && !a.stored && !a.saves() {
		return
	}
	a.callCleanup(beat.Discard)
}

func (a *agent) callBootstrap() answer {
	c := caller{a.w, a.bootToken}
	return c.call("POST", a.path("/bootstrap"), dcm.BootstrapRequest{PublicKey: a.publicKey, AgentVersion: "test"})
}

// hearsBoot takes the answer to bootstrap, and restores.
func (a *agent) hearsBoot(said answer) bool {
	t := a.scene.t
	t.Helper()
	if said.status != 200 {
		return false
	}
	a.boot = decode[dcm.BootstrapAnswer](t, said)
	a.token, a.generation, a.workspace = a.boot.VMToken, a.boot.Generation, a.boot.WorkspaceID
	a.disk = "cloned by " + string(a.id)
	if a.boot.Restore != nil {
		a.disk = string(a.scene.restore(a.boot.Restore))
		a.scene.newEnough(a.workspace, a.disk)
	}
	a.booted = true
	return true
}

func (a *agent) callBeat() answer {
	return a.call("POST", a.path("/heartbeat"), dcm.Heartbeat{State: dcm.AgentRunning, Phase: dcm.PhaseReady, Runtime: "host"})
}

func (a *agent) callCleanup(discard bool) answer {
	return a.call("POST", a.path("/cleanup"), dcm.Cleanup{Reason: dcm.StopUser, Generation: a.generation, Discard: discard})
}

// saves makes a backup as the agent does: what fails is tried once more, and
// begun anew with the next heartbeat.
func (a *agent) saves() bool {
	a.scene.t.Helper()
	a.works()
	started, ok := a.begins()
	if !ok {
		return false
	}
	complete, ok := a.uploads(started)
	if !ok {
		return false
	}
	path := a.path("/backups/" + string(started.BackupID) + "/complete")
	for range 2 { // an answer may be lost once
		if a.hearsComplete(a.call("POST", path, complete)) {
			return true
		}
	}
	return false
}

// works changes the workspace.
func (a *agent) works() {
	a.disk += fmt.Sprintf(", change %d", len(a.scene.saved[a.workspace])+1)
	a.stored = false
}

// begins starts an upload of what is on the disk.
func (a *agent) begins() (dcm.BackupStarted, bool) {
	said := a.call("POST", a.path("/backups"), dcm.BackupStart{Generation: a.generation})
	if said.status != 201 {
		return dcm.BackupStarted{}, false
	}
	return decode[dcm.BackupStarted](a.scene.t, said), true
}

func (a *agent) part(sealed []byte) dcm.BackupParts {
	return dcm.BackupParts{Parts: []dcm.PartSpec{{Number: 1, SizeBytes: int64(len(sealed)), SHA256: digest(sealed)}}}
}

func (a *agent) uploads(started dcm.BackupStarted) (dcm.BackupComplete, bool) {
	t := a.scene.t
	t.Helper()
	sealed := encrypt(t, started.Recipient, []byte(a.disk))
	said := a.call("POST", a.path("/backups/"+string(started.BackupID)+"/parts"), a.part(sealed))
	if said.status != 200 || !a.sends(decode[dcm.BackupPartURLs](t, said), sealed) {
		return dcm.BackupComplete{}, false
	}
	a.scene.saved[a.workspace] = append(a.scene.saved[a.workspace], a.disk)
	sum := sha256.Sum256(sealed)
	return dcm.BackupComplete{Parts: 1, Size: int64(len(sealed)), SHA256: digest(sealed), PartsSHA256: digest(sum[:])}, true
}

// sends uploads the only part.
func (a *agent) sends(urls dcm.BackupPartURLs, sealed []byte) bool {
	t := a.scene.t
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, urls.Parts[0].URL, bytes.NewReader(sealed))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range urls.Parts[0].Headers {
		r.Header.Set(name, value)
	}
	said, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return said.Body.Close() == nil && said.StatusCode == 200
}

func (a *agent) hearsComplete(said answer) bool {
	if said.status != 200 {
		return false
	}
	a.generation = decode[dcm.BackupCompleted](a.scene.t, said).Generation
	a.stored = true
	a.scene.acked[a.workspace] = len(a.scene.saved[a.workspace])
	return true
}

// newEnough checks that what is stored of a workspace is no older than what
// was acknowledged.
func (s *scene) newEnough(id dcm.WorkspaceID, stored string) {
	s.t.Helper()
	at := len(s.saved[id])
	for at > 0 && s.saved[id][at-1] != stored {
		at--
	}
	if at < max(1, s.acked[id]) {
		s.t.Errorf("workspace %s holds %q, and %d of %q were acknowledged", id, stored, s.acked[id], s.saved[id])
	}
}

// launches makes a VM; boots plays its boot; runs has it run.
func (s *scene) launches(workspace dcm.WorkspaceID) {
	s.t.Helper()
	s.vm = decodeVM(s.t, s.user, s.orderBody(workspace))
	s.agent = s.on(s.vm)
}

func (s *scene) orderBody(workspace dcm.WorkspaceID) map[string]any {
	body := s.launchBody()
	if workspace != "" {
		body = s.resumeBody(workspace)
	}
	if s.lifetimeMinutes != 0 {
		body["maxLifetimeMinutes"] = s.lifetimeMinutes
	}
	return body
}

func (s *scene) boots() {
	s.t.Helper()
	if !s.agent.hearsBoot(s.agent.callBootstrap()) {
		s.t.Fatal("bootstrap failed")
	}
	s.workspace = s.agent.workspace
}

func (s *scene) runs(workspace dcm.WorkspaceID) {
	s.t.Helper()
	s.launches(workspace)
	s.boots()
	s.agent.act()
	if !s.agent.ran {
		s.t.Fatal("it does not run")
	}
}

// stores makes a backup that is acknowledged.
func (s *scene) stores() {
	s.t.Helper()
	if !s.agent.saves() {
		s.t.Fatal("the backup failed")
	}
}

// leaves makes a workspace with a backup and no VM.
func (s *scene) leaves() {
	s.t.Helper()
	s.runs("")
	s.stores()
	s.user.call("DELETE", "/vms/"+string(s.vm), nil).expect(s.t, 202)
	s.agent.act()
	s.act()
	if !s.agent.gone {
		s.t.Fatal("the VM did not end")
	}
}

// What each tenant may bring along.

func (s *scene) ownToken() string { return string(s.tenant) + "-hetzner-token-0123456789" }

func (s *scene) bringsProvider() map[string]any {
	s.AddHetznerToken(s.ownToken(), hetzner.Token{Project: string(s.tenant)})
	return map[string]any{"type": "hetzner", "apiToken": s.ownToken()}
}

func (s *scene) bringsZone() map[string]any {
	name, token := string(s.tenant)+".test", string(s.tenant)+"-dns-token-0123456789"
	zone := fmt.Sprintf("%032x", 0xabc000+s.cases)
	s.AddZone(zone, name)
	s.AddCloudflareToken(token, cloudflare.Token{Zones: []string{zone}})
	return map[string]any{"type": "custom", "zoneId": zone, "apiToken": token, "baseDomain": "dev." + name}
}

func (s *scene) bringsBucket() map[string]any {
	bucket, key := string(s.tenant)+"-bucket", "AKIA"+strings.ToUpper(string(s.tenant))+"STORAGE"
	s.AddBucket(bucket, true, key, dcm.NewSecret("own-secret-0123456789"))
	return map[string]any{
		"type": "custom", "endpoint": s.Endpoint("s3"), "bucket": bucket, "region": "eu-central-1",
		"accessKeyId": key, "secretAccessKey": "own-secret-0123456789",
	}
}

// brings has the tenant use accounts of its own for everything.
func (s *scene) brings() {
	s.t.Helper()
	s.user.call("POST", "/tenant/providers", s.bringsProvider()).expect(s.t, 201)
	s.user.call("POST", "/tenant/dns", s.bringsZone()).expect(s.t, 201)
	s.user.call("POST", "/tenant/storage", s.bringsBucket()).expect(s.t, 201)
}

// passes lets time pass as it does when nobody does anything special: agents
// act, and schedules come round.
func (s *scene) passes(by time.Duration) {
	s.t.Helper()
	s.advance(by)
	s.act()
	s.sweeps(by >= dcm.OrphanGrace)
}
