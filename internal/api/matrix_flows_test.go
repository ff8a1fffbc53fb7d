package api_test

import (
	"maps"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// flows are what the matrix disturbs.
func flows() map[string]flow {
	all := map[string]flow{}
	for _, some := range []map[string]flow{launches(), lives(), saves(), stops(), settings(), tasks(), sweeps()} {
		maps.Copy(all, some)
	}
	return all
}

func nothing(*scene) {}

// launches make VMs.
func launches() map[string]flow {
	return map[string]flow{
		"create": {
			function: "vms-create", before: nothing, request: orders,
			heard: hearsOrder, after: (*scene).oneRuns,
		},
		"create, resuming": {
			function: "vms-create", before: (*scene).leaves, request: orders,
			heard: hearsOrder, after: (*scene).oneRuns,
		},
		"create, own accounts and a limit": {
			function: "vms-create", before: func(s *scene) { s.brings(); s.limit(s.tenant, "100") }, request: orders,
			heard: hearsOrder, after: (*scene).oneRuns,
		},
	}
}

func orders(s *scene) answer {
	return s.user.call("POST", "/vms", s.orderBody(s.workspace), "Idempotency-Key", "one")
}

// hearsOrder: whoever got no VM asks again, with the same key.
func hearsOrder(s *scene, a answer) {
	s.t.Helper()
	a = again(s, a, orders)
	if a.status != 201 {
		return
	}
	s.told = decode[api.CreatedVM](s.t, a).ID
	if same := decode[api.CreatedVM](s.t, orders(s).expect(s.t, 201)).ID; same != s.told {
		s.t.Errorf("the same key made %s and %s", s.told, same)
	}
}

// oneRuns: the VM that the user was told of runs, and there is no other.
func (s *scene) oneRuns() {
	s.t.Helper()
	for _, vm := range s.user.listed() {
		if vm.ID == s.told && vm.Status != dcm.StatusRunning {
			s.t.Errorf("the VM that was promised is %s: %+v", vm.Status, vm.Error)
		}
		if vm.ID != s.told && vm.Status != dcm.StatusStopped {
			s.t.Errorf("%s is %s, and nobody was told of it", vm.ID, vm.Status)
		}
	}
}

// lives are what a VM says while it lives.
func lives() map[string]flow {
	boot := func(s *scene) answer { return s.agent.callBootstrap() }
	hears := func(s *scene, a answer) { s.t.Helper(); s.agent.hearsBoot(a) }
	beat := func(s *scene) answer { return s.agent.callBeat() }
	promised := func(s *scene) { s.told = s.vm }
	return map[string]flow{
		"bootstrap": {
			function: "vms-bootstrap", before: func(s *scene) { s.launches(""); promised(s) },
			request: boot, heard: hears, after: (*scene).oneRuns,
		},
		"restore": {
			function: "vms-bootstrap", before: func(s *scene) { s.leaves(); s.launches(s.workspace); promised(s) },
			request: boot, heard: hears, after: (*scene).oneRuns,
		},
		"heartbeat, the first": {
			function: "vms-heartbeat", before: func(s *scene) { s.launches(""); s.boots(); promised(s) },
			request: beat, after: (*scene).oneRuns,
		},
		"heartbeat, of a VM restored": {
			function: "vms-heartbeat", before: func(s *scene) { s.leaves(); s.launches(s.workspace); s.boots(); promised(s) },
			request: beat, after: (*scene).oneRuns,
		},
		"heartbeat, four minutes later": {
			function: "vms-heartbeat", before: func(s *scene) { s.runs(""); s.advance(4 * time.Minute); promised(s) },
			request: beat, after: (*scene).oneRuns,
		},
	}
}

// saves are a backup's three requests. The workspace has one backup already.
func saves() map[string]flow {
	works := func(s *scene) { s.runs(""); s.stores(); s.agent.works() }
	begins := func(s *scene) {
		s.t.Helper()
		works(s)
		var ok bool
		if s.started, ok = s.agent.begins(); !ok {
			s.t.Fatal("no backup can be started")
		}
	}
	path := func(s *scene, suffix string) string {
		return s.agent.path("/backups/" + string(s.started.BackupID) + suffix)
	}
	complete := func(s *scene) answer { return s.agent.call("POST", path(s, "/complete"), s.complete) }
	return map[string]flow{
		"backup, the first": {
			function: "vms-backup-start", before: func(s *scene) { s.runs(""); s.agent.works() }, request: starts,
			heard: hearsStart, after: (*scene).running,
		},
		"backup, start": {
			function: "vms-backup-start", before: works, request: starts,
			heard: hearsStart, after: (*scene).running,
		},
		"backup, start beside one left behind": {
			function: "vms-backup-start", before: func(s *scene) { begins(s); s.agent.uploads(s.started) }, request: starts,
			heard: hearsStart, after: (*scene).running,
		},
		"backup, parts": {
			function: "vms-backup-parts",
			before: func(s *scene) {
				begins(s)
				s.sealed = encrypt(s.t, s.started.Recipient, []byte(s.agent.disk))
			},
			request: func(s *scene) answer { return s.agent.call("POST", path(s, "/parts"), s.agent.part(s.sealed)) },
			heard: func(s *scene, a answer) {
				if a.status == 200 && !s.agent.sends(decode[dcm.BackupPartURLs](s.t, a), s.sealed) {
					s.t.Error("the part could not be sent")
				}
				s.agent.saves()
			},
			after: (*scene).running,
		},
		"backup, complete": {
			function: "vms-backup-complete",
			before: func(s *scene) {
				begins(s)
				s.complete, _ = s.agent.uploads(s.started)
			},
			request: complete,
			heard: func(s *scene, a answer) {
				if !s.agent.hearsComplete(a) && !s.agent.hearsComplete(complete(s)) {
					s.agent.saves()
				}
			},
			after: (*scene).running,
		},
	}
}

func starts(s *scene) answer {
	return s.agent.call("POST", s.agent.path("/backups"), dcm.BackupStart{Generation: s.agent.generation})
}

// hearsStart: whoever may upload does, and anybody else begins anew.
func hearsStart(s *scene, a answer) {
	s.t.Helper()
	if a.status != 201 {
		s.agent.saves()
		return
	}
	started := decode[dcm.BackupStarted](s.t, a)
	if c, ok := s.agent.uploads(started); ok {
		s.agent.hearsComplete(s.agent.call("POST", s.agent.path("/backups/"+string(started.BackupID)+"/complete"), c))
	}
}

// running: the VM runs, and all its work is in a backup.
func (s *scene) running() {
	s.t.Helper()
	if vm := s.user.get(s.vm); vm.Status != dcm.StatusRunning {
		s.t.Errorf("%s is %s: %+v", vm.ID, vm.Status, vm.Error)
	}
	if !s.agent.stored && !s.agent.saves() {
		s.t.Error("it can't back up any more")
	}
}

// stops end VMs.
func stops() map[string]flow {
	saved := func(s *scene) {
		s.runs("")
		s.stores()
		deletes("")(s).expect(s.t, 202)
	}
	cleans := func(s *scene) answer { return s.agent.callCleanup(false) }
	return map[string]flow{
		"delete": {
			function: "vms-delete", before: func(s *scene) { s.runs(""); s.agent.works() }, request: deletes(""),
			heard: hearsDelete, after: (*scene).endsSaved,
		},
		"delete, forced": {
			function: "vms-delete", before: func(s *scene) { s.runs(""); s.stores(); s.forced[s.vm] = true }, request: deletes("?force=true"),
			heard: hearsDelete, after: (*scene).ends,
		},
		"delete, before it boots": {
			function: "vms-delete", before: func(s *scene) { s.launches("") }, request: deletes(""),
			heard: hearsDelete, after: (*scene).ends,
		},
		"delete, with a backup under way": {
			function: "vms-delete",
			before: func(s *scene) {
				s.runs("")
				s.agent.works()
				started, _ := s.agent.begins()
				s.agent.uploads(started)
				s.forced[s.vm] = true
			},
			request: deletes("?force=true"), heard: hearsDelete, after: (*scene).ends,
		},
		"stop, the command": {
			function: "vms-heartbeat", before: func(s *scene) { s.runs(""); s.agent.works(); deletes("")(s).expect(s.t, 202); s.advance(time.Minute) },
			request: func(s *scene) answer { return s.agent.callBeat() }, after: (*scene).endsSaved,
		},
		"cleanup": {function: "vms-cleanup", before: saved, request: cleans, after: (*scene).endsSaved},
		"cleanup, own accounts": {
			function: "vms-cleanup", before: func(s *scene) { s.brings(); saved(s) }, request: cleans, after: (*scene).endsSaved,
		},
	}
}

func deletes(query string) func(s *scene) answer {
	return func(s *scene) answer { return s.user.call("DELETE", "/vms/"+string(s.vm)+query, nil) }
}

// hearsDelete: whoever was not heard asks again.
func hearsDelete(s *scene, a answer) {
	s.t.Helper()
	query := ""
	if s.forced[s.vm] {
		query = "?force=true"
	}
	if a = again(s, a, deletes(query)); a.status != 202 {
		s.t.Errorf("delete: %d %s", a.status, a.body)
	}
}

// ends: the VM has ended for its user's wish.
func (s *scene) ends() { s.t.Helper(); s.endedFor(dcm.StopUser) }

func (s *scene) endedFor(reason dcm.StopReason) {
	s.t.Helper()
	vm := s.user.get(s.vm)
	if vm.Status != dcm.StatusStopped || vm.StopReason == nil || *vm.StopReason != string(reason) {
		s.t.Errorf("%s is %s, not ended for %s: %+v", vm.ID, vm.Status, reason, vm.Error)
	}
}

// endsSaved: and its work is in a backup.
func (s *scene) endsSaved() {
	s.t.Helper()
	s.ends()
	if got := string(s.read(s.tenant, s.workspace)); got != s.agent.disk {
		s.t.Errorf("the backup holds %q, the VM had %q", got, s.agent.disk)
	}
}

// settings change whose accounts serve a tenant.
func settings() map[string]flow {
	set := func(path string, body func(*scene) map[string]any) func(*scene) answer {
		return func(s *scene) answer {
			if s.body == nil {
				s.body = body(s)
			}
			return s.user.call("POST", path, s.body)
		}
	}
	reset := func(path string) func(*scene) answer {
		return func(s *scene) answer { return s.user.call("DELETE", path, nil) }
	}
	insist := func(request func(*scene) answer) func(*scene, answer) {
		return func(s *scene, a answer) {
			if a = again(s, a, request); a.status >= 300 && a.status != 404 {
				s.t.Errorf("%d %s", a.status, a.body)
			}
		}
	}
	// The twin and the first send the same body, so it is made before either.
	prepare := func(body func(*scene) map[string]any) func(*scene) {
		return func(s *scene) { s.body = body(s); s.leaves() }
	}
	owned := func(s *scene) { s.leaves(); s.brings() }
	all := map[string]flow{}
	for name, x := range map[string]struct {
		function, path string
		body           func(*scene) map[string]any
		own            bool
	}{
		"provider, added":   {"tenant-provider-add", "/tenant/providers", (*scene).bringsProvider, true},
		"provider, removed": {"tenant-provider-remove", "/tenant/providers/hetzner", nil, false},
		"DNS, set":          {"tenant-dns-set", "/tenant/dns", (*scene).bringsZone, true},
		"DNS, reset":        {"tenant-dns-reset", "/tenant/dns", nil, false},
		"storage, set":      {"tenant-storage-set", "/tenant/storage", (*scene).bringsBucket, true},
		"storage, reset":    {"tenant-storage-reset", "/tenant/storage", nil, false},
	} {
		f := flow{function: x.function, request: reset(x.path), before: owned}
		if x.own {
			f.request, f.before = set(x.path, x.body), prepare(x.body)
		}
		f.heard = insist(f.request)
		f.after = func(s *scene) { s.accountIs(x.path, x.own) }
		all[name] = f
	}
	return all
}

// accountIs checks whose account serves the tenant, and that a VM can be made
// with it, for the workspace that there is.
func (s *scene) accountIs(path string, own bool) {
	s.t.Helper()
	t := s.user.tenant()
	_, provider := t.CloudProviders["hetzner"]
	is := map[string]bool{"providers": provider, "dns": t.DNSConfig.Type == "custom", "storage": t.StorageConfig.Type == "custom"}
	what := strings.Split(path, "/")[2]
	if is[what] != own {
		s.t.Errorf("%s is the tenant's own: %t", what, is[what])
	}
	s.runs(s.workspace)
}

// tasks are orders for a workspace, and the sweep that carries them out.
func tasks() map[string]flow {
	rotate := func(s *scene) answer {
		return s.user.call("POST", "/workspaces/"+string(s.workspace)+"/rotate-key", nil)
	}
	drop := func(s *scene) answer {
		s.dropped[s.workspace] = true
		return s.user.call("DELETE", "/workspaces/"+string(s.workspace), nil)
	}
	insist := func(request func(*scene) answer) func(*scene, answer) {
		return func(s *scene, a answer) {
			if a = again(s, a, request); a.status != 202 && a.status != 404 {
				s.t.Errorf("%d %s", a.status, a.body)
			}
		}
	}
	leavesAnd := func(then func(*scene) answer) func(*scene) {
		return func(s *scene) { s.leaves(); then(s).expect(s.t, 202) }
	}
	moves := func(s *scene) { s.leaves(); s.user.call("POST", "/tenant/storage", s.bringsBucket()).expect(s.t, 201) }
	sweep := func(s *scene) answer { return s.run("sweep-keys") }
	return map[string]flow{
		"new key, ordered":        {function: "workspaces-rotate-key", before: (*scene).leaves, request: rotate, heard: insist(rotate), after: (*scene).tidied},
		"new key, swept":          {function: "sweep-keys", before: leavesAnd(rotate), request: sweep, after: (*scene).tidied},
		"storage, moved":          {function: "sweep-keys", before: moves, request: sweep, after: (*scene).tidied},
		"workspace, delete asked": {function: "workspaces-delete", before: func(s *scene) { s.leaves(); s.dropped[s.workspace] = true }, request: drop, heard: insist(drop), after: (*scene).dissolved},
		"workspace, delete swept": {function: "sweep-keys", before: leavesAnd(drop), request: sweep, after: (*scene).dissolved},
		"DNS account, forgotten": {
			function: "sweep-keys",
			before: func(s *scene) {
				s.user.call("POST", "/tenant/dns", s.bringsZone()).expect(s.t, 201)
				s.user.call("DELETE", "/tenant/dns", nil).expect(s.t, 200)
			},
			request: sweep,
			after: func(s *scene) {
				if left := s.books(s.tenant).accounts.Tenant.DNSAccounts; len(left) != 0 {
					s.t.Errorf("still known: %v", left)
				}
			},
		},
	}
}

// tidied: one backup, with one key, where it belongs, and nothing else.
func (s *scene) tidied() {
	s.t.Helper()
	b := s.books(s.tenant)
	ws := b.workspaces[s.workspace]
	if ws.Task != nil || ws.Backup == nil || ws.StorageID != b.accounts.Tenant.StorageID || ws.Backup.StorageID != ws.StorageID || ws.Backup.KeyVersion != ws.KeyVersion {
		s.t.Fatalf("%+v", ws)
	}
	if keys := s.keyVersions(); len(keys) != 1 {
		s.t.Errorf("keys %v", keys)
	}
	bucket := platformBucket
	if ws.StorageID != dcm.PlatformAccount {
		bucket = b.accounts.Tenant.StorageAccounts[ws.StorageID].Bucket
	}
	if got := s.backupsIn(bucket, s.workspace); len(got) != 1 {
		s.t.Errorf("%s holds %v", bucket, got)
	}
	if bucket != platformBucket && len(s.backupsIn(platformBucket, s.workspace)) != 0 {
		s.t.Errorf("%s holds %v", platformBucket, s.backupsIn(platformBucket, s.workspace))
	}
}

// keyVersions are those that there are of the workspace's key.
func (s *scene) keyVersions() (versions []int) {
	s.t.Helper()
	store := s.behind().Store().Tenant(s.tenant)
	for version := 1; version <= 5; version++ {
		switch _, err := store.WorkspaceKey(s.t.Context(), s.workspace, version); {
		case err == nil:
			versions = append(versions, version)
		case dcm.ErrorCode(err) != dcm.CodeNotFound:
			s.t.Fatal(err)
		}
	}
	return versions
}

// dissolved: nothing of the workspace is left.
func (s *scene) dissolved() {
	s.t.Helper()
	s.user.call("GET", "/workspaces/"+string(s.workspace), nil).expect(s.t, 404)
	if got := s.backupsIn(platformBucket, s.workspace); len(got) != 0 || len(s.keyVersions()) != 0 {
		s.t.Errorf("left: %v, keys %v", got, s.keyVersions())
	}
}

// sweeps end what was left half way.
func sweeps() map[string]flow {
	run := func(function string) func(*scene) answer { return func(s *scene) answer { return s.run(function) } }
	sweep := run("sweep-vms")
	all := map[string]flow{
		"sweep, an abandoned launch": {
			function: "sweep-vms",
			before: func(s *scene) {
				s.dies("vms-create", outsideCall{"hetzner", "CreateServer", 1}, orders)
				s.advance(dcm.LaunchDeadline)
			},
			request: sweep,
			after: func(s *scene) {
				if vms := s.user.listed(); len(vms) != 1 || vms[0].Status != dcm.StatusStopped || *vms[0].StopReason != string(dcm.StopCreateFailed) {
					s.t.Errorf("%+v", vms)
				}
			},
		},
		"sweep, a VM that never boots": {
			function: "sweep-vms", before: func(s *scene) { s.launches(""); s.agent.dead = true; s.advance(dcm.BootDeadline) },
			request: sweep, after: func(s *scene) { s.endedFor(dcm.StopBootTimeout) },
		},
		"sweep, a VM past its time": {
			function: "sweep-vms",
			before: func(s *scene) {
				s.lifetimeMinutes = 15
				s.runs("")
				s.agent.works()
				s.advance(8 * time.Minute)
				s.agent.act()
				s.advance(8 * time.Minute)
			},
			request: sweep,
			after:   func(s *scene) { s.endedFor(dcm.StopMaxLifetime) },
		},
		"sweep, a silent VM whose server is gone": {
			function: "sweep-vms",
			before: func(s *scene) {
				s.runs("")
				s.stores()
				s.removeServer(*s.user.get(s.vm).ProviderID)
				s.agent.gone = true
				s.advance(dcm.HeartbeatLostAfter)
				s.sweeps(false)
				s.advance(dcm.HeartbeatLostAfter + time.Minute)
			},
			request: sweep, after: func(s *scene) { s.endedFor(dcm.StopHeartbeatLost) },
		},
		"sweep, a delete that died": {
			function: "sweep-vms",
			before: func(s *scene) {
				s.runs("")
				s.stores()
				s.agent.works()
				started, _ := s.agent.begins()
				s.agent.uploads(started)
				s.forced[s.vm] = true
				s.dies("vms-delete", outsideCall{"hetzner", "DeleteServer", 1}, deletes("?force=true"))
				s.advance(dcm.HeartbeatLostAfter)
			},
			request: sweep, after: (*scene).ends,
		},
	}
	maps.Copy(all, orphanSweeps(run("sweep-orphans")))
	return all
}

// dies has a function die right after a call.
func (s *scene) dies(function string, at outsideCall, request func(*scene) answer) {
	s.t.Helper()
	s.pools[function].cold(&disturbance{mode: modeDiesAfter, at: at})
	if a := request(s); a.status != 500 {
		s.t.Fatalf("it did not die: %d %s", a.status, a.body)
	}
}

// orphanSweeps delete what nobody owns.
func orphanSweeps(sweep func(*scene) answer) map[string]flow {
	none := func(s *scene) {
		if r := s.receipts(s.tenant); len(r) == 0 || r[0].ConfirmedAt == nil {
			s.t.Errorf("no receipt: %+v", r)
		}
	}
	return map[string]flow{
		"orphans, a server and its record": {
			function: "sweep-orphans",
			before: func(s *scene) {
				vm := dcm.VMID("vm-abcdefghjk")
				s.server(s.tenant, vm)
				s.agents[vm] = &agent{scene: s, dead: true}
				s.publish(platformDNSToken, platformZone, wildcard(s.tenant, vm, "localhost"))
				s.advance(dcm.OrphanGrace + time.Minute)
			},
			request: sweep, after: none,
		},
		"orphans, an upload": {
			function: "sweep-orphans",
			before: func(s *scene) {
				s.leaves()
				s.startUpload(dcm.Bucket{Name: platformBucket}, dcm.BackupKey(s.tenant, s.workspace))
				s.advance(dcm.OrphanGrace + time.Minute)
			},
			request: sweep, after: none,
		},
		"orphans, a VM whose server is gone": {
			function: "sweep-orphans",
			before: func(s *scene) {
				s.runs("")
				s.stores()
				s.removeServer(*s.user.get(s.vm).ProviderID)
				s.agent.gone = true
				s.advance(dcm.OrphanGrace + time.Minute)
			},
			request: sweep,
			after: func(s *scene) {
				if vm := s.user.get(s.vm); vm.Status != dcm.StatusStopped {
					s.t.Errorf("it is %s: %+v", vm.Status, vm.Error)
				}
			},
		},
	}
}
