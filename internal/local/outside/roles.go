package outside

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"sync"

	"github.com/devcontainer-manager/devcontainer-manager/internal/sam"
)

// installer makes the table; nobody judges it.
const installer = "installer"

// Roles judges calls by the roles of the functions that make them.
type Roles struct {
	functions map[string]sam.Function

	mu      sync.Mutex
	refused []string
	used    map[string]map[string]bool
}

func newRoles(t *sam.Template) *Roles {
	r := &Roles{functions: map[string]sam.Function{}, used: map[string]map[string]bool{}}
	for _, f := range t.Functions {
		r.functions[f.Name] = f
		r.used[f.Name] = map[string]bool{}
	}
	return r
}

// Refused lists the calls so far that a role does not allow, each once.
func (r *Roles) Refused() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.refused)
}

// Unused lists the actions, as "function action", that a role allows and that
// no call has needed so far.
func (r *Roles) Unused() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var unused []string
	for name, f := range r.functions {
		for _, s := range f.Statements {
			for _, action := range s.Actions {
				if !r.used[name][action] {
					unused = append(unused, name+" "+action)
				}
			}
		}
	}
	slices.Sort(unused)
	return slices.Compact(unused)
}

// signer finds who signed a request, in its header or its presigned URL.
var signer = regexp.MustCompile(`Credential=([A-Za-z0-9-]+)(/|%2F)`)

// judge puts a service behind its callers' roles. A call that a role does not
// allow is noted and refused.
func (r *Roles) judge(accesses func(*http.Request, []byte) []sam.Access, service http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		who := signer.FindStringSubmatch(q.Header.Get("Authorization") + " " + q.URL.RawQuery)
		if who == nil || who[1] == installer {
			service.ServeHTTP(w, q)
			return
		}
		body := []byte(nil)
		if q.Header.Get("X-Amz-Target") != "" {
			body, _ = io.ReadAll(q.Body) // a broken body shows where it is parsed
			q.Body = io.NopCloser(bytes.NewReader(body))
		}
		for _, a := range accesses(q, body) {
			if !r.allow(who[1], a) {
				http.Error(w, `{"__type":"AccessDeniedException"}`, http.StatusForbidden)
				return
			}
		}
		service.ServeHTTP(w, q)
	})
}

func (r *Roles) allow(name string, a sam.Access) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, known := r.functions[name]
	if known && f.Allows(a) {
		r.used[name][a.Action] = true
		return true
	}
	line := fmt.Sprintf("%s may not %s on %s %v", name, a.Action, a.Resource, a.Context)
	if !slices.Contains(r.refused, line) {
		r.refused = append(r.refused, line)
	}
	return false
}
