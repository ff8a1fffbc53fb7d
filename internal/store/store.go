package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

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

// DueVMs is one query of the index "due".
func (s *Store) DueVMs(ctx context.Context, shard int, until time.Time, limit int) ([]dcm.DueVM, error) {
	if shard < 0 || shard >= dcm.DueShards || limit < 1 {
		return nil, fmt.Errorf("list due VMs: shard %d, limit %d out of range", shard, limit)
	}
	out, err := s.api.Query(ctx, &dynamodb.QueryInput{
		TableName:              aws.String(s.options.Table),
		IndexName:              aws.String(dueIndex),
		KeyConditionExpression: aws.String("#kind = :kind AND #at <= :until"),
		ExpressionAttributeNames: map[string]string{
			"#kind": attrDueKind, "#at": attrDueAt,
		},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":kind":  &types.AttributeValueMemberS{Value: dueKind(shard)},
			":until": &types.AttributeValueMemberN{Value: strconv.FormatInt(until.Unix(), 10)},
		},
		Limit: aws.Int32(int32(min(limit, maxDuePage))),
	})
	if err != nil {
		return nil, fmt.Errorf("list due VMs of shard %d: %w", shard, err)
	}
	return dueVMs(out.Items)
}

// maxDuePage keeps one page far below DynamoDB's 1 MB.
const maxDuePage = 1000

func dueVMs(items []map[string]types.AttributeValue) ([]dcm.DueVM, error) {
	due := make([]dcm.DueVM, 0, len(items))
	for _, raw := range items {
		var item struct {
			key
			DueAt int64 `dynamodbav:"dueAt"`
		}
		if err := attributevalue.UnmarshalMap(raw, &item); err != nil {
			return nil, fmt.Errorf("decode due VM: %w", err)
		}
		tenant, vm, ok := item.vm()
		if !ok {
			// Nothing of ours writes such a key, and nobody could act on it:
			// it must not keep the sweep from the rest.
			continue
		}
		due = append(due, dcm.DueVM{Tenant: tenant, VM: vm, DueAt: time.Unix(item.DueAt, 0).UTC()})
	}
	return due, nil
}
