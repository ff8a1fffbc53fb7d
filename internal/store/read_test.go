package store_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// TestConsistency: only the read that a heartbeat makes may be stale, and so
// cost half. All others decide something.
func TestConsistency(t *testing.T) {
	t.Parallel()
	var consistent []bool
	s := acme(stub{
		get: func(in *dynamodb.GetItemInput) (*dynamodb.GetItemOutput, error) {
			consistent = append(consistent, aws.ToBool(in.ConsistentRead))
			return &dynamodb.GetItemOutput{}, nil
		},
		batchGet: func(in *dynamodb.BatchGetItemInput) (*dynamodb.BatchGetItemOutput, error) {
			for _, request := range in.RequestItems {
				consistent = append(consistent, aws.ToBool(request.ConsistentRead))
			}
			return &dynamodb.BatchGetItemOutput{}, nil
		},
	})
	for _, read := range []struct {
		name string
		want bool
		call func(context.Context) error
	}{
		{"PeekVM", false, func(ctx context.Context) error { _, err := s.PeekVM(ctx, someVM); return err }},
		{"VM", true, func(ctx context.Context) error { _, err := s.VM(ctx, someVM); return err }},
		{"Workspace", true, func(ctx context.Context) error { _, err := s.Workspace(ctx, someWorkspace); return err }},
		{"WorkspaceKey", true, func(ctx context.Context) error { _, err := s.WorkspaceKey(ctx, someWorkspace, 1); return err }},
		{"LaunchContext", true, func(ctx context.Context) error { _, err := s.LaunchContext(ctx, someWorkspace, "key"); return err }},
	} {
		consistent = nil
		if err := read.call(t.Context()); dcm.ErrorCode(err) != dcm.CodeNotFound {
			t.Errorf("%s of nothing: %v", read.name, err)
		}
		if len(consistent) != 1 || consistent[0] != read.want {
			t.Errorf("%s: consistent %v, want %t once", read.name, consistent, read.want)
		}
	}
}
