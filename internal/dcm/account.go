package dcm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"time"
)

// AccountID names an account that a tenant brought along: "ac-" and ten
// characters. "" stands for the platform's.
type AccountID string

// PlatformAccount is the platform's own.
const PlatformAccount AccountID = ""

// NewAccountID draws an id from random.
func NewAccountID(random io.Reader) (AccountID, error) {
	s, err := randomText(random, 10)
	return AccountID("ac-" + s), err
}

// ProviderNames are the providers that the system has words for.
var ProviderNames = []string{"hetzner", "scaleway", "ovh", "digitalocean"}

// SelfDestructProvider is the only value of ProviderAccount.SelfDestruct but "".
const SelfDestructProvider = "provider"

// ProviderAccount is a tenant's own account at a provider.
type ProviderAccount struct {
	ID       AccountID
	Provider string
	// Sealed is the API token.
	Sealed      Sealed
	Fingerprint string
	Region      string
	SSHKeyID    string
	ProjectID   string
	// SelfDestruct is SelfDestructProvider where the tenant has agreed that its
	// VMs hold this token and end their own servers with it, "" where not.
	SelfDestruct string
	AddedAt      time.Time
	// CheckedAt is when the token was last seen to work, Problem what was
	// wrong with it since; nil if nothing.
	CheckedAt time.Time
	Problem   *Problem
	// ActiveVMs counts the VMs that depend on it.
	ActiveVMs int
	// Rate is what is known of its limit on requests. It is written by
	// TenantStore.AccountRate only.
	Rate RateBudget
}

// DNSAccount is a tenant's own zone. VMs are named {vm}.vm.{BaseDomain} in it.
type DNSAccount struct {
	ID         AccountID
	ZoneID     string
	BaseDomain string
	// Sealed is the API token.
	Sealed      Sealed
	Fingerprint string
	AddedAt     time.Time
	// Problem is what was wrong with it when it was last used; nil if nothing.
	Problem *AccountProblem
}

// StorageAccount is a tenant's own bucket.
type StorageAccount struct {
	ID          AccountID
	Endpoint    string
	Bucket      string
	Region      string
	AccessKeyID string
	// Sealed is the secret access key.
	Sealed      Sealed
	Fingerprint string
	AddedAt     time.Time
	// Problem is what was wrong with it when it was last used; nil if nothing.
	Problem *AccountProblem
}

// AccountProblem is why a tenant's own zone or bucket can't be used. Code is one
// of CodeProviderAuth, CodeNotFound, CodeInvalid and CodeProviderUnavailable; Since is when it
// was first met.
type AccountProblem struct {
	Code    Code      `json:"code"`
	Message string    `json:"message"`
	Since   time.Time `json:"since"`
}

// AccountKind tells a tenant's own zones from its buckets.
type AccountKind string

// The kinds of accounts that a profile holds.
const (
	AccountDNS     AccountKind = "dns"
	AccountStorage AccountKind = "storage"
)

// AccountNote says what using a tenant's own zone or bucket came to.
type AccountNote struct {
	Kind AccountKind
	ID   AccountID
	// Fingerprint is that of the secret which was used.
	Fingerprint string
	// Problem is nil if it works.
	Problem *AccountProblem
}

// Fingerprint tells two secrets apart without telling either: the first 12
// hex digits of a SHA-256 over the account's id and the secret.
func Fingerprint(id AccountID, s Secret) string {
	sum := sha256.Sum256([]byte(string(id) + "\x00" + s.Reveal()))
	return hex.EncodeToString(sum[:6])
}

// TenantAccounts is all that says whose credentials serve a tenant. It is read
// in one call, together with what needs it.
type TenantAccounts struct {
	Tenant Tenant
	// Providers are the tenant's own, by the provider's name.
	Providers map[string]ProviderAccount
	// PlatformRates is what is known of the limits on the platform's requests, by
	// the provider's name. Only LaunchContext and ReleaseContext read it.
	PlatformRates map[string]RateBudget
}

// Accounts opens accounts: the platform's or the tenant's own. Errors of
// CodeProviderAuth mean that there is no credential to use.
type Accounts interface {
	// Credential opens an account at the provider: PlatformAccount, or the
	// tenant's own, which must be the one named.
	Credential(ctx context.Context, a TenantAccounts, provider string, id AccountID) (Credential, error)
	// Domain is where the tenant's next VM gets its name.
	Domain(a TenantAccounts) Domain
	// Zone opens the zone where a VM's records were placed.
	Zone(ctx context.Context, a TenantAccounts, p DNSPlacement) (DNSZone, error)
	// Bucket opens the storage of this id.
	Bucket(ctx context.Context, a TenantAccounts, id AccountID) (Bucket, error)
}

// Domain is where names are made: {vm}.{Subdomain}.vm.{Base}.
type Domain struct {
	Base      string
	Subdomain string
	Placement DNSPlacement
}
