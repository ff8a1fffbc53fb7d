package tenancy

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Buckets keeps the tenants' own buckets.
type Buckets struct {
	Store   dcm.Store
	Clock   dcm.Clock
	Random  io.Reader
	Sealer  dcm.Sealer
	Storage dcm.Storage
	// AllowPrivateEndpoints admits storage on private addresses.
	AllowPrivateEndpoints bool
}

// StorageRequest is the body of POST /tenant/storage.
type StorageRequest struct {
	Type            string     `json:"type"`
	Endpoint        string     `json:"endpoint"`
	Bucket          string     `json:"bucket"`
	Region          string     `json:"region"`
	AccessKeyID     string     `json:"accessKeyId"`
	SecretAccessKey dcm.Secret `json:"secretAccessKey"`
}

// Set proves that the keys can do to the bucket all that backups need, seals
// them, and makes the bucket the one for the tenant's new workspaces; a sweep
// moves the others. Other keys to a bucket that is known already replace its
// first: nothing needs to move. Errors: CodeInvalid, CodeConflict,
// CodeProviderAuth, CodeProviderUnavailable.
func (b *Buckets) Set(ctx context.Context, t dcm.TenantID, r StorageRequest) (dcm.StorageAccount, error) {
	if err := r.validate(b.AllowPrivateEndpoints); err != nil {
		return dcm.StorageAccount{}, err
	}
	tenant := b.Store.Tenant(t)
	known, err := tenant.Accounts(ctx)
	if err != nil {
		return dcm.StorageAccount{}, fmt.Errorf("read the accounts of %s: %w", t, err)
	}
	id, err := b.identify(known.Tenant.StorageAccounts, r)
	if err != nil {
		return dcm.StorageAccount{}, err
	}
	if err := b.check(ctx, t, r); err != nil {
		return dcm.StorageAccount{}, err
	}
	sealed, err := b.Sealer.Seal(ctx, StorageContext(t, id), r.SecretAccessKey)
	if err != nil {
		return dcm.StorageAccount{}, fmt.Errorf("seal the storage key: %w", err)
	}
	account := dcm.StorageAccount{
		ID: id, Endpoint: r.Endpoint, Bucket: r.Bucket, Region: r.Region, AccessKeyID: r.AccessKeyID,
		Sealed: sealed, Fingerprint: dcm.Fingerprint(id, r.SecretAccessKey), AddedAt: b.Clock.Now(),
	}
	if _, err := tenant.SetStorageAccount(ctx, &account, account.AddedAt); err != nil {
		return dcm.StorageAccount{}, fmt.Errorf("keep the bucket of %s: %w", t, err)
	}
	return account, nil
}

// check tries the bucket where the tenant's backups will lie.
func (b *Buckets) check(ctx context.Context, t dcm.TenantID, r StorageRequest) error {
	blame := map[dcm.ProviderKind]string{
		dcm.KindAuth: "accessKeyId", dcm.KindNotFound: "bucket", dcm.KindInvalid: "endpoint",
	}
	return checked(ctx, "the storage", blame, func(ctx context.Context) error {
		return b.Storage.Check(ctx, dcm.Bucket{
			Name: r.Bucket, Endpoint: r.Endpoint, Region: r.Region,
			AccessKeyID: r.AccessKeyID, SecretAccessKey: r.SecretAccessKey,
		}, string(t)+"/")
	})
}

func (b *Buckets) identify(known map[dcm.AccountID]dcm.StorageAccount, r StorageRequest) (dcm.AccountID, error) {
	for id, a := range known {
		if a.Endpoint == r.Endpoint && a.Bucket == r.Bucket {
			return id, nil
		}
	}
	if len(known) >= maxKept {
		return "", tooMany()
	}
	return dcm.NewAccountID(b.Random)
}

func (r *StorageRequest) validate(allowPrivate bool) error {
	var f fields
	f.custom(r.Type, "/tenant/storage")
	if err := dcm.CheckEndpoint(r.Endpoint, allowPrivate); err != nil {
		f.check("endpoint", err)
	} else {
		r.Endpoint = sameEndpoint(r.Endpoint)
	}
	f.check("bucket", checkBucket(r.Bucket))
	if r.Region != "" && !regionPattern.MatchString(r.Region) {
		f.add("region", "must be at most 64 lower-case letters, digits and hyphens")
	}
	switch {
	case r.AccessKeyID == "":
		f.add("accessKeyId", "is required")
	case len(r.AccessKeyID) < 3 || len(r.AccessKeyID) > 128 || !visible(r.AccessKeyID) || strings.ContainsAny(r.AccessKeyID, "/,="):
		f.add("accessKeyId", "must be 3 to 128 visible ASCII characters other than / , =")
	}
	f.secret("secretAccessKey", r.SecretAccessKey)
	return f.err()
}

// sameEndpoint writes an endpoint in one way, so that two spellings of one
// bucket are not taken for two.
func sameEndpoint(valid string) string {
	u, err := url.Parse(valid)
	if err != nil {
		return valid
	}
	u.Host = strings.ToLower(u.Host)
	for scheme, port := range map[string]string{"https": ":443", "http": ":80"} {
		if u.Scheme == scheme {
			u.Host = strings.TrimSuffix(u.Host, port)
		}
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u.String()
}
