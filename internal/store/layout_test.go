package store_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store/storetest"
)

// TestLayout holds the items to the keys of the design, section 5, and to what
// DynamoDB itself acts on: the index "due" and TTL.
func TestLayout(t *testing.T) {
	t.Parallel()
	onEachBackend(t, func(t *testing.T, b backend) {
		t.Parallel()
		c := b.client(b.endpoint(t, clocktest.New(storetest.Start())))
		table := newTable(t, c)
		s, ctx, now := open(c, table).Tenant("acme"), t.Context(), storetest.Start()
		i := someIntent()
		must(t, s.CreateVM(ctx, i))
		must(t, s.AddWorkspaceKey(ctx, dcm.WorkspaceKey{WorkspaceID: someWorkspace, Version: 1, CreatedAt: now}))

		items := scan(t, c, table)
		want := []string{
			"TENANT#acme EVENT#2026-11-24T08:30:15.123456789Z#ev-aaaaaaaaaa",
			"TENANT#acme IDEM#key", "TENANT#acme KEY#ws-aaaaaaaaaa#1", "TENANT#acme PROFILE", "TENANT#acme USAGE#2026-11",
			"TENANT#acme VM#vm-aaaaaaaaaa", "TENANT#acme WS#ws-aaaaaaaaaa",
		}
		if got := slices.Sorted(maps.Keys(items)); !slices.Equal(got, want) {
			t.Fatalf("got keys\n%q\nwant\n%q", got, want)
		}
		const vm = "TENANT#acme VM#vm-aaaaaaaaaa"
		if kind := text(items[vm]["dueKind"]); !strings.HasPrefix(kind, "vm#") {
			t.Errorf("dueKind is %q", kind)
		}
		wantNumber(t, items[vm]["dueAt"], i.VM.DueAt.Unix())
		wantNumber(t, items["TENANT#acme IDEM#key"]["ttl"], i.Idempotency.ExpiresAt.Unix())
		wantNumber(t, items[want[0]]["ttl"], now.Add(90*24*time.Hour).Unix())
		wantNumber(t, items["TENANT#acme USAGE#2026-11"]["vm/hetzner/small/started"], 1)

		stopping := dcm.StatusStopping
		_, err := s.ChangeVM(ctx, someVM, dcm.VMChange{From: dcm.Statuses[:2], Status: &stopping})
		must(t, err)
		must(t, s.FinishVM(ctx, dcm.Finish{VM: someVM, Workspace: someWorkspace, At: now}))
		items = scan(t, c, table)
		if items[vm]["dueKind"] != nil || items[vm]["dueAt"] != nil {
			t.Error("a stopped VM is still in the index")
		}
		wantNumber(t, items[vm]["ttl"], now.Add(30*24*time.Hour).Unix())

		const ws, profile = "TENANT#acme WS#ws-aaaaaaaaaa", "TENANT#acme PROFILE"
		_, err = s.ChangeWorkspace(ctx, someWorkspace, dcm.WorkspaceChange{Task: &dcm.WorkspaceTask{Kind: dcm.TaskMove}, DueAt: &now})
		must(t, err)
		ownAccounts(t, s, "hetzner")
		items = scan(t, c, table)
		for item, kind := range map[string]string{ws: "ws#", profile: "tenant#"} {
			if got := text(items[item]["dueKind"]); !strings.HasPrefix(got, kind) {
				t.Errorf("dueKind of %s is %q", item, got)
			}
			wantNumber(t, items[item]["dueAt"], now.Unix())
		}
		if items["TENANT#acme PROVIDER#hetzner"] == nil {
			t.Error("no item of the provider account")
		}
	})
}

func scan(t *testing.T, c *dynamodb.Client, table string) map[string]map[string]types.AttributeValue {
	t.Helper()
	out, err := c.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String(table)})
	must(t, err)
	items := map[string]map[string]types.AttributeValue{}
	for _, item := range out.Items {
		items[text(item["PK"])+" "+text(item["SK"])] = item
	}
	return items
}

func text(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

func wantNumber(t *testing.T, v types.AttributeValue, want int64) {
	t.Helper()
	n, ok := v.(*types.AttributeValueMemberN)
	if !ok || n.Value != strconv.FormatInt(want, 10) {
		t.Errorf("got %#v, want %d", v, want)
	}
}
