package store

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// takeSlot counts the VM and reserves its cost, if the tenant's quotas allow
// it, and writes the profile of a tenant that has none. seen is the profile if
// an earlier try was shown it.
func (t *tenantStore) takeSlot(i dcm.Intent, seen *profileItem) write {
	b := bookingMonth(dcm.MonthOf(i.VM.CreatedAt), seen)
	b.reserve = i.VM.Reserved
	defaults := profileWith(i.DefaultQuotas)
	condition := admits(i, b)
	if refuses(defaults, i, b) == nil {
		condition = absent(attrPK).Or(condition)
	}
	var e edit
	e.addFrom(attrActiveVMs, 0, 1)
	e.foundQuotas(defaults)
	e.foundCounters(instantOf(i.VM.CreatedAt))
	b.write(&e, defaults.SpendRoom)
	return write{
		key: profileKey(t.id), update: &e.UpdateBuilder, condition: &condition,
		refused: func(current map[string]types.AttributeValue) error {
			found := defaults
			if len(current) > 0 {
				var err error
				if found, err = decodeProfile(current); err != nil {
					return fmt.Errorf("decode profile: %w", err)
				}
			}
			if err := refuses(found, i, b); err != nil {
				return err
			}
			return fmt.Errorf("the tenant's profile changed: %w", dcm.ErrLostRace)
		},
	}
}

// admits is the condition that the tenant's quotas allow the VM, and that the
// accounts it is to use are the tenant's.
func admits(i dcm.Intent, b booking) expression.ConditionBuilder {
	name, value := expression.Name, expression.Value
	allowed := name(attrAllowedProviders)
	all := b.condition().
		And(name(attrActiveVMs).LessThan(name(attrMaxVMs))).
		And(unlimitedOr(attrMaxStorageBytes, name(attrStorageBytes).LessThan(name(attrMaxStorageBytes)))).
		And(expression.Size(allowed).Equal(value(0)).Or(allowed.Contains(i.VM.Provider))).
		And(unlimitedOr(attrMaxMonthlySpend, name(attrSpendRoom).GreaterThanEqual(value(int64(b.reserve-b.closing)))))
	// An account that is not the current one may be forgotten any time: only
	// what depends on it already may go on to.
	if id := i.VM.DNS.AccountID; id != dcm.PlatformAccount {
		all = all.And(equals(attrDNSID, string(id)))
	}
	if id := i.VM.StorageID; id != dcm.PlatformAccount {
		if i.NewWorkspace {
			all = all.And(equals(attrStorageID, string(id)))
		} else {
			all = all.And(expression.NameNoDotSplit(storagePrefix + string(id)).AttributeExists())
		}
	}
	return all
}

// refuses says which of the conditions of admits a profile fails; nil for none
// of those that a user can be told about.
func refuses(p profileItem, i dcm.Intent, b booking) error {
	switch q := p.quotas(); {
	case !b.fits(p):
		return &otherBooks{found: p}
	case !q.Allows(i.VM.Provider):
		return dcm.Errorf(dcm.CodeQuotaExceeded, "VMs at %s are not allowed: the allowed providers are %s",
			i.VM.Provider, strings.Join(slices.Sorted(slices.Values(q.AllowedProviders)), ", "))
	case p.ActiveVMs >= p.MaxConcurrentVMs:
		return dcm.Errorf(dcm.CodeQuotaExceeded,
			"the limit of %d VMs at once is reached: %d are in use (creating, running and stopping VMs count)",
			p.MaxConcurrentVMs, p.ActiveVMs)
	case p.MaxStorageBytes > 0 && p.StorageBytes >= p.MaxStorageBytes:
		return dcm.Errorf(dcm.CodeQuotaExceeded,
			"the limit of %d GB of storage is reached: %s GB are in use (the newest backup of every workspace counts)",
			q.MaxStorageGB, gigabytes(p.StorageBytes))
	case p.MaxMonthlySpend > 0 && dcm.Micros(p.SpendRoom)+b.closing < b.reserve:
		return dcm.Errorf(dcm.CodeQuotaExceeded,
			"the limit of %s a month does not allow for this VM, which can cost up to %s: %s are spent and %s are reserved "+
				"(VMs that ended this month count with their cost, creating, running and stopping ones with the most they can cost)",
			q.MaxMonthlySpend, b.reserve, dcm.Micros(p.Spent)-b.closing, dcm.Micros(p.Reserved))
	default:
		return nil
	}
}

// gigabytes renders an amount of bytes, to a tenth, rounded up.
func gigabytes(bytes int64) string {
	const tenth = bytesPerGB / 10
	tenths := (bytes + tenth - 1) / tenth
	return fmt.Sprintf("%d.%d", tenths/10, tenths%10)
}
