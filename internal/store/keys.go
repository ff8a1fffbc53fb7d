package store

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Every key of the table is built in this file.

const (
	tenantPrefix = "TENANT#"

	kindProfile      = "PROFILE"
	kindVM           = "VM"
	kindWorkspace    = "WS"
	kindWorkspaceKey = "KEY"
	kindIdempotency  = "IDEM"
	kindProvider     = "PROVIDER"
	kindUsage        = "USAGE"
	kindEvent        = "EVENT"
	kindReconcile    = "RECONCILE"
	kindOrphan       = "ORPHAN"
	kindRate         = "RATE"
	kindChallenges   = "CHALLENGES"

	// leasePrefix begins the partitions of leases.
	leasePrefix = "SWEEP#"

	// platformPartition holds what belongs to no tenant.
	platformPartition = "PLATFORM"

	// afterPrefix sorts after everything that a key may go on with.
	afterPrefix = "#~"
)

// key is an item's primary key.
type key struct {
	PK string `dynamodbav:"PK"`
	SK string `dynamodbav:"SK"`
}

func partition(t dcm.TenantID) string { return tenantPrefix + string(t) }

func profileKey(t dcm.TenantID) key { return key{partition(t), kindProfile} }

func vmKey(t dcm.TenantID, id dcm.VMID) key { return key{partition(t), kindVM + "#" + string(id)} }

// challengeKey is that of what is kept of a VM's calls for its certificate.
func challengeKey(t dcm.TenantID, id dcm.VMID) key {
	return key{partition(t), kindChallenges + "#" + string(id)}
}

func workspaceKey(t dcm.TenantID, id dcm.WorkspaceID) key {
	return key{partition(t), kindWorkspace + "#" + string(id)}
}

func workspaceKeyKey(t dcm.TenantID, id dcm.WorkspaceID, version int) key {
	return key{partition(t), fmt.Sprintf("%s#%s#%d", kindWorkspaceKey, id, version)}
}

func idempotencyKey(t dcm.TenantID, k string) key {
	return key{partition(t), kindIdempotency + "#" + k}
}

func providerKey(t dcm.TenantID, provider string) key {
	return key{partition(t), kindProvider + "#" + provider}
}

func platformRateKey(provider string) key { return key{platformPartition, kindRate + "#" + provider} }

func platformRateKeys() []key {
	var keys []key
	for _, provider := range dcm.ProviderNames {
		keys = append(keys, platformRateKey(provider))
	}
	return keys
}

func reconcileKey(t dcm.TenantID) key { return key{partition(t), kindReconcile} }

func usageKey(t dcm.TenantID, m dcm.Month) key { return key{partition(t), kindUsage + "#" + string(m)} }

// eventKey sorts events by their time, to the nanosecond.
func eventKey(t dcm.TenantID, at instant, id string) key {
	return key{partition(t), eventSort(at) + "#" + id}
}

// eventSort has a fixed width, so that it sorts as the time does.
func eventSort(at instant) string { return kindEvent + "#" + sortable(at) }

func sortable(at instant) string { return at.time().Format("2006-01-02T15:04:05.000000000Z") }

// leaseKey is the lease of a scheduled function.
func leaseKey(name string) key { return key{leasePrefix + name, "LEASE"} }

// orphanKey sorts orphans by when they came to be.
func orphanKey(t dcm.TenantID, ref dcm.OrphanRef) key {
	return key{partition(t), kindOrphan + "#" + string(ref)}
}

// listKey is the partition of the index "byCreated" with a tenant's items of
// one kind.
func listKey(t dcm.TenantID, kind string) string { return partition(t) + "#" + kind }

// What the partitions of the index "due" hold.
const (
	dueVM        = "vm"
	dueWorkspace = "ws"
	dueTenant    = "tenant"
	dueReconcile = "reconcile"
	dueOrphan    = "orphan"
)

// dueKind is the partition of the index "due" with one shard of a kind.
func dueKind(what string, shard int) string { return what + "#" + strconv.Itoa(shard) }

// dueKindOf is the partition where the item with this id belongs. It spreads
// ids evenly over the shards.
func dueKindOf(what, id string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return dueKind(what, int(h.Sum32()%dcm.DueShards))
}

// split reads back a key: the tenant, the kind and the id in it.
func (k key) split() (tenant dcm.TenantID, kind, id string, ok bool) {
	t, ok := strings.CutPrefix(k.PK, tenantPrefix)
	kind, id, _ = strings.Cut(k.SK, "#")
	return dcm.TenantID(t), kind, id, ok
}

func (k key) attributes() map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		attrPK: &types.AttributeValueMemberS{Value: k.PK},
		attrSK: &types.AttributeValueMemberS{Value: k.SK},
	}
}
