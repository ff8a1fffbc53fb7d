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

// batch is what one batch read found.
type batch struct {
	accounts     dcm.TenantAccounts
	vm           *dcm.VM
	workspace    *dcm.Workspace
	workspaceKey *dcm.WorkspaceKey
	idempotency  *dcm.Idempotency
	book         dcm.ChallengeBook
}

// readWithAccounts reads the items with these keys, and the tenant's accounts,
// in one call, strongly consistent. The items are not read as of one moment.
func (t *tenantStore) readWithAccounts(ctx context.Context, keys ...key) (batch, error) {
	keys = append(keys, profileKey(t.id))
	for _, provider := range dcm.ProviderNames {
		keys = append(keys, providerKey(t.id, provider))
	}
	items, err := t.batchGet(ctx, keys)
	if err != nil {
		return batch{}, err
	}
	return t.learnAll(items)
}

func (t *tenantStore) learnAll(items []map[string]types.AttributeValue) (batch, error) {
	known := batch{accounts: dcm.TenantAccounts{Tenant: dcm.Tenant{ID: t.id, Quotas: t.options.DefaultQuotas}}}
	for _, raw := range items {
		if err := t.learn(&known, raw); err != nil {
			return batch{}, fmt.Errorf("decode: %w", err)
		}
	}
	return known, nil
}

// learn adds one item to what is known.
func (t *tenantStore) learn(known *batch, raw map[string]types.AttributeValue) error {
	var k key
	if err := attributevalue.UnmarshalMap(raw, &k); err != nil {
		return err
	}
	switch _, kind, id, _ := k.split(); kind {
	case kindRate:
		var i platformRateItem
		err := attributevalue.UnmarshalMap(raw, &i)
		known.learnRate(id, i.Rate.budget())
		return err
	case kindProfile:
		i, err := decodeProfile(raw)
		known.accounts.Tenant = i.tenant(t.id)
		return err
	case kindProvider:
		return known.learnProvider(raw)
	case kindVM:
		i, err := decodeVM(raw)
		known.vm = new(i.vm())
		return err
	case kindWorkspace:
		i, err := decodeWorkspace(raw)
		known.workspace = new(i.workspace(t.id))
		return err
	case kindWorkspaceKey:
		var i workspaceKeyItem
		err := attributevalue.UnmarshalMap(raw, &i)
		known.workspaceKey = new(i.workspaceKey())
		return err
	case kindChallenges:
		var i challengeItem
		err := attributevalue.UnmarshalMap(raw, &i)
		known.book = i.Book.book()
		return err
	case kindIdempotency:
		var i idempotencyItem
		err := attributevalue.UnmarshalMap(raw, &i)
		// DynamoDB deletes what has expired up to days later.
		if found := i.idempotency(); found.ExpiresAt.After(t.options.Clock.Now()) {
			known.idempotency = found
		}
		return err
	default:
		return nil
	}
}

func (b *batch) learnRate(provider string, rate dcm.RateBudget) {
	if b.accounts.PlatformRates == nil {
		b.accounts.PlatformRates = map[string]dcm.RateBudget{}
	}
	b.accounts.PlatformRates[provider] = rate
}

func (b *batch) learnProvider(raw map[string]types.AttributeValue) error {
	var i providerAccountItem
	if err := attributevalue.UnmarshalMap(raw, &i); err != nil {
		return err
	}
	if b.accounts.Providers == nil {
		b.accounts.Providers = map[string]dcm.ProviderAccount{}
	}
	a := i.account()
	b.accounts.Providers[a.Provider] = a
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
