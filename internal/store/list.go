package store

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const (
	defaultPage = 50
	maxPage     = 100
)

// VMs is one query of the index "byCreated", which is eventually consistent. A
// Limit of 0 means 50; more than 100 counts as 100.
//
// A page with a filter is filtered from what one call reads, up to 1 MB, some
// 500 VMs: it may have fewer items than Limit, even none, and still a
// NextCursor.
func (t *tenantStore) VMs(ctx context.Context, q dcm.VMQuery) (dcm.VMPage, error) {
	limit := min(q.Limit, maxPage)
	if limit < 1 {
		limit = defaultPage
	}
	in, err := t.listQuery(q, limit)
	if err != nil {
		return dcm.VMPage{}, err
	}
	out, err := t.api.Query(ctx, in)
	if err != nil {
		return dcm.VMPage{}, fmt.Errorf("list VMs: %w", err)
	}
	page, err := t.page(q, out, limit)
	if err != nil {
		return dcm.VMPage{}, fmt.Errorf("decode list of VMs: %w", err)
	}
	return page, nil
}

func (t *tenantStore) listQuery(q dcm.VMQuery, limit int) (*dynamodb.QueryInput, error) {
	b := expression.NewBuilder().
		WithKeyCondition(expression.Key(attrListKey).Equal(expression.Value(vmListKey(t.id))))
	filter, filtered := listFilter(q)
	if filtered {
		b = b.WithFilter(filter)
	}
	e, err := b.Build()
	if err != nil {
		return nil, fmt.Errorf("list VMs: build expression: %w", err)
	}
	in := &dynamodb.QueryInput{
		TableName: t.table(), IndexName: aws.String(listIndex),
		KeyConditionExpression: e.KeyCondition(), FilterExpression: e.Filter(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
		ScanIndexForward: aws.Bool(false),
	}
	if !filtered {
		// One more than asked tells whether another page follows. Limit counts
		// before the filter, so it can't help there.
		in.Limit = aws.Int32(int32(limit + 1))
	}
	if q.Cursor != "" {
		at, err := t.openCursor(q)
		if err != nil {
			return nil, err
		}
		in.ExclusiveStartKey = t.startKey(at)
	}
	return in, nil
}

func listFilter(q dcm.VMQuery) (expression.ConditionBuilder, bool) {
	switch {
	case q.Status != "" && q.Workspace != "":
		return equals(attrStatus, string(q.Status)).And(equals(attrWorkspaceID, string(q.Workspace))), true
	case q.Status != "":
		return equals(attrStatus, string(q.Status)), true
	case q.Workspace != "":
		return equals(attrWorkspaceID, string(q.Workspace)), true
	default:
		return expression.ConditionBuilder{}, false
	}
}

func (t *tenantStore) page(q dcm.VMQuery, out *dynamodb.QueryOutput, limit int) (dcm.VMPage, error) {
	more := len(out.Items) > limit
	page := dcm.VMPage{Items: make([]dcm.VM, 0, min(len(out.Items), limit))}
	for _, raw := range out.Items[:min(len(out.Items), limit)] {
		item, err := decodeVM(raw)
		if err != nil {
			return dcm.VMPage{}, err
		}
		page.Items = append(page.Items, item.vm())
	}
	switch {
	case more:
		last := page.Items[limit-1]
		page.NextCursor = t.sealCursor(q, position{created: instantOf(last.CreatedAt), vm: last.ID})
	case len(out.LastEvaluatedKey) > 0:
		last, err := decodeVM(out.LastEvaluatedKey)
		if err != nil {
			return dcm.VMPage{}, err
		}
		page.NextCursor = t.sealCursor(q, position{created: last.CreatedAt, vm: last.vm().ID})
	}
	return page, nil
}

// startKey is a position as DynamoDB wants it: the keys of the index and of
// the item, all of them of this tenant whatever the cursor says.
func (t *tenantStore) startKey(p position) map[string]types.AttributeValue {
	start := vmKey(t.id, p.vm).attributes()
	start[attrListKey] = &types.AttributeValueMemberS{Value: vmListKey(t.id)}
	start[attrCreated] = &types.AttributeValueMemberN{Value: fmt.Sprint(int64(p.created))}
	return start
}
