package store

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// LaunchContext is one batch read, strongly consistent. The items are not read
// as of one moment: CreateVM checks again all that matters.
func (t *tenantStore) LaunchContext(ctx context.Context, w dcm.WorkspaceID, idemKey string) (dcm.LaunchContext, error) {
	if w != "" && !w.Valid() {
		return dcm.LaunchContext{}, noWorkspace()
	}
	keys := []key{profileKey(t.id)}
	if w != "" {
		keys = append(keys, workspaceKey(t.id, w))
	}
	if idemKey != "" {
		keys = append(keys, idempotencyKey(t.id, idemKey))
	}
	items, err := t.batchGet(ctx, keys)
	if err != nil {
		return dcm.LaunchContext{}, fmt.Errorf("read launch context: %w", err)
	}
	known := dcm.LaunchContext{Tenant: dcm.Tenant{ID: t.id, Quotas: t.options.DefaultQuotas}}
	for _, raw := range items {
		if err := t.learn(&known, raw); err != nil {
			return dcm.LaunchContext{}, fmt.Errorf("decode launch context: %w", err)
		}
	}
	if w != "" && known.Workspace == nil {
		return dcm.LaunchContext{}, noWorkspace()
	}
	return known, nil
}

// learn adds one item to what is known.
func (t *tenantStore) learn(known *dcm.LaunchContext, raw map[string]types.AttributeValue) error {
	var k key
	if err := attributevalue.UnmarshalMap(raw, &k); err != nil {
		return err
	}
	var (
		profile     profileItem
		workspace   workspaceItem
		idempotency idempotencyItem
	)
	switch k.kind() {
	case kindProfile:
		if err := attributevalue.UnmarshalMap(raw, &profile); err != nil {
			return err
		}
		known.Tenant = profile.tenant(t.id)
	case kindWorkspace:
		if err := attributevalue.UnmarshalMap(raw, &workspace); err != nil {
			return err
		}
		w := workspace.workspace(t.id)
		known.Workspace = &w
	case kindIdempotency:
		if err := attributevalue.UnmarshalMap(raw, &idempotency); err != nil {
			return err
		}
		// DynamoDB deletes what has expired up to days later.
		if i := idempotency.idempotency(); i.ExpiresAt.After(t.options.Clock.Now()) {
			known.Earlier = i
		}
	}
	return nil
}

func (t *tenantStore) batchGet(ctx context.Context, keys []key) ([]map[string]types.AttributeValue, error) {
	request := types.KeysAndAttributes{ConsistentRead: aws.Bool(true)}
	for _, k := range keys {
		request.Keys = append(request.Keys, k.attributes())
	}
	var items []map[string]types.AttributeValue
	err := untilUncontended(ctx, func() error {
		out, err := t.api.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{t.options.Table: request},
		})
		if err != nil {
			return err
		}
		if len(out.UnprocessedKeys) > 0 {
			return errUnprocessed
		}
		items = out.Responses[t.options.Table]
		return nil
	})
	return items, err
}
