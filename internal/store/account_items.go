package store

import "github.com/devcontainer-manager/devcontainer-manager/internal/dcm"

// Attributes of a provider account's item that expressions name.
const (
	attrAccountID = "id"
	attrCheckedAt = "checkedAt"
	attrProblem   = "problem"
)

// providerAccountItem is a tenant's own account at the provider in its key.
type providerAccountItem struct {
	key
	ID          string `dynamodbav:"id"`
	Sealed      []byte `dynamodbav:"sealed"`
	Fingerprint string `dynamodbav:"fingerprint"`
	Region      string `dynamodbav:"region"`
	SSHKeyID    string `dynamodbav:"sshKeyId"`
	ProjectID   string `dynamodbav:"projectId"`
	// SelfDestruct is written when empty as well: it must not outlive an account
	// that had it.
	SelfDestruct string       `dynamodbav:"selfDestruct"`
	AddedAt      instant      `dynamodbav:"addedAt"`
	CheckedAt    instant      `dynamodbav:"checkedAt"`
	Problem      *problemItem `dynamodbav:"problem,omitempty"`
	// ActiveVMs is counted by launches and releases, and never set.
	ActiveVMs int `dynamodbav:"activeVMs,omitempty"`
	// Rate is what is known of its limit on requests; never set with the rest.
	Rate *rateItem `dynamodbav:"rate,omitempty"`
}

// itemOfProviderAccount leaves ActiveVMs and Rate out.
func itemOfProviderAccount(t dcm.TenantID, a dcm.ProviderAccount) providerAccountItem {
	return providerAccountItem{
		key: providerKey(t, a.Provider), ID: string(a.ID), Sealed: a.Sealed, Fingerprint: a.Fingerprint,
		Region: a.Region, SSHKeyID: a.SSHKeyID, ProjectID: a.ProjectID, SelfDestruct: a.SelfDestruct,
		AddedAt: instantOf(a.AddedAt), CheckedAt: instantOf(a.CheckedAt), Problem: itemOfProblem(a.Problem),
	}
}

func (i providerAccountItem) account() dcm.ProviderAccount {
	_, _, provider, _ := i.split()
	return dcm.ProviderAccount{
		ID: dcm.AccountID(i.ID), Provider: provider, Sealed: i.Sealed, Fingerprint: i.Fingerprint,
		Region: i.Region, SSHKeyID: i.SSHKeyID, ProjectID: i.ProjectID, SelfDestruct: i.SelfDestruct,
		AddedAt: i.AddedAt.time(), CheckedAt: i.CheckedAt.time(), Problem: i.Problem.problem(), ActiveVMs: i.ActiveVMs,
		Rate: i.Rate.budget(),
	}
}

type dnsAccountItem struct {
	ZoneID      string  `dynamodbav:"zoneId"`
	BaseDomain  string  `dynamodbav:"baseDomain"`
	Sealed      []byte  `dynamodbav:"sealed"`
	Fingerprint string  `dynamodbav:"fingerprint"`
	AddedAt     instant `dynamodbav:"addedAt"`
	// Problem is never set with the rest: another secret begins without one.
	Problem *accountProblemItem `dynamodbav:"problem,omitempty"`
}

func itemOfDNSAccount(a dcm.DNSAccount) dnsAccountItem {
	return dnsAccountItem{
		ZoneID: a.ZoneID, BaseDomain: a.BaseDomain, Sealed: a.Sealed, Fingerprint: a.Fingerprint, AddedAt: instantOf(a.AddedAt),
	}
}

func (i dnsAccountItem) account(id dcm.AccountID) dcm.DNSAccount {
	return dcm.DNSAccount{
		ID: id, ZoneID: i.ZoneID, BaseDomain: i.BaseDomain, Sealed: i.Sealed, Fingerprint: i.Fingerprint, AddedAt: i.AddedAt.time(),
		Problem: i.Problem.problem(),
	}
}

type storageAccountItem struct {
	Endpoint    string  `dynamodbav:"endpoint"`
	Bucket      string  `dynamodbav:"bucket"`
	Region      string  `dynamodbav:"region"`
	AccessKeyID string  `dynamodbav:"accessKeyId"`
	Sealed      []byte  `dynamodbav:"sealed"`
	Fingerprint string  `dynamodbav:"fingerprint"`
	AddedAt     instant `dynamodbav:"addedAt"`
	// Problem is never set with the rest: another secret begins without one.
	Problem *accountProblemItem `dynamodbav:"problem,omitempty"`
}

func itemOfStorageAccount(a dcm.StorageAccount) storageAccountItem {
	return storageAccountItem{
		Endpoint: a.Endpoint, Bucket: a.Bucket, Region: a.Region, AccessKeyID: a.AccessKeyID,
		Sealed: a.Sealed, Fingerprint: a.Fingerprint, AddedAt: instantOf(a.AddedAt),
	}
}

func (i storageAccountItem) account(id dcm.AccountID) dcm.StorageAccount {
	return dcm.StorageAccount{
		ID: id, Endpoint: i.Endpoint, Bucket: i.Bucket, Region: i.Region, AccessKeyID: i.AccessKeyID,
		Sealed: i.Sealed, Fingerprint: i.Fingerprint, AddedAt: i.AddedAt.time(),
		Problem: i.Problem.problem(),
	}
}

type accountProblemItem struct {
	Code    string  `dynamodbav:"code"`
	Message string  `dynamodbav:"message"`
	Since   instant `dynamodbav:"since"`
}

func itemOfAccountProblem(p dcm.AccountProblem) accountProblemItem {
	return accountProblemItem{Code: string(p.Code), Message: shortened(p.Message), Since: instantOf(p.Since)}
}

func (i *accountProblemItem) problem() *dcm.AccountProblem {
	if i == nil {
		return nil
	}
	return &dcm.AccountProblem{Code: dcm.Code(i.Code), Message: i.Message, Since: i.Since.time()}
}
