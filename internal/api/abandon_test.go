package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// atOwnStorage is a tenant with accounts of its own whose VM is in the middle of
// a backup; with complete, all but the answer to its completion has come.
func atOwnStorage(t *testing.T, endpoint func(w *world) string, complete bool) (*world, caller, api.CreatedVM) {
	t.Helper()
	w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": "1"})
	w.bringAlong()
	user, body := w.user("acme"), w.storageBody()
	body["endpoint"] = endpoint(w)
	user.call("POST", "/tenant/providers", w.providerBody()).expect(t, 201)
	user.call("POST", "/tenant/storage", body).expect(t, 201)
	m, vm := w.running(user)
	started, all := m.upload(0, []byte("half"))
	if complete {
		w.fault(map[string]any{"service": "s3", "operation": "CompleteMultipartUpload", "mode": "error", "code": "InternalError"})
		m.call("POST", m.path("/backups/"+string(started.BackupID)+"/complete"), all)
		w.clearFaults()
	}
	return w, user, vm
}

func theStorage(w *world) string { return w.Endpoint("s3") }

// TestAVMWhoseBucketIsGone ends: nothing unfinished is left in a bucket that is
// gone, whether or not the backup was announced.
func TestAVMWhoseBucketIsGone(t *testing.T) {
	t.Parallel()
	for name, complete := range map[string]bool{"half a backup": false, "a whole one": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, user, vm := atOwnStorage(t, theStorage, complete)
			w.fault(map[string]any{"service": "s3", "mode": "error", "code": "NoSuchBucket"})
			user.call("DELETE", "/vms/"+string(vm.ID)+"?force=true", nil).expect(t, 202)
			if got := user.get(vm.ID); got.Status != dcm.StatusStopped || got.Error != nil {
				t.Errorf("%s: %+v", got.Status, got.Error)
			}
			if s := w.State(); len(s.Servers)+len(s.DNSRecords) != 0 {
				t.Errorf("left: %+v", s)
			}
		})
	}
}

// fickle stands between the functions and a storage, and, once it is told to,
// answers with a status alone; with a 404, as S3 does where there is no bucket.
func fickle(t *testing.T) (endpoint func(w *world) string, status *atomic.Int32) {
	t.Helper()
	status = new(atomic.Int32)
	return func(w *world) string {
		to, err := url.Parse(w.Endpoint("s3"))
		if err != nil {
			t.Fatal(err)
		}
		forward := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to); p.Out.Host = p.In.Host }}
		s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if code := status.Load(); code != 0 {
				rw.WriteHeader(int(code))
				if code == http.StatusNotFound && r.Method != http.MethodHead {
					_, _ = rw.Write([]byte("<Error><Code>NoSuchBucket</Code></Error>"))
				}
				return
			}
			forward.ServeHTTP(rw, r)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}, status
}

// TestAbandonAtAStorage: a storage of the tenant's own that fails and fails. Its
// server and its records are gone by then, and nobody else pays for the rest.
func TestAbandonAtAStorage(t *testing.T) {
	t.Parallel()
	endpoint, status := fickle(t)
	w, user, vm := atOwnStorage(t, endpoint, true)
	path := "/vms/" + string(vm.ID) + "?abandon=true"
	refuse := func(why string) {
		t.Helper()
		if a := user.call("DELETE", path, nil); a.status != 409 || !strings.Contains(a.problem.Detail, why) {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	refuse("only a VM")
	status.Store(http.StatusInternalServerError)
	user.call("DELETE", "/vms/"+string(vm.ID)+"?force=true", nil).expect(t, 202)
	refuse("in 24h")
	w.advance(dcm.StopGrace - time.Minute)
	w.sweep()
	refuse("in 1m")
	w.advance(time.Minute)
	status.Store(http.StatusTooManyRequests)
	refuse("still be released")
	status.Store(http.StatusInternalServerError)
	w.fault(map[string]any{"service": "hetzner", "operation": "GetServer", "mode": "error", "code": "server_error"})
	refuse("still be released")
	w.clearFaults()
	w.fault(map[string]any{"service": "cloudflare", "mode": "error", "code": "server_error"})
	refuse("still be released")
	w.clearFaults()
	w.user("evil").call("DELETE", path, nil).expect(t, 404)

	for range 2 {
		got := decode[api.VM](t, user.call("DELETE", path, nil).expect(t, 202))
		if got.Status != dcm.StatusStopped || got.Error == nil || got.Error.Code != dcm.ProblemUnconfirmed || !strings.Contains(got.Error.Message, "unfinished backup") {
			t.Errorf("%s: %+v", got.Status, got.Error)
		}
	}
	if r := w.books("acme").vms[vm.ID].Receipt; r == nil || r.ConfirmedAt.IsZero() || len(r.Usage) != 1 {
		t.Errorf("the receipt is %+v", r)
	}
	if s := w.State(); len(s.Servers)+len(s.DNSRecords) != 0 {
		t.Errorf("left: %+v", s)
	}
	if v := user.tenant(); v.Usage.ActiveVMs != 0 {
		t.Errorf("%d slots are held", v.Usage.ActiveVMs)
	}
	// Should the storage answer again, what is left there goes.
	status.Store(0)
	w.advance(dcm.ReconcileInterval)
	w.sweepOrphans()
	if left := w.uploads(); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}

// TestAbandonAtAStorageThatFailsNow: a release that has begun a moment ago is
// tried again first, and what lies in the platform's bucket is never given up.
func TestAbandonAtAStorageThatFailsNow(t *testing.T) {
	t.Parallel()
	t.Run("a moment ago", func(t *testing.T) {
		t.Parallel()
		endpoint, status := fickle(t)
		w, user, vm := atOwnStorage(t, endpoint, true)
		user.call("DELETE", "/vms/"+string(vm.ID), nil).expect(t, 202)
		w.advance(dcm.StopGrace + time.Minute)
		status.Store(http.StatusInternalServerError)
		w.sweep()
		a := user.call("DELETE", "/vms/"+string(vm.ID)+"?abandon=true", nil)
		if a.status != 409 || !strings.Contains(a.problem.Detail, "only just begun") {
			t.Errorf("%d %s", a.status, a.body)
		}
		status.Store(0)
		w.stops(user, vm.ID)
	})
	t.Run("the platform's", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		user := w.user("acme")
		m, vm := w.running(user)
		m.upload(0, []byte("half"))
		w.fault(map[string]any{"service": "s3", "mode": "error", "code": "NoSuchBucket"})
		user.force(vm.ID)
		w.advance(dcm.StopGrace + time.Hour)
		w.sweep()
		a := user.call("DELETE", "/vms/"+string(vm.ID)+"?abandon=true", nil)
		if a.status != 409 || !strings.Contains(a.problem.Detail, "only a VM") {
			t.Errorf("%d %s", a.status, a.body)
		}
		w.clearFaults()
		w.stops(user, vm.ID)
	})
}
