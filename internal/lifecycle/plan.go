package lifecycle

import (
	"context"
	"fmt"
	"slices"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// plan is a launch of which nothing exists yet: all that can be decided, and
// all that can fail without a trace, before the intent is written.
type plan struct {
	intent     dcm.Intent
	accounts   dcm.TenantAccounts
	offers     []dcm.Offer
	password   dcm.Secret
	credential dcm.Credential
	zone       dcm.DNSZone
	userData   dcm.Secret
	// prepared are the images that boot fastest, by server type.
	prepared dcm.PreparedImages
}

func (l *Launcher) plan(ctx context.Context, o LaunchOrder, launch dcm.Launch, known dcm.LaunchContext) (plan, error) {
	vm, ws, err := l.records(o, launch, known)
	if err != nil {
		return plan{}, err
	}
	accounts := known.Accounts
	p := plan{offers: preferring(launch.Offers, accounts.Providers[launch.Provider].Region), accounts: accounts}
	if l.Providers[launch.Provider] == nil {
		return plan{}, fmt.Errorf("provider %q is in the size catalogue but has no adapter", launch.Provider)
	}
	if p.credential, err = l.Accounts.Credential(ctx, accounts, vm.Provider, vm.AccountID); err != nil {
		return plan{}, fmt.Errorf("open the credential for %s: %w", vm.Provider, err)
	}
	if err := l.maySpend(p.credential); err != nil {
		return plan{}, err
	}
	if vm.Reserved, err = l.reserve(ctx, p, accounts.Tenant.Quotas, launch); err != nil {
		return plan{}, err
	}
	domain := l.Accounts.Domain(accounts)
	vm.DNS = domain.Placement
	vm.Hostname = dcm.Hostname(vm.ID, domain.Subdomain, domain.Base)
	if p.zone, err = l.Accounts.Zone(ctx, accounts, vm.DNS); err != nil {
		return plan{}, fmt.Errorf("open the DNS zone: %w", err)
	}
	if p.password, err = dcm.NewPassword(l.Random); err != nil {
		return plan{}, err
	}
	if vm.Password, err = l.Sealer.Seal(ctx, passwordContext(vm), p.password); err != nil {
		return plan{}, fmt.Errorf("seal the terminal password: %w", err)
	}
	if p.userData, err = l.userData(ctx, o, vm); err != nil {
		return plan{}, err
	}
	if vm.AccountID == dcm.PlatformAccount {
		p.prepared = l.Images.Prepared(ctx, vm.Provider)
	}
	p.intent = dcm.Intent{
		VM: vm, Workspace: ws, NewWorkspace: known.Workspace == nil, DefaultQuotas: l.Quotas,
	}
	p.intent.Event, err = l.launchEvent(o, vm)
	return p, err
}

// preferring puts the offers in the tenant's default region first, each part in
// its order. The others stay: a default is no wish to go without.
func preferring(offers []dcm.Offer, region string) []dcm.Offer {
	first := slices.Clone(offers)
	slices.SortStableFunc(first, func(a, b dcm.Offer) int {
		switch here := a.Location == region; {
		case here == (b.Location == region):
			return 0
		case here:
			return -1
		default:
			return 1
		}
	})
	return first
}

// records makes the VM's record and the workspace's, new or resumed.
func (l *Launcher) records(o LaunchOrder, launch dcm.Launch, known dcm.LaunchContext) (dcm.VM, dcm.Workspace, error) {
	resumed := known.Workspace
	id, err := dcm.NewVMID(l.Random)
	if err != nil {
		return dcm.VM{}, dcm.Workspace{}, err
	}
	now := l.Clock.Now()
	ws, err := l.workspace(known.Accounts.Tenant, launch, resumed)
	if err != nil {
		return dcm.VM{}, dcm.Workspace{}, err
	}
	ws.ActiveVM, ws.UpdatedAt = id, now
	if resumed == nil {
		ws.CreatedAt, ws.CreatedBy = now, id
	}
	return dcm.VM{
		ID: id, TenantID: ws.TenantID, WorkspaceID: ws.ID, Name: launch.Name,
		RepoURL: ws.RepoURL, Branch: ws.Branch, Size: launch.Size, CreatedBy: o.Principal.User,
		Provider: launch.Provider, Region: launch.Region,
		AccountID: known.Accounts.Providers[launch.Provider].ID, StorageID: ws.StorageID,
		Status: dcm.StatusCreating, CreatedAt: now, ExpiresAt: now.Add(launch.MaxLifetime),
		DueAt:       now.Add(dcm.LaunchDeadline),
		IdleTimeout: launch.IdleTimeout, SSHPublicKey: launch.SSHPublicKey,
		Restore: ws.Backup, Generation: ws.Generation,
	}, ws, nil
}

// workspace makes a new workspace, or checks that the one to resume is free
// and is the one the request describes.
func (l *Launcher) workspace(t dcm.Tenant, launch dcm.Launch, resumed *dcm.Workspace) (dcm.Workspace, error) {
	if resumed == nil {
		id, err := dcm.NewWorkspaceID(l.Random)
		return dcm.Workspace{ID: id, TenantID: t.ID, RepoURL: launch.RepoURL, Branch: launch.Branch, StorageID: t.StorageID}, err
	}
	var wrong []dcm.FieldError
	if launch.RepoURL != "" && launch.RepoURL != resumed.RepoURL {
		wrong = append(wrong, dcm.FieldError{Field: "repoUrl", Message: "is not the repository of this workspace"})
	}
	if launch.Branch != "" && launch.Branch != resumed.Branch {
		wrong = append(wrong, dcm.FieldError{Field: "branch", Message: "is not the branch of this workspace"})
	}
	if err := dcm.InvalidFields(wrong...); err != nil {
		return dcm.Workspace{}, err
	}
	if resumed.Task != nil && resumed.Task.Kind == dcm.TaskDelete {
		return dcm.Workspace{}, dcm.Errorf(dcm.CodeConflict, "the workspace is being deleted")
	}
	if resumed.ActiveVM != "" {
		return dcm.Workspace{}, dcm.Errorf(dcm.CodeConflict, "the workspace is in use by %s", resumed.ActiveVM)
	}
	return *resumed, nil
}

func (l *Launcher) userData(ctx context.Context, o LaunchOrder, vm dcm.VM) (dcm.Secret, error) {
	token, err := l.Tokens.Issue(ctx, dcm.TokenClaims{
		Audience: dcm.AudienceBootstrap, Tenant: vm.TenantID, VM: vm.ID,
		IssuedAt: vm.CreatedAt, ExpiresAt: vm.CreatedAt.Add(dcm.BootstrapTokenLife),
	})
	if err != nil {
		return dcm.Secret{}, fmt.Errorf("issue the bootstrap token: %w", err)
	}
	data, err := l.UserData(ctx, Boot{
		Agent: dcm.AgentConfig{
			APIURL: o.APIURL, Installation: l.Installation, VMID: vm.ID, BootstrapToken: token.Reveal(),
		},
		SSHPublicKey: vm.SSHPublicKey,
	})
	if err != nil {
		return dcm.Secret{}, fmt.Errorf("render user-data: %w", err)
	}
	return data, nil
}
