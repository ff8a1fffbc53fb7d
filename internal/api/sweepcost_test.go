package api_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// TestSweepCostFollowsTheWork: what is due costs the same calls in a small table
// as in a large one. How long it takes is reported.
func TestSweepCostFollowsTheWork(t *testing.T) {
	t.Parallel()
	due, tables := 20, []int{100, 2_000}
	if size, err := askedLoad(); err == nil && size.vms >= 1_000 {
		due, tables = 100, []int{1_000, 100_000}
	}
	var first map[string]map[string]int
	for _, size := range tables {
		calls, took := sweepCost(t, due, size)
		t.Logf("%d due of %6d VMs: %8s, %v", due, size, took.Round(time.Millisecond), calls)
		if first == nil {
			first = calls
		}
		for service := range calls {
			if !maps.Equal(calls[service], first[service]) {
				t.Errorf("%s: %v calls in a table of %d VMs, %v in one of %d", service, calls[service], size, first[service], tables[0])
			}
		}
	}
}

// sweepCost is what sweep-vms costs when so many VMs have fallen silent of a
// table of so many.
func sweepCost(t *testing.T, due, size int) (map[string]map[string]int, time.Duration) {
	t.Helper()
	w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": fmt.Sprint(due)})
	user := w.user("acme")
	for range due {
		m := &machine{caller: caller{w: w}, id: user.launch().ID, publicKey: newPublicKey(t)}
		w.eventually("the boot of "+string(m.id), func() bool { return w.hardware.token(m.id) != "" })
		m.bootToken = w.hardware.token(m.id)
		m.bootstrap()
		m.beat(dcm.Heartbeat{State: dcm.AgentRunning, Runtime: "host"})
	}
	w.crowd(user.listed()[0].ID, size-due)
	w.sweep() // warm, with nothing due
	w.advance(dcm.HeartbeatLostAfter + time.Minute)
	began := time.Now()
	calls := w.callsDuring(w.sweep)
	took := time.Since(began)
	if got := w.books("acme").live(); slices.ContainsFunc(got, func(vm dcm.VM) bool { return vm.Status != dcm.StatusStopping }) || len(got) != due {
		t.Errorf("not all of %d VMs were found silent", due)
	}
	return calls, took
}

// crowd fills the table with copies of a VM's item that belong to other tenants
// and are not due for a year.
func (w *world) crowd(of dcm.VMID, copies int) {
	w.t.Helper()
	client := dynamodb.New(dynamodb.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(w.Endpoint("dynamodb")),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: w.getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: w.getenv("AWS_SECRET_ACCESS_KEY")}, nil
		}),
	})
	table := aws.String(w.getenv("TABLE_NAME"))
	read, err := client.GetItem(w.t.Context(), &dynamodb.GetItemInput{TableName: table, Key: map[string]types.AttributeValue{
		"PK": &types.AttributeValueMemberS{Value: "TENANT#acme"}, "SK": &types.AttributeValueMemberS{Value: "VM#" + string(of)},
	}})
	if err != nil || len(read.Item) == 0 {
		w.t.Fatalf("read the VM: %v", err)
	}
	later := fmt.Sprint(w.Now().AddDate(1, 0, 0).Unix())
	for n := 0; n < copies; {
		var puts []types.TransactWriteItem
		for ; len(puts) < 100 && n < copies; n++ {
			item := maps.Clone(read.Item)
			tenant := fmt.Sprintf("TENANT#crowd-%d", n%500)
			item["PK"] = &types.AttributeValueMemberS{Value: tenant}
			item["SK"] = &types.AttributeValueMemberS{Value: fmt.Sprintf("VM#vm-%010d", n)}
			item["listKey"] = &types.AttributeValueMemberS{Value: tenant + "#VM"}
			item["dueKind"] = &types.AttributeValueMemberS{Value: fmt.Sprintf("vm#%d", n%dcm.DueShards)}
			item["dueAt"] = &types.AttributeValueMemberN{Value: later}
			puts = append(puts, types.TransactWriteItem{Put: &types.Put{TableName: table, Item: item}})
		}
		if _, err := client.TransactWriteItems(w.t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: puts}); err != nil {
			w.t.Fatal(err)
		}
	}
}
