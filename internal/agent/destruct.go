package agent

import (
	"context"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/control"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/server"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// lastResort is what is left to a VM whose work is saved and whose control
// plane does not take its cleanup: to delete its own server, if its tenant has
// agreed to that.
type lastResort struct {
	agent *agent
	since time.Time // of the first of the failures in a row
}

// failed notes a cleanup that failed. Only silence and failure count, and a
// token that ran out. Where the control plane says no to this cleanup, that is
// its word that the VM is to stay.
func (l *lastResort) failed(ctx context.Context, err error) {
	a := l.agent
	if !control.Transient(err) && !control.Refused(err) {
		l.since = time.Time{}
		return
	}
	now := a.clock.Now()
	if l.since.IsZero() {
		l.since = now
	}
	may := a.answer().SelfDestruct
	if may == nil || now.Sub(l.since) < dcm.SelfDestructAfter {
		return
	}
	if err := a.ownServer(*may).Delete(ctx); err != nil {
		a.log.Error("this VM can't delete its own server; it is tried again", "error", err)
		return
	}
	a.log.Warn("cleanup failed for too long: this VM has deleted its own server", "since", l.since)
}

func (a *agent) ownServer(may dcm.SelfDestruct) server.Own {
	return server.Own{
		URL: may.APIURL, Token: dcm.NewSecret(may.Token), Name: a.config.VMID.ServerName(),
		Labels: map[string]string{
			dcm.LabelManagedBy: dcm.ManagedBy, dcm.LabelInstallation: a.config.Installation,
			dcm.LabelTenant: string(a.answer().TenantID), dcm.LabelVM: string(a.config.VMID),
		},
	}
}
