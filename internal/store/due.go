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

// maxDuePage keeps one page far below DynamoDB's 1 MB.
const maxDuePage = 1000

// DueVMs is one query of the index "due".
func (s *Store) DueVMs(ctx context.Context, shard int, until time.Time, limit int) ([]dcm.DueVM, error) {
	return due(ctx, s, dueRange{what: dueVM, kind: kindVM, shard: shard, until: until, limit: limit}, dueVMOf)
}

// DueWorkspaces is one query of the index "due".
func (s *Store) DueWorkspaces(ctx context.Context, shard int, until time.Time, limit int) ([]dcm.DueWorkspace, error) {
	return due(ctx, s, dueRange{what: dueWorkspace, kind: kindWorkspace, shard: shard, until: until, limit: limit},
		func(t dcm.TenantID, id string, at time.Time) dcm.DueWorkspace {
			return dcm.DueWorkspace{Tenant: t, Workspace: dcm.WorkspaceID(id), DueAt: at}
		})
}

// DueTenants is one query of the index "due".
func (s *Store) DueTenants(ctx context.Context, shard int, until time.Time, limit int) ([]dcm.DueTenant, error) {
	return due(ctx, s, dueRange{what: dueTenant, kind: kindProfile, shard: shard, until: until, limit: limit}, dueTenantOf)
}

// DueReconciles is one query of the index "due".
func (s *Store) DueReconciles(ctx context.Context, shard int, until time.Time, limit int) ([]dcm.DueTenant, error) {
	return due(ctx, s, dueRange{what: dueReconcile, kind: kindReconcile, shard: shard, until: until, limit: limit}, dueTenantOf)
}

// DueOrphans is one query of the index "due".
func (s *Store) DueOrphans(ctx context.Context, shard int, until time.Time, limit int) ([]dcm.DueOrphan, error) {
	return due(ctx, s, dueRange{what: dueOrphan, kind: kindOrphan, shard: shard, until: until, limit: limit},
		func(t dcm.TenantID, ref string, at time.Time) dcm.DueOrphan {
			return dcm.DueOrphan{Tenant: t, Ref: dcm.OrphanRef(ref), DueAt: at}
		})
}

// LiveVMs is one query of the index "due" for each thousand VMs: every VM is in
// it until it is stopped.
func (s *Store) LiveVMs(ctx context.Context, shard int) ([]dcm.DueVM, error) {
	r := dueRange{what: dueVM, kind: kindVM, shard: shard, until: time.Unix(endOfTime, 0), limit: maxDuePage}
	all := []dcm.DueVM{}
	for {
		page, err := s.queryDue(ctx, r)
		if err != nil {
			return nil, err
		}
		vms, err := dueItems(page.Items, r, dueVMOf)
		if err != nil {
			return nil, err
		}
		all = append(all, vms...)
		if r.after = page.LastEvaluatedKey; len(r.after) == 0 {
			return all, nil
		}
	}
}

func dueVMOf(t dcm.TenantID, id string, at time.Time) dcm.DueVM {
	return dcm.DueVM{Tenant: t, VM: dcm.VMID(id), DueAt: at}
}

func dueTenantOf(t dcm.TenantID, _ string, at time.Time) dcm.DueTenant {
	return dcm.DueTenant{Tenant: t, DueAt: at}
}

// endOfTime is later than any due time, in epoch seconds.
const endOfTime = 1 << 40

// dueRange is a part of the index "due": one shard of what is due, whose items
// are of the kind.
type dueRange struct {
	what, kind string
	shard      int
	until      time.Time
	limit      int
	// after is where the page before ended; nil for the first.
	after map[string]types.AttributeValue
}

func due[T any](ctx context.Context, s *Store, r dueRange, make func(dcm.TenantID, string, time.Time) T) ([]T, error) {
	out, err := s.queryDue(ctx, r)
	if err != nil {
		return nil, err
	}
	return dueItems(out.Items, r, make)
}

func (s *Store) queryDue(ctx context.Context, r dueRange) (*dynamodb.QueryOutput, error) {
	if r.shard < 0 || r.shard >= dcm.DueShards || r.limit < 1 {
		return nil, fmt.Errorf("list due items of %q: shard %d, limit %d out of range", r.what, r.shard, r.limit)
	}
	out, err := s.api.Query(ctx, &dynamodb.QueryInput{
		TableName:              aws.String(s.options.Table),
		IndexName:              aws.String(dueIndex),
		KeyConditionExpression: aws.String("#kind = :kind AND #at <= :until"),
		ExpressionAttributeNames: map[string]string{
			"#kind": attrDueKind, "#at": attrDueAt,
		},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":kind":  &types.AttributeValueMemberS{Value: dueKind(r.what, r.shard)},
			":until": &types.AttributeValueMemberN{Value: strconv.FormatInt(r.until.Unix(), 10)},
		},
		Limit:             aws.Int32(int32(min(r.limit, maxDuePage))),
		ExclusiveStartKey: r.after,
	})
	if err != nil {
		return nil, fmt.Errorf("list due items of %q, shard %d: %w", r.what, r.shard, err)
	}
	return out, nil
}

func dueItems[T any](items []map[string]types.AttributeValue, r dueRange, make func(dcm.TenantID, string, time.Time) T) ([]T, error) {
	var found []T
	for _, raw := range items {
		var item struct {
			key
			DueAt int64 `dynamodbav:"dueAt"`
		}
		if err := attributevalue.UnmarshalMap(raw, &item); err != nil {
			return nil, fmt.Errorf("decode due item of %q: %w", r.what, err)
		}
		tenant, kind, id, ok := item.split()
		if !ok || kind != r.kind {
			// Nothing of ours writes such a key, and nobody could act on it:
			// it must not keep the sweep from the rest.
			continue
		}
		found = append(found, make(tenant, id, fromEpochSeconds(item.DueAt)))
	}
	return found, nil
}
