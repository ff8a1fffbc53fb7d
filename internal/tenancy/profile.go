package tenancy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Profiles are what tenants say of themselves.
type Profiles struct {
	Store dcm.Store
	Clock dcm.Clock
	// Quotas are those of a tenant that has no profile yet.
	Quotas dcm.Quotas
}

// ProfileRequest is the body of PUT /tenant: all that a tenant may change of
// its profile. What is left out stays as it is.
type ProfileRequest struct {
	Name       *string         `json:"name"`
	Email      *string         `json:"email"`
	AuthConfig *dcm.AuthConfig `json:"authConfig"`
}

// Foreign says, for every field of a profile that a tenant may not change with
// PUT /tenant, who or what changes it.
func Foreign() map[string]string {
	return map[string]string{
		"id":             "is given once and never changes",
		"createdAt":      "never changes",
		"updatedAt":      "is set by every change",
		"quotas":         "belongs to the platform, which changes it with PUT /admin/tenants/{id}/quotas",
		"usage":          "is counted by the platform; nobody sets it",
		"cloudProviders": "is changed with POST /tenant/providers and DELETE /tenant/providers/{name}",
		"dnsConfig":      "is changed with POST and DELETE /tenant/dns",
		"storageConfig":  "is changed with POST and DELETE /tenant/storage",
	}
}

// Change changes what the request names and returns the whole profile.
// CodeInvalid.
func (p *Profiles) Change(ctx context.Context, t dcm.TenantID, r ProfileRequest) (dcm.TenantAccounts, error) {
	change, err := r.validate()
	if err != nil {
		return dcm.TenantAccounts{}, err
	}
	change.At, change.DefaultQuotas = p.Clock.Now(), p.Quotas
	tenant := p.Store.Tenant(t)
	if _, err := tenant.PutTenant(ctx, change); err != nil {
		return dcm.TenantAccounts{}, fmt.Errorf("change the profile of %s: %w", t, err)
	}
	accounts, err := tenant.Accounts(ctx)
	if err != nil {
		return dcm.TenantAccounts{}, fmt.Errorf("read the profile of %s: %w", t, err)
	}
	return accounts, nil
}

func (r ProfileRequest) validate() (dcm.TenantChange, error) {
	var (
		f fields
		c dcm.TenantChange
	)
	if r.Name != nil {
		name := strings.TrimSpace(*r.Name)
		f.check("name", checkText(name, 100))
		c.Name = &name
	}
	if r.Email != nil {
		email := strings.TrimSpace(*r.Email)
		if email != "" {
			f.check("email", checkEmail(email))
		}
		c.Email = &email
	}
	if r.AuthConfig != nil {
		f.auth(*r.AuthConfig)
		c.Auth = r.AuthConfig
	}
	return c, f.err()
}

// authProviders are the ways in which a tenant's people may log in.
var authProviders = []string{"email", "github", "google", "oidc"}

func (f *fields) auth(a dcm.AuthConfig) {
	switch {
	case a.Provider == "":
		f.add("authConfig.provider", "is required: %s", strings.Join(authProviders, ", "))
	case !slices.Contains(authProviders, a.Provider):
		f.add("authConfig.provider", "must be one of %s", strings.Join(authProviders, ", "))
	}
	switch {
	case a.Issuer != "":
		f.check("authConfig.issuer", dcm.CheckEndpoint(a.Issuer, false))
	case a.Provider == "oidc":
		f.add("authConfig.issuer", "is required with oidc")
	}
	f.check("authConfig.subject", checkText(a.Subject, 255))
}
