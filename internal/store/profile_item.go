package store

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Attributes of a profile's item that expressions name.
const (
	attrName             = "name"
	attrEmail            = "email"
	attrAuth             = "auth"
	attrMaxVMs           = "maxConcurrentVMs"
	attrMaxStorageBytes  = "maxStorageBytes"
	attrAllowedProviders = "allowedProviders"
	attrMaxMonthlySpend  = "maxMonthlySpend"
	attrActiveVMs        = "activeVMs"
	attrStorageBytes     = "storageBytes"
	attrSpendMonth       = "spendMonth"
	attrSpent            = "spent"
	attrReserved         = "reserved"
	attrSpendRoom        = "spendRoom"
	attrDNSID            = "dnsId"
	attrStorageID        = "storageId"
	attrAccountsKey      = "accountsKey"
)

// The accounts of a profile are attributes of their own, so that one update
// can set or drop one, whatever else is there.
const (
	dnsPrefix     = "dns#"
	storagePrefix = "storage#"
)

// profileItem is a tenant's profile as the table keeps it. Whoever creates it
// writes every quota and counter, so that conditions need no defaults.
type profileItem struct {
	key
	CreatedAt instant `dynamodbav:"createdAt"`
	UpdatedAt instant `dynamodbav:"updatedAt,omitempty"`
	DueKind   string  `dynamodbav:"dueKind,omitempty"`
	DueAt     int64   `dynamodbav:"dueAt,omitempty"`
	WriteID   string  `dynamodbav:"writeId,omitempty"`

	Name  string   `dynamodbav:"name,omitempty"`
	Email string   `dynamodbav:"email,omitempty"`
	Auth  authItem `dynamodbav:"auth"`

	MaxConcurrentVMs int      `dynamodbav:"maxConcurrentVMs"`
	MaxStorageBytes  int64    `dynamodbav:"maxStorageBytes"`
	AllowedProviders []string `dynamodbav:"allowedProviders"`
	MaxMonthlySpend  int64    `dynamodbav:"maxMonthlySpend"`

	ActiveVMs    int   `dynamodbav:"activeVMs"`
	StorageBytes int64 `dynamodbav:"storageBytes"`

	SpendMonth string `dynamodbav:"spendMonth,omitempty"`
	Spent      int64  `dynamodbav:"spent"`
	Reserved   int64  `dynamodbav:"reserved"`
	// SpendRoom is MaxMonthlySpend - Spent - Reserved: a condition can compare,
	// but not add. It means nothing while there is no limit, but is kept.
	SpendRoom int64 `dynamodbav:"spendRoom"`

	DNSID     string `dynamodbav:"dnsId,omitempty"`
	StorageID string `dynamodbav:"storageId,omitempty"`

	AccountsKey []byte `dynamodbav:"accountsKey,omitempty"`

	dnsAccounts     map[dcm.AccountID]dcm.DNSAccount
	storageAccounts map[dcm.AccountID]dcm.StorageAccount
}

type authItem struct {
	Provider string `dynamodbav:"provider,omitempty"`
	Issuer   string `dynamodbav:"issuer,omitempty"`
	Subject  string `dynamodbav:"subject,omitempty"`
}

func decodeProfile(raw map[string]types.AttributeValue) (profileItem, error) {
	var i profileItem
	if err := attributevalue.UnmarshalMap(raw, &i); err != nil {
		return profileItem{}, err
	}
	for name, value := range raw {
		if err := i.decodeAccount(name, value); err != nil {
			return profileItem{}, err
		}
	}
	return i, nil
}

func (i *profileItem) decodeAccount(attribute string, value types.AttributeValue) error {
	if id, ok := strings.CutPrefix(attribute, dnsPrefix); ok {
		var a dnsAccountItem
		if err := attributevalue.Unmarshal(value, &a); err != nil {
			return err
		}
		if i.dnsAccounts == nil {
			i.dnsAccounts = map[dcm.AccountID]dcm.DNSAccount{}
		}
		i.dnsAccounts[dcm.AccountID(id)] = a.account(dcm.AccountID(id))
	}
	if id, ok := strings.CutPrefix(attribute, storagePrefix); ok {
		var a storageAccountItem
		if err := attributevalue.Unmarshal(value, &a); err != nil {
			return err
		}
		if i.storageAccounts == nil {
			i.storageAccounts = map[dcm.AccountID]dcm.StorageAccount{}
		}
		i.storageAccounts[dcm.AccountID(id)] = a.account(dcm.AccountID(id))
	}
	return nil
}

func (i profileItem) tenant(id dcm.TenantID) dcm.Tenant {
	return dcm.Tenant{
		ID: id, Name: i.Name, Email: i.Email,
		Auth:      dcm.AuthConfig{Provider: i.Auth.Provider, Issuer: i.Auth.Issuer, Subject: i.Auth.Subject},
		CreatedAt: i.CreatedAt.time(), UpdatedAt: i.UpdatedAt.time(),
		Quotas:    i.quotas(),
		ActiveVMs: i.ActiveVMs, StorageBytes: i.StorageBytes,
		Spend: dcm.Spend{Month: dcm.Month(i.SpendMonth), Spent: dcm.Micros(i.Spent), Reserved: dcm.Micros(i.Reserved)},
		DNSID: dcm.AccountID(i.DNSID), DNSAccounts: i.dnsAccounts,
		StorageID: dcm.AccountID(i.StorageID), StorageAccounts: i.storageAccounts,
		AccountsKey: i.AccountsKey,
	}
}

// bytesPerGB is the unit of Quotas.MaxStorageGB.
const bytesPerGB = 1_000_000_000

func (i profileItem) quotas() dcm.Quotas {
	q := dcm.Quotas{
		MaxConcurrentVMs: i.MaxConcurrentVMs, MaxStorageGB: int(i.MaxStorageBytes / bytesPerGB),
		MaxMonthlySpend: dcm.Micros(i.MaxMonthlySpend),
	}
	if len(i.AllowedProviders) > 0 {
		q.AllowedProviders = i.AllowedProviders
	}
	return q
}

// profileWith is the profile of a tenant that has done nothing yet.
func profileWith(q dcm.Quotas) profileItem {
	return profileItem{
		MaxConcurrentVMs: q.MaxConcurrentVMs, MaxStorageBytes: int64(q.MaxStorageGB) * bytesPerGB,
		// Never nil: a list is a list, and not null.
		AllowedProviders: append([]string{}, q.AllowedProviders...),
		MaxMonthlySpend:  int64(q.MaxMonthlySpend), SpendRoom: int64(q.MaxMonthlySpend),
	}
}

// foundQuotas writes the quotas of a profile that does not exist yet.
func (e *edit) foundQuotas(p profileItem) {
	e.setIfNew(attrMaxVMs, p.MaxConcurrentVMs)
	e.setIfNew(attrMaxStorageBytes, p.MaxStorageBytes)
	e.setIfNew(attrAllowedProviders, p.AllowedProviders)
	e.setIfNew(attrMaxMonthlySpend, p.MaxMonthlySpend)
}

// foundCounters writes the counters of a profile that does not exist yet, but
// for the two that a launch counts in, and the room.
func (e *edit) foundCounters(at instant) {
	e.setIfNew(attrCreated, at)
	e.setIfNew(attrStorageBytes, 0)
}

// found writes all that a profile that does not exist yet needs, for updates
// that write none of it themselves.
func (e *edit) found(p profileItem, at instant) {
	e.foundQuotas(p)
	e.foundCounters(at)
	e.setIfNew(attrActiveVMs, 0)
	e.setIfNew(attrSpendRoom, p.SpendRoom)
}

// isAtMost is the condition that one of the two holds: there is no limit, or
// what is compared does.
func unlimitedOr(limit string, c expression.ConditionBuilder) expression.ConditionBuilder {
	return equals(limit, 0).Or(c)
}
