package tenancy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Providers keeps the tenants' own accounts at providers.
type Providers struct {
	Store        dcm.Store
	Clock        dcm.Clock
	Random       io.Reader
	Sealer       dcm.KeySealer
	Installation string
	// Adapters are the providers that this installation can call, Catalogue
	// says which of them it offers, and where.
	Adapters  map[string]dcm.Provider
	Catalogue dcm.SizeCatalogue
}

// ProviderRequest is the body of POST /tenant/providers.
type ProviderRequest struct {
	Type      string     `json:"type"`
	APIToken  dcm.Secret `json:"apiToken"`
	Region    string     `json:"region"`
	SSHKeyID  string     `json:"sshKeyId"`
	ProjectID string     `json:"projectId"`
	// SelfDestruct is dcm.SelfDestructProvider or empty.
	SelfDestruct string `json:"selfDestruct"`
}

// AddedProvider is an account that was checked and kept. ServersLeft is nil if
// the provider doesn't say.
type AddedProvider struct {
	Account     dcm.ProviderAccount
	ServersLeft *int
}

// Add checks an account at its provider, seals its token and keeps it in the
// place of the one before. While VMs depend on that, the new token must open
// the same account: it must see their servers, which it will have to delete.
// Errors: CodeInvalid, CodeConflict, CodeProviderAuth,
// CodeProviderUnavailable.
func (p *Providers) Add(ctx context.Context, t dcm.TenantID, r ProviderRequest) (AddedProvider, error) {
	if err := p.validate(r); err != nil {
		return AddedProvider{}, err
	}
	tenant := p.Store.Tenant(t)
	known, err := tenant.Accounts(ctx)
	if err != nil {
		return AddedProvider{}, fmt.Errorf("read the accounts of %s: %w", t, err)
	}
	before := known.Providers[r.Type]
	credential := dcm.Credential{Token: r.APIToken, ProjectID: r.ProjectID}
	report, err := p.check(ctx, r.Type, credential)
	if err != nil {
		return AddedProvider{}, err
	}
	if r.SSHKeyID, err = p.sshKey(ctx, r.Type, credential, r.SSHKeyID); err != nil {
		return AddedProvider{}, err
	}
	id, err := p.identify(ctx, t, before, credential, r.Type)
	if err != nil {
		return AddedProvider{}, err
	}
	account, err := p.account(ctx, known.Tenant, id, r)
	if err != nil {
		return AddedProvider{}, err
	}
	switch err := tenant.PutProviderAccount(ctx, account, before.ID); {
	case errors.Is(err, dcm.ErrLostRace):
		return AddedProvider{}, meanwhile(err)
	case err != nil:
		return AddedProvider{}, fmt.Errorf("keep the account of %s at %s: %w", t, r.Type, err)
	}
	account.ActiveVMs = before.ActiveVMs
	return AddedProvider{Account: account, ServersLeft: report.ServersLeft}, nil
}

func (p *Providers) validate(r ProviderRequest) error {
	var f fields
	f.check("type", p.offered(r.Type))
	f.secret("apiToken", r.APIToken)
	f.word("region", r.Region)
	if r.Region != "" && p.offered(r.Type) == nil && !sells(p.Catalogue[r.Type], r.Region) {
		f.add("region", "has no VMs of this installation at %s", r.Type)
	}
	f.word("sshKeyId", r.SSHKeyID)
	f.word("projectId", r.ProjectID)
	if r.SelfDestruct != "" && (r.SelfDestruct != dcm.SelfDestructProvider || r.Type != "hetzner") {
		// The agent speaks to no other provider.
		f.add("selfDestruct", "must be %q, for hetzner, or left out", dcm.SelfDestructProvider)
	}
	return f.err()
}

func (p *Providers) offered(name string) error {
	switch {
	case name == "":
		return errors.New("is required")
	case !slices.Contains(dcm.ProviderNames, name):
		return fmt.Errorf("must be one of %s", strings.Join(dcm.ProviderNames, ", "))
	case p.Adapters[name] == nil || len(p.Catalogue[name]) == 0:
		return fmt.Errorf("%s is not offered in this installation", name)
	}
	return nil
}

func sells(sizes map[dcm.Size][]dcm.Offer, region string) bool {
	for _, offers := range sizes {
		if slices.ContainsFunc(offers, func(o dcm.Offer) bool { return o.Location == region }) {
			return true
		}
	}
	return false
}

// check asks the provider whether the credential may create and delete.
func (p *Providers) check(ctx context.Context, provider string, c dcm.Credential) (report dcm.CredentialReport, err error) {
	blame := map[dcm.ProviderKind]string{dcm.KindAuth: "apiToken", dcm.KindInvalid: "apiToken", dcm.KindNotFound: "projectId"}
	err = checked(ctx, provider, blame, func(ctx context.Context) error {
		report, err = p.Adapters[provider].Check(ctx, c)
		return err
	})
	if err == nil && !report.CanWrite {
		err = dcm.InvalidFields(dcm.FieldError{
			Field: "apiToken", Message: "may only read; it must be allowed to create and delete servers",
		})
	}
	return report, err
}

// sshKey finds the key that new servers shall have. Its id is kept, so that a
// launch need not ask.
func (p *Providers) sshKey(ctx context.Context, provider string, c dcm.Credential, idOrName string) (id string, err error) {
	if idOrName == "" {
		return "", nil
	}
	blame := map[dcm.ProviderKind]string{dcm.KindAuth: "apiToken", dcm.KindNotFound: "sshKeyId", dcm.KindInvalid: "sshKeyId"}
	err = checked(ctx, provider, blame, func(ctx context.Context) error {
		id, err = p.Adapters[provider].SSHKey(ctx, c, idOrName)
		return err
	})
	return id, err
}

// identify says under which id the account is kept. A token that is proven to
// open the same account keeps its id, and with it the VMs that name it. Any
// other gets a new one, so that a launch which began with the old token fails
// instead of leaving a server where no token of ours reaches.
func (p *Providers) identify(ctx context.Context, t dcm.TenantID, before dcm.ProviderAccount, c dcm.Credential, provider string) (dcm.AccountID, error) {
	if before.ID == dcm.PlatformAccount || before.ActiveVMs == 0 {
		return dcm.NewAccountID(p.Random)
	}
	dependent, err := dependents(ctx, p.Store.Tenant(t), before)
	if err != nil {
		return "", err
	}
	seen, err := p.servers(ctx, t, c, provider)
	if err != nil {
		return "", err
	}
	// One thing that both tokens know proves the account, for servers and keys
	// have one number at their provider. What else is missing was deleted by hand.
	proven, err := p.hasKey(ctx, c, before)
	if err != nil {
		return "", err
	}
	var unseen []string
	for _, vm := range dependent {
		switch {
		case vm.ProviderID == "":
			// Its launch is under way in the account that the others prove.
		case seen[vm.ProviderID] == vm.ID:
			proven = true
		default:
			unseen = append(unseen, string(vm.ID))
		}
	}
	switch {
	case proven:
		return before.ID, nil
	case len(unseen) > 0:
		return "", dcm.Errorf(dcm.CodeConflict,
			"nothing shows that the token opens the same account at %s: it does not see the servers of %s, nor the account's SSH key; stop them first",
			provider, listed(unseen))
	default:
		return "", dcm.Errorf(dcm.CodeConflict, "a VM is being created with the old token; try again in a minute")
	}
}

// hasKey reports whether the credential opens the account's SSH key.
func (p *Providers) hasKey(ctx context.Context, c dcm.Credential, a dcm.ProviderAccount) (bool, error) {
	if a.SSHKeyID == "" {
		return false, nil
	}
	found := ""
	err := checked(ctx, a.Provider, map[dcm.ProviderKind]string{dcm.KindAuth: "apiToken"}, func(ctx context.Context) (err error) {
		found, err = p.Adapters[a.Provider].SSHKey(ctx, c, a.SSHKeyID)
		if dcm.KindOf(err) == dcm.KindNotFound {
			return nil
		}
		return err
	})
	return found == a.SSHKeyID, err
}

// servers maps the tenant's servers in the account to their VMs.
func (p *Providers) servers(ctx context.Context, t dcm.TenantID, c dcm.Credential, provider string) (map[string]dcm.VMID, error) {
	seen := map[string]dcm.VMID{}
	err := checked(ctx, provider, map[dcm.ProviderKind]string{dcm.KindAuth: "apiToken"}, func(ctx context.Context) error {
		servers, err := p.Adapters[provider].ListVMs(ctx, c, map[string]string{
			dcm.LabelManagedBy: dcm.ManagedBy, dcm.LabelInstallation: p.Installation, dcm.LabelTenant: string(t),
		})
		for _, s := range servers {
			seen[s.ID] = dcm.VMID(s.Labels[dcm.LabelVM])
		}
		return err
	})
	return seen, err
}

// account seals the token into the account's record.
func (p *Providers) account(ctx context.Context, t dcm.Tenant, id dcm.AccountID, r ProviderRequest) (dcm.ProviderAccount, error) {
	now := p.Clock.Now()
	sealed, err := seal(ctx, p.Sealer, p.Store.Tenant(t.ID), t.AccountsKey, ProviderContext(t.ID, id), r.APIToken, now)
	if err != nil {
		return dcm.ProviderAccount{}, fmt.Errorf("seal the token for %s: %w", r.Type, err)
	}
	return dcm.ProviderAccount{
		ID: id, Provider: r.Type, Sealed: sealed, Fingerprint: dcm.Fingerprint(id, r.APIToken),
		Region: r.Region, SSHKeyID: r.SSHKeyID, ProjectID: r.ProjectID, SelfDestruct: r.SelfDestruct,
		AddedAt: now, CheckedAt: now,
	}, nil
}
