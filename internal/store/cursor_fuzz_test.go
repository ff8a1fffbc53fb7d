package store_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// FuzzCursor: whatever a client sends as a cursor is refused as such, or leads
// to a query that starts inside the client's own tenant.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "x", "AAAA", goodCursor(f), goodCursor(f) + "\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		asked := 0
		api := stub{query: func(in *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
			asked++
			if start := in.ExclusiveStartKey; (cursor == "") != (start == nil) ||
				start != nil && (text(start["PK"]) != "TENANT#acme" || text(start["listKey"]) != "TENANT#acme#VM") {
				t.Fatalf("cursor %q starts at %v", cursor, start)
			}
			return &dynamodb.QueryOutput{}, nil
		}}
		_, err := acme(api).VMs(t.Context(), dcm.VMQuery{Cursor: cursor})
		wantReadOrRefused(t, cursor, err, asked)
	})
}

// FuzzOtherCursors is FuzzCursor for the lists that are no VMs.
func FuzzOtherCursors(f *testing.F) {
	for _, seed := range []string{"", "x", "AAAA", goodCursor(f)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		asked := 0
		api := stub{query: func(in *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
			asked++
			if start := in.ExclusiveStartKey; start != nil && text(start["PK"]) != "TENANT#acme" {
				t.Fatalf("cursor %q starts at %v", cursor, start)
			}
			return &dynamodb.QueryOutput{}, nil
		}}
		_, err := acme(api).Workspaces(t.Context(), dcm.WorkspaceQuery{Cursor: cursor})
		wantReadOrRefused(t, cursor, err, asked)
		asked = 0
		_, err = acme(api).Events(t.Context(), dcm.EventQuery{Cursor: cursor})
		wantReadOrRefused(t, cursor, err, asked)
		asked = 0
		_, err = acme(api).Orphans(t.Context(), dcm.OrphanQuery{Cursor: cursor})
		wantReadOrRefused(t, cursor, err, asked)
	})
}

func wantReadOrRefused(t *testing.T, cursor string, err error, asked int) {
	t.Helper()
	if err == nil && asked == 1 {
		return
	}
	e, ok := errors.AsType[*dcm.Error](err)
	if !ok || asked != 0 || e.Code != dcm.CodeInvalid || len(e.Fields) != 1 || e.Fields[0].Field != "cursor" {
		t.Fatalf("cursor %q: %v after %d calls", cursor, err, asked)
	}
}

// goodCursor is a cursor that acme was given.
func goodCursor(f *testing.F) string {
	newest := map[string]types.AttributeValue{
		"PK": &types.AttributeValueMemberS{Value: "TENANT#acme"}, "SK": &types.AttributeValueMemberS{Value: "VM#" + string(someVM)},
		"createdAt": &types.AttributeValueMemberN{Value: "1795499999123456789"},
	}
	api := stub{query: func(*dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
		return &dynamodb.QueryOutput{LastEvaluatedKey: newest}, nil
	}}
	page, err := acme(api).VMs(f.Context(), dcm.VMQuery{})
	if err != nil || page.NextCursor == "" {
		f.Fatal(page, err)
	}
	return page.NextCursor
}
