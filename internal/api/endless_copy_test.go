package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
)

// TestACopyEndsWhereTheBackupDid: a tenant's own storage that sends more than was
// saved is read one byte too far, and no more. The backup stays where it is.
func TestACopyEndsWhereTheBackupDid(t *testing.T) {
	t.Parallel()
	const most = 256 << 20
	w := newWorld(t, nil)
	w.bringAlong()
	to, err := url.Parse(w.Endpoint("s3"))
	if err != nil {
		t.Fatal(err)
	}
	var endless atomic.Bool
	var sent atomic.Int64
	forward := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to); p.Out.Host = p.In.Host }}
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !endless.Load() || r.URL.Query().Get("x-id") != "GetObject" {
			forward.ServeHTTP(rw, r)
			return
		}
		for chunk := make([]byte, 1<<20); sent.Load() < most; sent.Add(int64(len(chunk))) {
			if _, err := rw.Write(chunk); err != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	user, body := w.user("acme"), w.storageBody()
	body["endpoint"] = s.URL
	user.call("POST", "/tenant/storage", body).expect(t, 201)
	id := user.saved([]byte("work"))
	before, _ := w.record("acme", id)
	endless.Store(true)
	user.call("DELETE", "/tenant/storage", nil).expect(t, 200)
	w.sweepKeys()
	w.sweepKeys()
	after, _ := w.record("acme", id)
	if n := sent.Load(); n == 0 || n >= most {
		t.Errorf("%d bytes were sent", n)
	}
	if after.Backup == nil || *after.Backup != *before.Backup || after.Task == nil || after.Task.Problem == nil {
		t.Errorf("the backup is %+v, the task %+v", after.Backup, after.Task)
	}
	if left := w.uploads(); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}
