package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/server"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

const token = "the-tenants-token"

// cloud is a simulated Hetzner with servers of these names and labels.
func cloud(t *testing.T, servers map[string]map[string]string) (url string, left func() string) {
	t.Helper()
	h := hetzner.New(hetzner.Options{Clock: dcm.SystemClock{}, Tokens: map[string]hetzner.Token{token: {}}})
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	call := func(method, path string, body any) []byte {
		b, _ := json.Marshal(body)
		r, _ := http.NewRequestWithContext(t.Context(), method, s.URL+"/v1"+path, bytes.NewReader(b))
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var text bytes.Buffer
		_, _ = text.ReadFrom(answer.Body)
		if answer.StatusCode > 299 {
			t.Fatalf("%s %s: %s", method, path, text.String())
		}
		return text.Bytes()
	}
	for name, labels := range servers {
		call("POST", "/servers", map[string]any{"name": name, "server_type": "cx23", "image": "ubuntu-24.04", "location": "fsn1", "labels": labels})
	}
	return s.URL + "/v1", func() string {
		var list struct{ Servers []struct{ Name string } }
		if err := json.Unmarshal(call("GET", "/servers", nil), &list); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(list.Servers)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	mine := map[string]string{dcm.LabelManagedBy: dcm.ManagedBy, dcm.LabelVM: "vm-abcdefghij", dcm.LabelInstallation: "i"}
	own := server.Own{Token: dcm.NewSecret(token), Name: "dcm-vm-abcdefghij", Labels: mine}
	t.Run("its own server, nobody else's, and once more is no error", func(t *testing.T) {
		t.Parallel()
		other := map[string]string{dcm.LabelManagedBy: dcm.ManagedBy, dcm.LabelVM: "vm-bbbbbbbbbb", dcm.LabelInstallation: "i"}
		own := own
		var left func() string
		own.URL, left = cloud(t, map[string]map[string]string{"dcm-vm-abcdefghij": mine, "dcm-vm-bbbbbbbbbb": other, "dcm-vm-abcdefghij2": mine})
		for range 2 {
			if err := own.Delete(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := left(); strings.Contains(got, "abcdefghij}") || !strings.Contains(got, "abcdefghij2") || !strings.Contains(got, "bbbbbbbbbb") {
			t.Errorf("left are %s", got)
		}
	})
	t.Run("not a server of its name with one label of another's", func(t *testing.T) {
		t.Parallel()
		for label := range mine {
			theirs := map[string]string{label: "another"}
			for l, v := range mine {
				if l != label {
					theirs[l] = v
				}
			}
			own := own
			var left func() string
			own.URL, left = cloud(t, map[string]map[string]string{own.Name: theirs})
			if err := own.Delete(t.Context()); !errors.Is(err, server.ErrNotOurs) {
				t.Errorf("%s: %v", label, err)
			}
			if !strings.Contains(left(), own.Name) {
				t.Errorf("%s: it is gone", label)
			}
		}
	})
	t.Run("failures are said, and no token is", func(t *testing.T) {
		t.Parallel()
		for name, answer := range map[string]http.HandlerFunc{
			"revoked": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401); fmt.Fprint(w, token) },
			"broken":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
			"no list": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") },
			"a redirect": func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
			},
			"nobody": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		} {
			s := httptest.NewServer(answer)
			own := own
			own.URL = s.URL
			if err := own.Delete(t.Context()); err == nil || strings.Contains(err.Error(), token) {
				t.Errorf("%s: %v", name, err)
			}
			s.Close()
		}
	})
}
