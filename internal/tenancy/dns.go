package tenancy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Zones keeps the tenants' own DNS zones.
type Zones struct {
	Installation string
	Store        dcm.Store
	Clock        dcm.Clock
	Random       io.Reader
	Sealer       dcm.KeySealer
	DNS          dcm.DNS
}

// DNSRequest is the body of POST /tenant/dns.
type DNSRequest struct {
	Type       string     `json:"type"`
	ZoneID     string     `json:"zoneId"`
	APIToken   dcm.Secret `json:"apiToken"`
	BaseDomain string     `json:"baseDomain"`
}

// Set proves that the token can write the zone, seals it, and makes the zone
// the one where the tenant's next VMs get their names. VMs that exist keep
// theirs. Another token for a zone that is known already serves its old
// records too: they could not be withdrawn if the first token were revoked.
// Errors: CodeInvalid, CodeConflict, CodeProviderAuth, CodeProviderUnavailable.
func (z *Zones) Set(ctx context.Context, t dcm.TenantID, r DNSRequest) (dcm.DNSAccount, error) {
	if err := r.validate(); err != nil {
		return dcm.DNSAccount{}, err
	}
	tenant := z.Store.Tenant(t)
	known, err := tenant.Accounts(ctx)
	if err != nil {
		return dcm.DNSAccount{}, fmt.Errorf("read the accounts of %s: %w", t, err)
	}
	id, err := z.identify(known.Tenant.DNSAccounts, r.ZoneID)
	if err != nil {
		return dcm.DNSAccount{}, err
	}
	if err := z.check(ctx, t, r); err != nil {
		return dcm.DNSAccount{}, err
	}
	now := z.Clock.Now()
	sealed, err := seal(ctx, z.Sealer, tenant, known.Tenant.AccountsKey, DNSContext(t, id), r.APIToken, now)
	if err != nil {
		return dcm.DNSAccount{}, fmt.Errorf("seal the DNS token: %w", err)
	}
	account := dcm.DNSAccount{
		ID: id, ZoneID: r.ZoneID, BaseDomain: r.BaseDomain, Sealed: sealed,
		Fingerprint: dcm.Fingerprint(id, r.APIToken), AddedAt: now,
	}
	if _, err := tenant.SetDNSAccount(ctx, &account, now); err != nil {
		return dcm.DNSAccount{}, fmt.Errorf("keep the DNS zone of %s: %w", t, err)
	}
	return account, nil
}

// check tries the zone with a record of a VM that never was.
func (z *Zones) check(ctx context.Context, t dcm.TenantID, r DNSRequest) error {
	nobody, err := dcm.NewVMID(z.Random)
	if err != nil {
		return fmt.Errorf("draw the name of a check: %w", err)
	}
	blame := map[dcm.ProviderKind]string{
		dcm.KindAuth: "apiToken", dcm.KindNotFound: "zoneId", dcm.KindInvalid: "baseDomain",
	}
	return naming(checked(ctx, "the DNS service", blame, func(ctx context.Context) error {
		return z.DNS.Check(ctx, dcm.DNSZone{ZoneID: r.ZoneID, Token: r.APIToken}, r.BaseDomain, dcm.DNSOwnership{
			Installation: z.Installation, Tenant: t, VM: nobody,
		})
	}))
}

// naming adds to a failed check which record it may have left. Nobody else could
// tell: no sweep looks through a zone that was not kept.
func naming(err error) error {
	left, is := errors.AsType[*dcm.LeftoverError](err)
	e, told := errors.AsType[*dcm.Error](err)
	if !is || !told {
		return err
	}
	named := *e
	named.Message += fmt.Sprintf(". The %s record %s of this check may be left in the zone: delete it there, or send the same settings again once they work, and it is deleted within two hours",
		left.Record.Type, left.Record.Name)
	return &named
}

func (z *Zones) identify(known map[dcm.AccountID]dcm.DNSAccount, zoneID string) (dcm.AccountID, error) {
	for id, a := range known {
		if a.ZoneID == zoneID {
			return id, nil
		}
	}
	if len(known) >= maxKept {
		return "", tooMany()
	}
	return dcm.NewAccountID(z.Random)
}

func (r *DNSRequest) validate() error {
	var f fields
	f.custom(r.Type, "/tenant/dns")
	switch {
	case r.ZoneID == "":
		f.add("zoneId", "is required")
	case !zonePattern.MatchString(r.ZoneID):
		f.add("zoneId", "must be a zone's id: 32 hexadecimal digits")
	}
	f.secret("apiToken", r.APIToken)
	f.check("baseDomain", checkDomain(r.BaseDomain))
	r.BaseDomain = strings.ToLower(r.BaseDomain)
	return f.err()
}

// maxKept bounds how many accounts of one kind a profile holds: the current
// one, and earlier ones that something still depends on.
const maxKept = 8

func tooMany() error {
	return dcm.Errorf(dcm.CodeConflict,
		"%d earlier settings are still in use by VMs or backups; wait until they have ended or moved", maxKept)
}
