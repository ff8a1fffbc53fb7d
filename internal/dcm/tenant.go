package dcm

import (
	"slices"
	"time"
)

// Tenant is a customer's profile. A tenant that has not written anything yet
// has none stored, and counts as one with the installation's defaults.
type Tenant struct {
	ID        TenantID
	Name      string
	Email     string
	Auth      AuthConfig
	CreatedAt time.Time
	UpdatedAt time.Time

	Quotas Quotas
	// ActiveVMs counts the VMs that hold a quota slot, StorageBytes what the
	// newest backups of all workspaces weigh. Each moves in the same
	// transaction as what it counts.
	ActiveVMs    int
	StorageBytes int64
	Spend        Spend

	// DNSID and StorageID name the accounts that new VMs and new workspaces
	// use; "" for the platform's. An account that was replaced stays in the map
	// until nothing depends on it.
	DNSID           AccountID
	DNSAccounts     map[AccountID]DNSAccount
	StorageID       AccountID
	StorageAccounts map[AccountID]StorageAccount
	// AccountsKey seals the tenant's next tokens for providers and DNS; nil
	// before the first. A sealed token brings along the key that opens it.
	AccountsKey WrappedKey
}

// AuthConfig says how the tenant's people log in. It is information for the
// platform's owner; tokens are verified by API Gateway alone.
type AuthConfig struct {
	Provider string `json:"provider"` // email, github, google or oidc
	Issuer   string `json:"issuer,omitempty"`
	Subject  string `json:"subject,omitempty"`
}

// Quotas limit what a tenant may use. They belong to the platform.
type Quotas struct {
	MaxConcurrentVMs int
	// MaxStorageGB limits StorageBytes, in 10⁹ bytes; 0 for no limit. It stops
	// new VMs, never a backup: work that exists is always saved.
	MaxStorageGB int
	// AllowedProviders limits where VMs may be; empty for everywhere.
	AllowedProviders []string
	// MaxMonthlySpend limits a calendar month's cost (UTC); 0 for no limit.
	MaxMonthlySpend Micros
}

// Allows reports whether VMs may be made at the provider.
func (q Quotas) Allows(provider string) bool {
	return len(q.AllowedProviders) == 0 || slices.Contains(q.AllowedProviders, provider)
}

// Spend is what a tenant's VMs cost in the current month. Reserved is the
// worst case of the VMs that exist: it is taken on admission and settled on
// release.
type Spend struct {
	Month    Month
	Spent    Micros
	Reserved Micros
}
