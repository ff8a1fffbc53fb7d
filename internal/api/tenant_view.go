package api

import (
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Tenant is a tenant's profile as the API shows it. No secret is in it: only
// when one was set, and its fingerprint.
type Tenant struct {
	ID             dcm.TenantID             `json:"id"`
	Name           *string                  `json:"name"`
	Email          *string                  `json:"email"`
	CreatedAt      *time.Time               `json:"createdAt"`
	UpdatedAt      *time.Time               `json:"updatedAt"`
	AuthConfig     *dcm.AuthConfig          `json:"authConfig"`
	CloudProviders map[string]CloudProvider `json:"cloudProviders"`
	DNSConfig      DNSConfig                `json:"dnsConfig"`
	StorageConfig  StorageConfig            `json:"storageConfig"`
	Quotas         Quotas                   `json:"quotas"`
	Usage          TenantGlance             `json:"usage"`
}

// CloudProvider is a tenant's own account at a provider.
type CloudProvider struct {
	CredentialsKeyID dcm.AccountID `json:"credentialsKeyId"`
	Fingerprint      string        `json:"fingerprint"`
	DefaultRegion    *string       `json:"defaultRegion"`
	SSHKeyID         *string       `json:"sshKeyId"`
	ProjectID        *string       `json:"projectId"`
	SelfDestruct     *string       `json:"selfDestruct"`
	AddedAt          time.Time     `json:"addedAt"`
	LastCheckedAt    *time.Time    `json:"lastCheckedAt"`
	Problem          *dcm.Problem  `json:"problem"`
	ActiveVMs        int           `json:"activeVMs"`
}

// DNSConfig says where a tenant's next VMs get their names. Type is "platform"
// or "custom"; on the platform's domain only BaseDomain is told.
type DNSConfig struct {
	Type        string     `json:"type"`
	ZoneID      *string    `json:"zoneId"`
	BaseDomain  string     `json:"baseDomain"`
	Fingerprint *string    `json:"fingerprint"`
	AddedAt     *time.Time `json:"addedAt"`
	// Problem is why the tenant's own can't be used; null if nothing is known.
	Problem *dcm.AccountProblem `json:"problem"`
}

// StorageConfig says where a tenant's new workspaces keep their backups. Type
// is "platform" or "custom"; of the platform's nothing else is told.
type StorageConfig struct {
	Type     string  `json:"type"`
	Endpoint *string `json:"endpoint"`
	Bucket   *string `json:"bucket"`
	Region   *string `json:"region"`
	// AccessKeyID shows its last four characters only.
	AccessKeyID *string    `json:"accessKeyId"`
	Fingerprint *string    `json:"fingerprint"`
	AddedAt     *time.Time `json:"addedAt"`
	// Problem is why the tenant's own can't be used; null if nothing is known.
	Problem *dcm.AccountProblem `json:"problem"`
}

// Quotas are a tenant's limits; null, or no provider at all, is no limit.
type Quotas struct {
	MaxConcurrentVMs int      `json:"maxConcurrentVMs"`
	MaxStorageGB     *int     `json:"maxStorageGB"`
	AllowedProviders []string `json:"allowedProviders"`
	MaxMonthlySpend  *string  `json:"maxMonthlySpend"`
}

// TenantGlance is what a tenant uses now, and has spent this month. Reserved
// is the most that the VMs which exist may yet cost.
type TenantGlance struct {
	ActiveVMs    int       `json:"activeVMs"`
	StorageBytes int64     `json:"storageBytes"`
	Month        dcm.Month `json:"month"`
	Spent        string    `json:"spent"`
	Reserved     string    `json:"reserved"`
}

// TenantPresenter shows tenants.
type TenantPresenter struct {
	// BaseDomain is the platform's.
	BaseDomain string
	Clock      dcm.Clock
}

// View shows a tenant's whole profile.
func (p TenantPresenter) View(a dcm.TenantAccounts) Tenant {
	t := a.Tenant
	v := Tenant{
		ID: t.ID, Name: optional(t.Name), Email: optional(t.Email),
		CreatedAt: optionalTime(t.CreatedAt), UpdatedAt: optionalTime(t.UpdatedAt),
		CloudProviders: map[string]CloudProvider{},
		DNSConfig:      p.dns(t), StorageConfig: viewStorage(t), Quotas: viewQuotas(t.Quotas), Usage: p.glance(t),
	}
	if t.Auth != (dcm.AuthConfig{}) {
		v.AuthConfig = &t.Auth
	}
	for name, account := range a.Providers {
		v.CloudProviders[name] = viewProvider(account)
	}
	return v
}

func viewProvider(a dcm.ProviderAccount) CloudProvider {
	return CloudProvider{
		CredentialsKeyID: a.ID, Fingerprint: a.Fingerprint,
		DefaultRegion: optional(a.Region), SSHKeyID: optional(a.SSHKeyID), ProjectID: optional(a.ProjectID),
		SelfDestruct: optional(a.SelfDestruct),
		AddedAt:      a.AddedAt, LastCheckedAt: optionalTime(a.CheckedAt), Problem: a.Problem, ActiveVMs: a.ActiveVMs,
	}
}

func (p TenantPresenter) dns(t dcm.Tenant) DNSConfig {
	own, custom := t.DNSAccounts[t.DNSID]
	if !custom || t.DNSID == dcm.PlatformAccount {
		return DNSConfig{Type: "platform", BaseDomain: p.BaseDomain}
	}
	return viewDNS(own)
}

func viewDNS(a dcm.DNSAccount) DNSConfig {
	return DNSConfig{
		Type: "custom", ZoneID: &a.ZoneID, BaseDomain: a.BaseDomain, Fingerprint: &a.Fingerprint, AddedAt: &a.AddedAt,
		Problem: a.Problem,
	}
}

func viewStorage(t dcm.Tenant) StorageConfig {
	own, custom := t.StorageAccounts[t.StorageID]
	if !custom || t.StorageID == dcm.PlatformAccount {
		return StorageConfig{Type: "platform"}
	}
	return viewBucket(own)
}

func viewBucket(a dcm.StorageAccount) StorageConfig {
	masked := mask(a.AccessKeyID)
	return StorageConfig{
		Type: "custom", Endpoint: &a.Endpoint, Bucket: &a.Bucket, Region: optional(a.Region),
		AccessKeyID: &masked, Fingerprint: &a.Fingerprint, AddedAt: &a.AddedAt, Problem: a.Problem,
	}
}

// mask leaves of a key's id what tells two apart.
func mask(id string) string {
	const shown, hidden = 4, "****"
	if len(id) <= 2*shown {
		return hidden
	}
	return hidden + id[len(id)-shown:]
}

func viewQuotas(q dcm.Quotas) Quotas {
	v := Quotas{MaxConcurrentVMs: q.MaxConcurrentVMs, AllowedProviders: q.AllowedProviders}
	if v.AllowedProviders == nil {
		v.AllowedProviders = []string{}
	}
	if q.MaxStorageGB != 0 {
		v.MaxStorageGB = &q.MaxStorageGB
	}
	if q.MaxMonthlySpend != 0 {
		v.MaxMonthlySpend = optional(q.MaxMonthlySpend.String())
	}
	return v
}

// glance shows nothing spent in a month in which no VM has ended yet.
func (p TenantPresenter) glance(t dcm.Tenant) TenantGlance {
	g := TenantGlance{
		ActiveVMs: t.ActiveVMs, StorageBytes: t.StorageBytes,
		Month: dcm.MonthOf(p.Clock.Now()), Spent: dcm.Micros(0).String(), Reserved: t.Spend.Reserved.String(),
	}
	if t.Spend.Month == g.Month {
		g.Spent = t.Spend.Spent.String()
	}
	return g
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
