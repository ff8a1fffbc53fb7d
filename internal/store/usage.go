package store

import (
	"context"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Usage is one query, of this month's usage and of all before: what was stored
// when the month began is the sum of their changes. Of the month under way,
// storage counts until now.
func (t *tenantStore) Usage(ctx context.Context, m dcm.Month) (dcm.MonthlyUsage, error) {
	if !m.Valid() {
		return dcm.MonthlyUsage{}, dcm.InvalidFields(dcm.FieldError{Field: "month", Message: "must be a month, such as 2026-11"})
	}
	items, err := t.usageUntil(ctx, m)
	if err != nil {
		return dcm.MonthlyUsage{}, fmt.Errorf("read usage of %s: %w", m, err)
	}
	used := dcm.MonthlyUsage{Month: m}
	var before, stored storageCounters
	for _, raw := range items {
		c, err := countersOf(raw)
		if err != nil {
			return dcm.MonthlyUsage{}, fmt.Errorf("decode usage: %w", err)
		}
		if c.month != m {
			before.bytes += c.storage.bytes
			continue
		}
		used.VMs, stored = c.vms(), c.storage
	}
	for _, u := range used.VMs {
		used.Cost += u.Cost
	}
	used.Storage = storedIn(m, t.options.Clock.Now().Unix(), before.bytes, stored)
	return used, nil
}

func (t *tenantStore) usageUntil(ctx context.Context, m dcm.Month) ([]map[string]types.AttributeValue, error) {
	e, err := t.between(usageKey(t.id, "").SK, usageKey(t.id, m).SK)
	if err != nil {
		return nil, fmt.Errorf("build expression: %w", err)
	}
	var items []map[string]types.AttributeValue
	in := &dynamodb.QueryInput{
		TableName: t.table(), ConsistentRead: aws.Bool(true), KeyConditionExpression: e.KeyCondition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
	}
	// One page holds centuries, but nothing may be left out.
	for {
		out, err := t.api.Query(ctx, in)
		if err != nil {
			return nil, err
		}
		items = append(items, out.Items...)
		if len(out.LastEvaluatedKey) == 0 {
			return items, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// storageCounters are a month's changes of what is stored: see countBytes.
type storageCounters struct {
	bytes       int64
	byteSeconds dcm.ByteSeconds
}

// storedIn is what was stored in a month, until now at most.
func storedIn(m dcm.Month, now, before int64, c storageCounters) dcm.ByteSeconds {
	start, end := span(m)
	until := min(max(now, start), end)
	sum := dcm.StoredFor(before, until-start).Plus(c.byteSeconds).Minus(dcm.StoredFor(c.bytes, end-until))
	if sum.Sign() < 0 { // a change by a clock ahead of ours
		return dcm.ByteSeconds{}
	}
	return sum
}

// counters are a month's counters as they were read.
type counters struct {
	month   dcm.Month
	used    map[vmSort]*dcm.Usage
	storage storageCounters
}

// vmSort is what VMs are counted by.
type vmSort struct {
	provider string
	size     dcm.Size
}

func countersOf(raw map[string]types.AttributeValue) (counters, error) {
	var k key
	if err := attributevalue.UnmarshalMap(raw, &k); err != nil {
		return counters{}, err
	}
	_, _, month, _ := k.split()
	c := counters{month: dcm.Month(month), used: map[vmSort]*dcm.Usage{}}
	for name, value := range raw {
		if err := c.read(name, value); err != nil {
			return counters{}, fmt.Errorf("%s of %s: %w", name, month, err)
		}
	}
	return c, nil
}

func (c *counters) read(name string, value types.AttributeValue) error {
	number, ok := value.(*types.AttributeValueMemberN)
	if !ok {
		return nil // a key
	}
	r, ok := new(big.Rat).SetString(number.Value)
	if !ok || !r.IsInt() {
		return fmt.Errorf("%q is not a whole number", number.Value)
	}
	n := r.Num()
	switch name {
	case countBytes:
		c.storage.bytes = n.Int64()
	case countByteSeconds:
		var err error
		c.storage.byteSeconds, err = dcm.ParseByteSeconds(n.String())
		return err
	default:
		return c.readVM(name, n.Int64())
	}
	return nil
}

func (c *counters) readVM(name string, n int64) error {
	parts := strings.Split(name, "/")
	if len(parts) != 4 || parts[0] != vmCounterPrefix {
		return nil
	}
	provider, err := url.PathUnescape(parts[1])
	if err != nil {
		return fmt.Errorf("name of a provider: %w", err)
	}
	size, err := url.PathUnescape(parts[2])
	if err != nil {
		return fmt.Errorf("name of a size: %w", err)
	}
	sort := vmSort{provider: provider, size: dcm.Size(size)}
	u := c.used[sort]
	if u == nil {
		u = &dcm.Usage{Month: c.month, Provider: sort.provider, Size: sort.size}
		c.used[sort] = u
	}
	switch parts[3] {
	case countStarted:
		u.VMsStarted = n
	case countSeconds:
		u.VMSeconds = n
	case countHours:
		u.BilledHours = n
	case countCost:
		u.Cost = dcm.Micros(n)
	}
	return nil
}

// vms are the counters of VMs, by provider and size.
func (c *counters) vms() []dcm.Usage {
	var all []dcm.Usage
	for _, u := range c.used {
		all = append(all, *u)
	}
	slices.SortFunc(all, func(a, b dcm.Usage) int {
		if c := strings.Compare(a.Provider, b.Provider); c != 0 {
			return c
		}
		return slices.Index(dcm.Sizes, a.Size) - slices.Index(dcm.Sizes, b.Size)
	})
	return all
}
