package control_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/control"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func TestErrors(t *testing.T) {
	t.Parallel()
	const problem = "application/problem+json"
	for name, c := range map[string]struct {
		status                    int
		kind, body                string
		transient, ended, refused bool
	}{
		"our not found":            {404, problem, `{"code":"not_found","detail":"no such VM"}`, false, true, false},
		"a gateway's not found":    {404, "application/json", `{"message":"Not Found"}`, true, false, false},
		"gone":                     {410, "text/plain", ``, false, true, false},
		"a conflict":               {409, problem + "; charset=utf-8", `{"code":"conflict"}`, false, false, false},
		"a token that is no good":  {401, problem, `{"code":"unauthenticated"}`, false, false, true},
		"somebody else's":          {403, problem, `{"code":"forbidden"}`, false, false, true},
		"a gateway's throttle":     {429, "application/json", `{"message":"Too Many Requests"}`, true, false, false},
		"an internal error":        {500, problem, `{"code":"internal","requestId":"r-1"}`, true, false, false},
		"a gateway without answer": {504, "text/html", `<html>`, true, false, false},
		"a redirect":               {302, "", ``, false, false, false},
		"half an answer":           {200, "application/json", `{"command":`, true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer s.Close()
			_, err := control.New(s.URL, "vm-abcdefghij", "v", dcm.NewSecret("t")).Heartbeat(context.Background(), dcm.Heartbeat{})
			if err == nil || control.Transient(err) != c.transient || control.Ended(err) != c.ended || control.Refused(err) != c.refused {
				t.Errorf("%v: transient %v, ended %v, refused %v", err, control.Transient(err), control.Ended(err), control.Refused(err))
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{"7": 7 * time.Second, "": 0, "soon": 0, "-1": 0, "Mon, 02 Jan 2006 15:04:05 GMT": 0} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusServiceUnavailable)
		}))
		err := control.New(s.URL, "vm-abcdefghij", "v", dcm.NewSecret("t")).Cleanup(context.Background(), dcm.Cleanup{})
		s.Close()
		if p, ok := errors.AsType[*control.Problem](err); !ok || p.RetryAfter() != want {
			t.Errorf("%q: %v", header, err)
		}
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, strings.Join([]string{r.Method, r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), r.UserAgent(), string(body)}, " "))
		_, _ = io.WriteString(w, "{}")
	}))
	defer s.Close()
	c := control.New(s.URL+"/prod/", "vm-abcdefghij", "v1", dcm.NewSecret("one"))
	if _, err := c.BackupParts(context.Background(), "bk-1", dcm.BackupParts{}); err != nil {
		t.Fatal(err)
	}
	c.SetToken(dcm.NewSecret("two"))
	if err := c.Cleanup(context.Background(), dcm.Cleanup{Reason: dcm.StopIdle, Generation: 3}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`POST /prod/vms/vm-abcdefghij/backups/bk-1/parts Bearer one application/json dcm-agent/v1 {"parts":null}`,
		`POST /prod/vms/vm-abcdefghij/cleanup Bearer two application/json dcm-agent/v1 {"reason":"idle","generation":3}`,
	}
	for i := range want {
		if seen[i] != want[i] {
			t.Errorf("the request is\n%s instead of\n%s", seen[i], want[i])
		}
	}
	t.Run("no answer is no error of ours, and names no token", func(t *testing.T) {
		s.Close()
		err := c.Cleanup(context.Background(), dcm.Cleanup{})
		if !control.Transient(err) || strings.Contains(err.Error(), "two") {
			t.Errorf("the error is %v", err)
		}
	})
}
