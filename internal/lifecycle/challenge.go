package lifecycle

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// maxChallenges is how many values a VM may have published at once: a
// certificate for a name and its wildcard is asked for with two challenges, both
// answered at the same name.
const maxChallenges = 2

// Challenges publishes the answers to the challenges for the VMs' certificates.
// No VM ever holds a credential for the DNS service, and which name a value goes
// to is the record's word: a call can name no other.
type Challenges struct {
	Common
	Accounts dcm.Accounts
	DNS      dcm.DNS
	// Customers reads the platform's accounts with certificate authorities that
	// sign for known customers only: JSON, see customer.
	Customers func(context.Context) (dcm.Secret, error)
}

// Challenge publishes a value for the VM's own name; an empty one withdraws
// every value there is. Either may be repeated. CodeInvalid, CodeConflict (the VM
// is ending, or has as many values as it may), CodeNotFound, CodeProviderAuth,
// CodeProviderUnavailable (call again).
//
// A value is published first and counted then, so that calls at the same time
// can't bring about more than there may be, and no release can miss one: either
// it finds the value, or the VM is seen to be ending here.
//
// With an Account it publishes nothing and answers with a binding.
func (c *Challenges) Challenge(ctx context.Context, who dcm.TokenClaims, r dcm.DNSChallenge) (dcm.DNSChallenges, error) {
	if r.Account != nil {
		return c.bind(ctx, who, r)
	}
	if err := checkChallenge(r); err != nil {
		return dcm.DNSChallenges{}, err
	}
	tenant := c.Store.Tenant(who.Tenant)
	vm, accounts, err := tenant.VMWithAccounts(ctx, who.VM)
	if err != nil {
		return dcm.DNSChallenges{}, fmt.Errorf("read %s: %w", who.VM, err)
	}
	answer := dcm.DNSChallenges{Name: challengeName(vm), Values: []string{}}
	if r.Value == "" && !vm.Status.Active() {
		return answer, nil // its release has withdrawn them
	}
	if r.Value != "" {
		if err := mayHaveCertificate(vm); err != nil {
			return dcm.DNSChallenges{}, err
		}
	}
	zone, err := c.Accounts.Zone(ctx, accounts, vm.DNS)
	if err != nil {
		return dcm.DNSChallenges{}, fmt.Errorf("open the DNS zone: %w", err)
	}
	if r.Value == "" {
		return answer, c.withdraw(ctx, zone, vm)
	}
	if answer.Values, err = c.publish(ctx, zone, vm, r.Value); err != nil {
		return dcm.DNSChallenges{}, err
	}
	return answer, nil
}

func checkChallenge(r dcm.DNSChallenge) error {
	if r.Value == "" {
		return nil
	}
	// Strict: the last character of 43 carries two bits that must be zero.
	if sum, err := base64.RawURLEncoding.Strict().DecodeString(r.Value); err != nil || len(sum) != 32 || len(r.Value) != 43 {
		return dcm.InvalidFields(dcm.FieldError{
			Field: "value", Message: "must be the unpadded base64url of a SHA-256 digest, or empty",
		})
	}
	return nil
}

func mayHaveCertificate(vm dcm.VM) error {
	switch vm.Status {
	case dcm.StatusCreating, dcm.StatusRunning:
		return nil
	}
	return dcm.Errorf(dcm.CodeConflict, "the VM is ending")
}

func challengeName(vm dcm.VM) string { return dcm.ChallengeLabel + "." + vm.Hostname }

// publish returns all of the VM's values.
func (c *Challenges) publish(ctx context.Context, zone dcm.DNSZone, vm dcm.VM, value string) ([]string, error) {
	ids, err := c.DNS.Publish(ctx, zone, []dcm.DNSRecord{{
		Name: challengeName(vm), Type: "TXT", Content: value, TTL: dcm.RecordTTLSeconds,
		Comment: dcm.DNSComment(c.Installation, vm.TenantID, vm.ID),
	}})
	if err != nil {
		return nil, outsideError("the DNS service", fmt.Errorf("publish the challenge of %s: %w", vm.ID, err))
	}
	values, err := c.settled(ctx, zone, vm)
	if err == nil {
		return values, nil
	}
	if e := c.DNS.Withdraw(ctx, zone, ids...); e != nil {
		// It carries the VM's comment: it goes with the VM.
		c.Log.ErrorContext(ctx, "a challenge stays published", "vm", vm.ID, "tenant", vm.TenantID, "records", ids, "error", e)
	}
	return nil, err
}

// settled looks, after a value was published, whether it may stay.
func (c *Challenges) settled(ctx context.Context, zone dcm.DNSZone, vm dcm.VM) ([]string, error) {
	found, err := c.find(ctx, zone, vm)
	if err != nil {
		return nil, err
	}
	if len(found) > maxChallenges {
		return nil, dcm.Errorf(dcm.CodeConflict, "the VM has %d values published already; withdraw them first", maxChallenges)
	}
	now, err := c.Store.Tenant(vm.TenantID).VM(ctx, vm.ID)
	if err != nil {
		return nil, fmt.Errorf("read %s again: %w", vm.ID, err)
	}
	if err := mayHaveCertificate(now); err != nil {
		return nil, err
	}
	values := make([]string, 0, len(found))
	for _, record := range found {
		values = append(values, record.Content)
	}
	return values, nil
}

func (c *Challenges) withdraw(ctx context.Context, zone dcm.DNSZone, vm dcm.VM) error {
	found, err := c.find(ctx, zone, vm)
	if err != nil {
		return err
	}
	ids := make([]string, len(found))
	for i, record := range found {
		ids[i] = record.ID
	}
	if err := c.DNS.Withdraw(ctx, zone, ids...); err != nil {
		return outsideError("the DNS service", fmt.Errorf("withdraw the challenges of %s: %w", vm.ID, err))
	}
	return nil
}

// find leaves out the VM's addresses, which carry the same comment.
func (c *Challenges) find(ctx context.Context, zone dcm.DNSZone, vm dcm.VM) ([]dcm.DNSRecord, error) {
	all, err := c.DNS.Find(ctx, zone, dcm.DNSComment(c.Installation, vm.TenantID, vm.ID), false)
	if err != nil {
		return nil, outsideError("the DNS service", fmt.Errorf("look for the challenges of %s: %w", vm.ID, err))
	}
	var found []dcm.DNSRecord
	for _, record := range all {
		if record.Type == "TXT" && record.Name == challengeName(vm) {
			found = append(found, record)
		}
	}
	return found, nil
}
