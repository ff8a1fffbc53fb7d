package store

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const (
	defaultPage = 50
	maxPage     = 100
)

// pageOf is one page of a tenant's items to read, newest first, in one query. A
// limit of 0 means 50; more than 100 counts as 100.
type pageOf[T any] struct {
	listing listing
	// index is the index to read; nil for the table itself.
	index  *string
	keys   expression.KeyConditionBuilder
	filter *expression.ConditionBuilder
	limit  int
	cursor string
	// start is a position as DynamoDB wants it: the keys of the index and of the
	// item, all of them of this tenant whatever the cursor says.
	start func(position) map[string]types.AttributeValue
	// decode reads an item, and position where it is. An item may have its keys
	// alone.
	decode   func(map[string]types.AttributeValue) (T, error)
	position func(T) position
}

// readPage returns the page and the cursor of the next, "" on the last.
//
// A page with a filter is filtered from what one call reads, up to 1 MB, some
// 500 VMs: it may have fewer items than the limit, even none, and still a
// cursor.
func readPage[T any](ctx context.Context, t *tenantStore, p pageOf[T]) (page []T, next string, err error) {
	limit := min(p.limit, maxPage)
	if limit < 1 {
		limit = defaultPage
	}
	in, err := pageQuery(t, p, limit)
	if err != nil {
		return nil, "", err
	}
	out, err := t.api.Query(ctx, in)
	if err != nil {
		return nil, "", err
	}
	page = make([]T, 0, min(len(out.Items), limit))
	for _, raw := range out.Items[:min(len(out.Items), limit)] {
		item, err := p.decode(raw)
		if err != nil {
			return nil, "", fmt.Errorf("decode: %w", err)
		}
		page = append(page, item)
	}
	switch {
	case len(out.Items) > limit:
		next = t.sealCursor(p.listing, p.position(page[limit-1]))
	case len(out.LastEvaluatedKey) > 0:
		last, err := p.decode(out.LastEvaluatedKey)
		if err != nil {
			return nil, "", fmt.Errorf("decode: %w", err)
		}
		next = t.sealCursor(p.listing, p.position(last))
	}
	return page, next, nil
}

func pageQuery[T any](t *tenantStore, p pageOf[T], limit int) (*dynamodb.QueryInput, error) {
	b := expression.NewBuilder().WithKeyCondition(p.keys)
	if p.filter != nil {
		b = b.WithFilter(*p.filter)
	}
	e, err := b.Build()
	if err != nil {
		return nil, fmt.Errorf("build expression: %w", err)
	}
	in := &dynamodb.QueryInput{
		TableName: t.table(), IndexName: p.index,
		KeyConditionExpression: e.KeyCondition(), FilterExpression: e.Filter(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
		ScanIndexForward: aws.Bool(false),
	}
	if p.filter == nil {
		// One more than asked tells whether another page follows. Limit counts
		// before the filter, so it can't help there.
		in.Limit = aws.Int32(int32(limit + 1))
	}
	if p.cursor != "" {
		at, err := t.openCursor(p.listing, p.cursor)
		if err != nil {
			return nil, err
		}
		in.ExclusiveStartKey = p.start(at)
	}
	return in, nil
}

// listed is the key condition on a tenant's items of one kind in the index
// "byCreated".
func (t *tenantStore) listed(kind string) expression.KeyConditionBuilder {
	return expression.Key(attrListKey).Equal(expression.Value(listKey(t.id, kind)))
}

// listStart is a position in the index "byCreated".
func (t *tenantStore) listStart(kind string, item key, at instant) map[string]types.AttributeValue {
	start := item.attributes()
	start[attrListKey] = &types.AttributeValueMemberS{Value: listKey(t.id, kind)}
	start[attrCreated] = &types.AttributeValueMemberN{Value: fmt.Sprint(int64(at))}
	return start
}
