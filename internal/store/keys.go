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
)

// key is an item's primary key.
type key struct {
	PK string `dynamodbav:"PK"`
	SK string `dynamodbav:"SK"`
}

func partition(t dcm.TenantID) string { return tenantPrefix + string(t) }

func profileKey(t dcm.TenantID) key { return key{partition(t), kindProfile} }

func vmKey(t dcm.TenantID, id dcm.VMID) key { return key{partition(t), kindVM + "#" + string(id)} }

func workspaceKey(t dcm.TenantID, id dcm.WorkspaceID) key {
	return key{partition(t), kindWorkspace + "#" + string(id)}
}

func workspaceKeyKey(t dcm.TenantID, id dcm.WorkspaceID, version int) key {
	return key{partition(t), fmt.Sprintf("%s#%s#%d", kindWorkspaceKey, id, version)}
}

func idempotencyKey(t dcm.TenantID, k string) key {
	return key{partition(t), kindIdempotency + "#" + k}
}

// vmListKey is the partition of the index "byCreated" with a tenant's VMs.
func vmListKey(t dcm.TenantID) string { return partition(t) + "#" + kindVM }

// dueKind is the partition of the index "due" with one shard's VMs.
func dueKind(shard int) string { return "vm#" + strconv.Itoa(shard) }

// vmShard spreads VMs evenly over the shards.
func vmShard(id dcm.VMID) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return int(h.Sum32() % dcm.DueShards)
}

// vm reads back a key made by vmKey.
func (k key) vm() (dcm.TenantID, dcm.VMID, bool) {
	t, isTenant := strings.CutPrefix(k.PK, tenantPrefix)
	id, isVM := strings.CutPrefix(k.SK, kindVM+"#")
	return dcm.TenantID(t), dcm.VMID(id), isTenant && isVM
}

// kind is what the item is: one of the kinds above.
func (k key) kind() string {
	kind, _, _ := strings.Cut(k.SK, "#")
	return kind
}

func (k key) attributes() map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		attrPK: &types.AttributeValueMemberS{Value: k.PK},
		attrSK: &types.AttributeValueMemberS{Value: k.SK},
	}
}
