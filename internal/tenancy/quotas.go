package tenancy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// QuotasRequest is the body of PUT /admin/tenants/{id}/quotas. It replaces all
// the quotas: what is left out is no limit.
type QuotasRequest struct {
	// MaxConcurrentVMs is required; 0 lets no VM begin.
	MaxConcurrentVMs *int `json:"maxConcurrentVMs"`
	// MaxStorageGB is in 10⁹ bytes.
	MaxStorageGB     *int     `json:"maxStorageGB"`
	AllowedProviders []string `json:"allowedProviders"`
	MaxMonthlySpend  *Amount  `json:"maxMonthlySpend"`
}

// Amount is a decimal amount of money, as a string or a number: "50.00" or 50.
type Amount string

// UnmarshalJSON keeps the digits as they are written.
func (a *Amount) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(a))
	}
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	*a = Amount(n)
	return nil
}

// The most that quotas may say. Beyond them, sums might not be exact.
const (
	maxVMs       = 100_000
	maxStorageGB = 1_000_000_000
	maxSpend     = dcm.Micros(1_000_000_000 * 1_000_000)
)

// SetQuotas replaces a tenant's quotas. Any tenant id may be named: one that
// never called has a profile from now on. CodeInvalid.
func (p *Profiles) SetQuotas(ctx context.Context, t dcm.TenantID, r QuotasRequest) (dcm.Tenant, error) {
	quotas, err := r.validate(t)
	if err != nil {
		return dcm.Tenant{}, err
	}
	tenant, err := p.Store.Tenant(t).SetQuotas(ctx, quotas, p.Quotas, p.Clock.Now())
	if err != nil {
		return dcm.Tenant{}, fmt.Errorf("set the quotas of %s: %w", t, err)
	}
	return tenant, nil
}

func (r QuotasRequest) validate(t dcm.TenantID) (dcm.Quotas, error) {
	var (
		f fields
		q dcm.Quotas
	)
	if !t.Valid() {
		f.add("id", "must be a DNS label of at most 32 characters")
	}
	switch {
	case r.MaxConcurrentVMs == nil:
		f.add("maxConcurrentVMs", "is required")
	case *r.MaxConcurrentVMs < 0 || *r.MaxConcurrentVMs > maxVMs:
		f.add("maxConcurrentVMs", "must be between 0 and %d", maxVMs)
	default:
		q.MaxConcurrentVMs = *r.MaxConcurrentVMs
	}
	if r.MaxStorageGB != nil {
		q.MaxStorageGB = *r.MaxStorageGB
		if q.MaxStorageGB < 1 || q.MaxStorageGB > maxStorageGB {
			f.add("maxStorageGB", "must be between 1 and %d; leave it out for no limit", maxStorageGB)
		}
	}
	q.AllowedProviders = r.AllowedProviders
	f.check("allowedProviders", checkProviders(r.AllowedProviders))
	if r.MaxMonthlySpend != nil {
		var err error
		q.MaxMonthlySpend, err = r.MaxMonthlySpend.micros()
		f.check("maxMonthlySpend", err)
	}
	return q, f.err()
}

// checkProviders wants each known name at most once. None at all is no limit.
func checkProviders(names []string) error {
	for i, name := range names {
		switch {
		case !slices.Contains(dcm.ProviderNames, name):
			return fmt.Errorf("may name %s", strings.Join(dcm.ProviderNames, ", "))
		case slices.Contains(names[:i], name):
			return fmt.Errorf("names %s twice", name)
		}
	}
	return nil
}

// micros refuses 0, which would lift the limit where its sender may well have
// meant to allow nothing.
func (a Amount) micros() (dcm.Micros, error) {
	m, err := dcm.ParseMicros(string(a))
	if err != nil || len(a) > 24 {
		return 0, errors.New(`must be an amount such as "50.00"`)
	}
	if m == 0 || m > maxSpend {
		return 0, fmt.Errorf("must be above 0 and at most %s; leave it out for no limit", maxSpend)
	}
	return m, nil
}
