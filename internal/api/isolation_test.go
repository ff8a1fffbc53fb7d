package api_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local"
)

// stage is what the isolation suite plays on: tenant acme owns things, tenant
// evil knows the ids of all of them.
type stage struct {
	*world
	acme, evil caller
	// theirs and own are acme's and evil's running VMs; spare is a VM of
	// evil's whose bootstrap token is fresh.
	theirs, own, spare *machine
	workspace          dcm.WorkspaceID
	backup             dcm.BackupID
	// key is an Idempotency-Key that acme has used with body.
	key  string
	body map[string]any
	// cursors are acme's, by list.
	cursors map[string]string
}

// attempt is one call with a thing of acme's, and the same call with a thing
// that never was.
type attempt struct {
	by             caller
	method         string
	theirs, madeUp string // paths
	// bodies and headers differ only where the thing is named in them.
	theirBody, madeUpBody       any
	theirHeaders, madeUpHeaders []string
	status                      int
}

const (
	noVM        = "vm-abcdefghjk"
	noWorkspace = "ws-abcdefghjk"
	noBackup    = "bk-abcdefghjk"
)

// swap makes an attempt whose things are in the path.
func (s *stage) swap(by caller, method, path string, status int, body any) attempt {
	theirs := strings.NewReplacer("{vm}", string(s.theirs.id), "{ws}", string(s.workspace), "{backup}", string(s.backup), "{own}", string(s.own.id))
	madeUp := strings.NewReplacer("{vm}", noVM, "{ws}", noWorkspace, "{backup}", noBackup, "{own}", string(s.own.id))
	return attempt{by: by, method: method, theirs: theirs.Replace(path), madeUp: madeUp.Replace(path), theirBody: body, madeUpBody: body, status: status}
}

// list makes the attempts with another tenant's cursor.
func (s *stage) list(path string) attempt {
	return attempt{
		by: s.evil, method: "GET", status: 400,
		theirs: path + "?limit=1&cursor=" + s.cursors[path], madeUp: path + "?limit=1&cursor=abc",
	}
}

// attempts says for every route how another tenant's things could be named in
// a call to it; nil where a call names nothing but the caller's own. A route
// that is not here fails the suite.
func attempts() map[string]func(*stage) []attempt {
	nothing := func(*stage) []attempt { return nil }
	person := func(method, path string) func(*stage) []attempt {
		return func(s *stage) []attempt { return []attempt{s.swap(s.evil, method, path, 404, nil)} }
	}
	// foreignVM is a VM's token on another VM's path.
	foreignVM := func(suffix string, body any) func(*stage) []attempt {
		return func(s *stage) []attempt {
			return []attempt{s.swap(s.own.caller, "POST", "/vms/{vm}"+suffix, 401, body)}
		}
	}
	foreignBackup := func(suffix string, body any) func(*stage) []attempt {
		return func(s *stage) []attempt {
			return []attempt{
				s.swap(s.own.caller, "POST", "/vms/{vm}/backups/{backup}"+suffix, 401, body),
				s.swap(s.own.caller, "POST", "/vms/{own}/backups/{backup}"+suffix, 404, body),
			}
		}
	}
	return map[string]func(*stage) []attempt{
		"POST /vms": func(s *stage) []attempt {
			return []attempt{{
				by: s.evil, method: "POST", theirs: "/vms", madeUp: "/vms", status: 404,
				theirBody: s.resumeBody(s.workspace), madeUpBody: s.resumeBody(noWorkspace),
			}, {
				// evil has no VM left to launch: a key that answered with
				// acme's VM, or knew its body, would show.
				by: s.evil, method: "POST", theirs: "/vms", madeUp: "/vms", status: 429,
				theirBody: s.body, madeUpBody: s.body,
				theirHeaders: []string{"Idempotency-Key", s.key}, madeUpHeaders: []string{"Idempotency-Key", "never-used"},
			}}
		},
		"GET /vms": func(s *stage) []attempt {
			return []attempt{s.swap(s.evil, "GET", "/vms?workspaceId={ws}", 200, nil), s.list("/vms")}
		},
		"GET /vms/{id}": person("GET", "/vms/{vm}"),
		"DELETE /vms/{id}": func(s *stage) []attempt {
			return []attempt{
				s.swap(s.evil, "DELETE", "/vms/{vm}", 404, nil), s.swap(s.evil, "DELETE", "/vms/{vm}?force=true", 404, nil),
				s.swap(s.evil, "DELETE", "/vms/{vm}?abandon=true", 404, nil),
			}
		},
		"POST /vms/{id}/bootstrap": func(s *stage) []attempt {
			return []attempt{s.swap(caller{s.world, s.spare.bootToken}, "POST", "/vms/{vm}/bootstrap", 401, dcm.BootstrapRequest{PublicKey: s.spare.publicKey})}
		},
		"POST /vms/{id}/heartbeat":     foreignVM("/heartbeat", dcm.Heartbeat{State: dcm.AgentRunning, Phase: dcm.PhaseReady}),
		"POST /vms/{id}/backups":       foreignVM("/backups", dcm.BackupStart{}),
		"POST /vms/{id}/dns-challenge": foreignVM("/dns-challenge", dcm.DNSChallenge{Value: challengeValue("theirs")}),
		"POST /vms/{id}/cleanup":       foreignVM("/cleanup", dcm.Cleanup{Reason: dcm.StopUser, Discard: true}),
		"POST /vms/{id}/backups/{backupId}/parts": foreignBackup("/parts", dcm.BackupParts{
			Parts: []dcm.PartSpec{{Number: 1, SizeBytes: 1, SHA256: digest(nil)}},
		}),
		"POST /vms/{id}/backups/{backupId}/complete": foreignBackup("/complete", dcm.BackupComplete{
			Parts: 1, Size: 1, SHA256: digest(nil), PartsSHA256: digest(nil),
		}),
		"GET /workspaces":                  func(s *stage) []attempt { return []attempt{s.list("/workspaces")} },
		"GET /workspaces/{id}":             person("GET", "/workspaces/{ws}"),
		"DELETE /workspaces/{id}":          person("DELETE", "/workspaces/{ws}"),
		"POST /workspaces/{id}/rotate-key": person("POST", "/workspaces/{ws}/rotate-key"),
		"GET /tenant/events":               func(s *stage) []attempt { return []attempt{s.list("/tenant/events")} },
		"GET /tenant/orphans":              func(s *stage) []attempt { return []attempt{s.list("/tenant/orphans")} },
		"DELETE /tenant/providers/{name}": func(s *stage) []attempt {
			// acme has an account at hetzner; nobody has one at ovh.
			return []attempt{{by: s.evil, method: "DELETE", theirs: "/tenant/providers/hetzner", madeUp: "/tenant/providers/ovh", status: 404}}
		},
		"PUT /admin/tenants/{id}/quotas": func(s *stage) []attempt {
			body := map[string]any{"maxConcurrentVMs": 1}
			return []attempt{{
				by: s.evil, method: "PUT", theirs: "/admin/tenants/acme/quotas", madeUp: "/admin/tenants/never-was/quotas",
				theirBody: body, madeUpBody: body, status: 403,
			}}
		},
		"GET /tenant":            nothing,
		"PUT /tenant":            nothing,
		"GET /tenant/usage":      nothing,
		"POST /tenant/providers": nothing,
		"POST /tenant/dns":       nothing,
		"DELETE /tenant/dns":     nothing,
		"POST /tenant/storage":   nothing,
		"DELETE /tenant/storage": nothing,
		"GET /openapi.json":      nothing,
		"GET /docs":              nothing,
	}
}

// TestIsolation is made from the route table: what another tenant's thing is
// answered with is, byte for byte and call for call, what a thing that never
// was is answered with, and nothing changes.
func TestIsolation(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	cases := attempts()
	for _, r := range mustTemplate(t).Routes {
		tries, ok := cases[r.Key()]
		if delete(cases, r.Key()); !ok {
			t.Errorf("%s has no case: say how another tenant's things could be named in a call to it", r.Key())
			continue
		}
		all := tries(s)
		if all == nil && strings.Contains(r.Path, "{") {
			t.Errorf("%s has an id in its path and no attempt", r.Key())
		}
		for _, a := range all {
			s.tellsNothing(r.Key(), a)
		}
	}
	for key := range cases {
		t.Errorf("%s is no route", key)
	}
}

func newStage(t *testing.T) *stage {
	t.Helper()
	// evil's second VM is its last: what it may not know is tried at its limit.
	w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": "2"})
	s := &stage{world: w, acme: w.user("acme"), evil: w.user("evil"), key: "acme-key", body: w.launchBody(), cursors: map[string]string{}}
	first := decode[api.CreatedVM](t, s.acme.call("POST", "/vms", s.body, "Idempotency-Key", s.key).expect(t, 201))
	s.theirs, s.workspace = w.machine(first.ID), first.WorkspaceID
	s.theirs.bootstrap()
	s.theirs.beat(dcm.Heartbeat{State: dcm.AgentRunning})
	s.theirs.backup(0, []byte("work"))
	s.backup = decode[dcm.BackupStarted](t, s.theirs.call("POST", s.theirs.path("/backups"), dcm.BackupStart{Generation: 1}).expect(t, 201)).BackupID
	w.machine(s.acme.launch().ID)
	w.bringAlong()
	s.acme.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
	s.acme.call("POST", "/tenant/dns", w.dnsBody()).expect(t, 201)
	for _, id := range []string{"1", "2"} {
		now := w.Now()
		if err := w.behind().Store().Tenant("acme").NoteOrphan(t.Context(), dcm.Orphan{
			Kind: dcm.OrphanServer, Tenant: "acme", Service: "hetzner", ExternalID: id, VM: first.ID, CreatedAt: now, EndedAt: now, FoundAt: now,
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/vms", "/workspaces", "/tenant/events", "/tenant/orphans"} {
		page := decode[api.Page[json.RawMessage]](t, s.acme.call("GET", path+"?limit=1", nil).expect(t, 200))
		if page.NextCursor == nil {
			t.Fatalf("%s has one page only", path)
		}
		s.cursors[path] = *page.NextCursor
	}
	s.own, _ = w.running(s.evil)
	s.spare = w.machine(s.evil.launch().ID)
	w.eventually("every server has booted, and its agent ended", func() bool {
		return !slices.ContainsFunc(w.State().Servers, func(v local.ServerState) bool { return v.Status != "off" })
	})
	return s
}

func (s *stage) tellsNothing(route string, a attempt) {
	s.t.Helper()
	theirs := func() answer { return a.by.call(a.method, a.theirs, a.theirBody, a.theirHeaders...) }
	madeUp := func() answer { return a.by.call(a.method, a.madeUp, a.madeUpBody, a.madeUpHeaders...) }
	madeUp() // what a cold start fetches once is not a difference
	before := s.untouched()
	mine, none := theirs(), madeUp()
	if mine.status != a.status || none.status != a.status || !bytes.Equal(withoutID(mine), withoutID(none)) {
		s.t.Errorf("%s, with acme's: %d %s\nmade up: %d %s", route, mine.status, mine.body, none.status, none.body)
	}
	for _, name := range []string{"X-Request-Id", "Apigw-Requestid", "Date"} {
		mine.header.Del(name)
		none.header.Del(name)
	}
	if !reflect.DeepEqual(mine.header, none.header) {
		s.t.Errorf("%s: headers %v, made up: %v", route, mine.header, none.header)
	}
	s.sameCalls(route, func() { theirs() }, func() { madeUp() })
	if after := s.untouched(); !bytes.Equal(before, after) {
		at := 0
		for at < min(len(before), len(after)) && before[at] == after[at] {
			at++
		}
		s.t.Errorf("%s changed something:\n%.400s\nis now\n%.400s", route, before[max(0, at-200):], after[max(0, at-200):])
	}
}

// sameCalls compares the calls that two requests make, and the capacity they
// consume: a lookup more, or a larger item, would be a time that can be measured. The sweep of the minute may fall into either, so
// a difference counts only if it is there each time.
func (s *stage) sameCalls(route string, mine, none func()) {
	s.t.Helper()
	measure := func(f func()) (map[string]map[string]int, float64) {
		before := s.Capacity()
		calls := s.callsDuring(f)
		return calls, s.Capacity() - before
	}
	var (
		a, b   map[string]map[string]int
		au, bu float64
	)
	for range 4 {
		a, au = measure(mine)
		if b, bu = measure(none); reflect.DeepEqual(a, b) && au == bu {
			return
		}
	}
	s.t.Errorf("%s makes the calls %v for %v units, made up: %v for %v", route, a, au, b, bu)
}

// untouched is everything there is, but for what evil's own audit log says of
// its attempts, and for the calls made.
func (s *stage) untouched() []byte {
	s.t.Helper()
	var kept []map[string]any
	for _, item := range s.Items() {
		raw, err := json.Marshal(item)
		if err != nil {
			s.t.Fatal(err)
		}
		if !bytes.Contains(raw, []byte("TENANT#evil")) || !bytes.Contains(raw, []byte("EVENT#")) {
			kept = append(kept, item)
		}
	}
	state := s.State()
	state.Calls = nil
	raw, err := json.Marshal(map[string]any{"items": kept, "state": state})
	if err != nil {
		s.t.Fatal(err)
	}
	return raw
}
