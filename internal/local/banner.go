package local

import (
	"fmt"
	"io"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/issuer"
)

// Banner writes what somebody in front of a terminal needs: addresses, a token
// and three commands to copy.
func (s *Stack) Banner(w io.Writer) error {
	token, err := s.Token(issuer.Identity{
		Tenant: dcm.DefaultTenant, User: "local", Permissions: []dcm.Permission{dcm.PermissionAll},
	})
	if err != nil {
		return err
	}
	signed := ""
	if o := s.options.TLS; o != nil && len(o.Directories) == 0 {
		signed = selfSigned
	}
	_, err = fmt.Fprintf(w, banner, s.UserURL, s.scheme(), s.options.BaseDomain, s.EdgePort, signed, s.Dir, s.SampleRepository, token.Reveal(),
		s.UserURL, s.SampleRepository, s.UserURL, s.UserURL)
	return err
}

const selfSigned = `
                     (they sign their certificates themselves: a browser warns, curl wants -k)`

const banner = `
devcontainer-manager is running. Everything is local, and gone when it ends (Ctrl-C).

  API                %s
  VMs                %s://ui.<vm>.default.vm.%s:%d%s
  Logs               %s
  Sample repository  %s

To try it, in another shell:

export TOKEN=%s

# 1. A VM for the sample repository. The answer names its "ui" URL and, this once, its terminal password:
curl -sS -X POST %s/vms -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"name":"try it","repoUrl":"%s","size":"small"}'

# 2. Wait for "status":"running", then open the URL in a browser:
curl -sS %s/vms -H "Authorization: Bearer $TOKEN"

# 3. Stop it; its work is saved first. Put "workspaceId":"<its workspaceId>" into 1 to carry on:
curl -sS -X DELETE %s/vms/<id> -H "Authorization: Bearer $TOKEN"

`
