package store

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// API is what the store uses of *dynamodb.Client.
type API interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// Options configure a Store. All fields are required.
type Options struct {
	// Table is the table's name.
	Table string
	// DefaultQuotas are what a tenant without a stored profile has.
	DefaultQuotas dcm.Quotas
	// Clock decides whether an idempotency key has expired: DynamoDB deletes
	// expired items up to days late.
	Clock dcm.Clock
}

// Store implements dcm.Store. It is safe for concurrent use.
type Store struct {
	api     API
	options Options
}

// New returns the store on a table. It makes no call.
func New(client API, o Options) *Store { return &Store{api: client, options: o} }

// Tenant is the only way to a tenant's items.
func (s *Store) Tenant(id dcm.TenantID) dcm.TenantStore {
	t := &tenantStore{api: s.api, id: id, options: s.options}
	if !id.Valid() {
		t.api = refusal{fmt.Errorf("tenant id %q is not valid", id)}
	}
	return t
}

// tenantStore implements dcm.TenantStore for one tenant.
type tenantStore struct {
	api     API
	id      dcm.TenantID
	options Options
}

func (t *tenantStore) table() *string { return aws.String(t.options.Table) }
