package store_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store/storetest"
)

// stub is an API that answers what it is told, for failures that no stand-in
// can be made to have. Calls that a test does not expect panic.
type stub struct {
	store.API
	get      func(*dynamodb.GetItemInput) (*dynamodb.GetItemOutput, error)
	query    func(*dynamodb.QueryInput) (*dynamodb.QueryOutput, error)
	batchGet func(*dynamodb.BatchGetItemInput) (*dynamodb.BatchGetItemOutput, error)
	update   func(*dynamodb.UpdateItemInput) (*dynamodb.UpdateItemOutput, error)
	transact func(*dynamodb.TransactWriteItemsInput) error
}

func (s stub) GetItem(_ context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return s.get(in)
}

func (s stub) Query(_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	return s.query(in)
}

func (s stub) BatchGetItem(_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	return s.batchGet(in)
}

func (s stub) UpdateItem(_ context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	return s.update(in)
}

func (s stub) TransactWriteItems(_ context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	return &dynamodb.TransactWriteItemsOutput{}, s.transact(in)
}

// acme is the store of one tenant on an API.
func acme(api store.API) dcm.TenantStore { return open(api, "table").Tenant("acme") }

func open(api store.API, table string) *store.Store {
	return store.New(api, store.Options{
		Table: table, Clock: clocktest.New(storetest.Start()), DefaultQuotas: dcm.Quotas{MaxConcurrentVMs: 10},
	})
}

const (
	someVM        dcm.VMID        = "vm-aaaaaaaaaa"
	someWorkspace dcm.WorkspaceID = "ws-aaaaaaaaaa"
	someAccount   dcm.AccountID   = "ac-aaaaaaaaaa"
)

// ownAccounts gives a tenant accounts of its own, all of them someAccount: at
// the provider, for DNS and for storage.
func ownAccounts(t *testing.T, s dcm.TenantStore, provider string) {
	t.Helper()
	ctx, now := t.Context(), storetest.Start()
	must(t, s.PutProviderAccount(ctx, dcm.ProviderAccount{ID: someAccount, Provider: provider, AddedAt: now}, ""))
	_, err := s.SetDNSAccount(ctx, &dcm.DNSAccount{ID: someAccount, AddedAt: now}, now)
	must(t, err)
	_, err = s.SetStorageAccount(ctx, &dcm.StorageAccount{ID: someAccount, AddedAt: now}, now)
	must(t, err)
}

// someIntent is a launch of acme's with an idempotency key.
func someIntent() dcm.Intent {
	now := storetest.Start()
	return dcm.Intent{
		VM: storetest.FullVM(someVM, someWorkspace, "acme", now),
		Workspace: dcm.Workspace{
			ID: someWorkspace, TenantID: "acme", CreatedAt: now, UpdatedAt: now, ActiveVM: someVM, CreatedBy: someVM,
		},
		NewWorkspace:  true,
		Idempotency:   &dcm.Idempotency{Key: "key", VM: someVM, ExpiresAt: now.Add(time.Hour)},
		DefaultQuotas: dcm.Quotas{MaxConcurrentVMs: 10},
		Event:         someEvent("ev-aaaaaaaaaa"),
	}
}

func someEvent(id string) dcm.Event {
	return dcm.Event{ID: id, At: storetest.Start(), User: "user|1", Actor: dcm.ActorUser, Action: "vms-create", Result: dcm.ResultOK}
}

// cancelled is DynamoDB's refusal of a transaction, a reason for each write.
func cancelled(codes ...string) error {
	e := &types.TransactionCanceledException{Message: aws.String("Transaction cancelled, please refer cancellation reasons")}
	for _, code := range codes {
		e.CancellationReasons = append(e.CancellationReasons, types.CancellationReason{Code: aws.String(code)})
	}
	return e
}

// fullProfile is the profile of a tenant that has all the VMs it may.
func fullProfile(limit int) map[string]types.AttributeValue {
	n := &types.AttributeValueMemberN{Value: strconv.Itoa(limit)}
	return map[string]types.AttributeValue{"activeVMs": n, "maxConcurrentVMs": n}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ptr[T any](v T) *T { return &v }
