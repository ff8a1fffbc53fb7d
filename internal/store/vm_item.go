package store

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Attributes of a VM's item that expressions name.
const (
	attrStatus       = "status"
	attrStopReason   = "stopReason"
	attrForce        = "force"
	attrError        = "error"
	attrPhase        = "phase"
	attrRuntime      = "runtime"
	attrBoot         = "boot"
	attrProviderID   = "providerId"
	attrServerType   = "serverType"
	attrRegion       = "region"
	attrIPv4         = "ipv4"
	attrIPv6         = "ipv6"
	attrPrice        = "price"
	attrDNSRecordIDs = "dnsRecordIds"
	attrRunningAt    = "runningAt"
	attrLastSeenAt   = "lastSeenAt"
	attrStoppingAt   = "stoppingAt"
	attrStoppedAt    = "stoppedAt"
	attrBootstrapped = "bootstrappedAt"
	attrIdleSince    = "idleSince"
	attrSignals      = "signals"
	attrAgentVersion = "agentVersion"
	attrUpload       = "upload"
	attrBoundKey     = "boundKey"
	attrGeneration   = "generation"
	attrCreatedBy    = "createdBy" // the VM whose launch made a workspace
	attrWorkspaceID  = "workspaceId"
	attrWriteID      = "writeId"
)

// vmItem is a VM as the table keeps it. The tenant and the id are in the key
// alone. It must stay under 4 KB, so that a heartbeat's read costs half a
// unit; hence no SSH key, which only user-data needs.
type vmItem struct {
	key
	ListKey   string  `dynamodbav:"listKey"`
	CreatedAt instant `dynamodbav:"createdAt"`
	DueKind   string  `dynamodbav:"dueKind,omitempty"`
	DueAt     int64   `dynamodbav:"dueAt,omitempty"`
	TTL       int64   `dynamodbav:"ttl,omitempty"`
	// WriteID tells one conditional write from another: see updateVM.
	WriteID string `dynamodbav:"writeId,omitempty"`

	WorkspaceID string            `dynamodbav:"workspaceId"`
	Name        string            `dynamodbav:"name,omitempty"`
	RepoURL     string            `dynamodbav:"repoUrl,omitempty"`
	Branch      string            `dynamodbav:"branch,omitempty"`
	Size        string            `dynamodbav:"size,omitempty"`
	Labels      map[string]string `dynamodbav:"labels,omitempty"`
	CreatedBy   string            `dynamodbav:"createdBy,omitempty"`

	Provider   string     `dynamodbav:"provider,omitempty"`
	AccountID  string     `dynamodbav:"accountId,omitempty"`
	StorageID  string     `dynamodbav:"storageId,omitempty"`
	Reserved   int64      `dynamodbav:"reserved,omitempty"`
	Region     string     `dynamodbav:"region,omitempty"`
	ServerType string     `dynamodbav:"serverType,omitempty"`
	ProviderID string     `dynamodbav:"providerId,omitempty"`
	Price      *priceItem `dynamodbav:"price,omitempty"`
	IPv4       string     `dynamodbav:"ipv4,omitempty"`
	IPv6       string     `dynamodbav:"ipv6,omitempty"`

	Hostname     string   `dynamodbav:"hostname,omitempty"`
	DNSZoneID    string   `dynamodbav:"dnsZoneId,omitempty"`
	DNSAccountID string   `dynamodbav:"dnsAccountId,omitempty"`
	DNSRecordIDs []string `dynamodbav:"dnsRecordIds,omitempty"`

	Status     string       `dynamodbav:"status"`
	StopReason string       `dynamodbav:"stopReason,omitempty"`
	Force      bool         `dynamodbav:"force,omitempty"`
	Error      *problemItem `dynamodbav:"error,omitempty"`
	Phase      string       `dynamodbav:"phase,omitempty"`
	Runtime    string       `dynamodbav:"runtime,omitempty"`
	Boot       string       `dynamodbav:"boot,omitempty"`

	BootstrappedAt *instant `dynamodbav:"bootstrappedAt,omitempty"`
	RunningAt      *instant `dynamodbav:"runningAt,omitempty"`
	LastSeenAt     *instant `dynamodbav:"lastSeenAt,omitempty"`
	StoppingAt     *instant `dynamodbav:"stoppingAt,omitempty"`
	StoppedAt      *instant `dynamodbav:"stoppedAt,omitempty"`
	ExpiresAt      instant  `dynamodbav:"expiresAt,omitempty"`

	IdleTimeoutNanos int64        `dynamodbav:"idleTimeoutNanos,omitempty"`
	IdleSince        *instant     `dynamodbav:"idleSince,omitempty"`
	Signals          *signalsItem `dynamodbav:"signals,omitempty"`
	AgentVersion     string       `dynamodbav:"agentVersion,omitempty"`

	BoundKey string `dynamodbav:"boundKey,omitempty"`
	Password []byte `dynamodbav:"password,omitempty"`

	Restore    *backupItem `dynamodbav:"restore,omitempty"`
	Generation int64       `dynamodbav:"generation,omitempty"`
	Upload     *uploadItem `dynamodbav:"upload,omitempty"`

	receiptItem
}

func itemOfVM(vm dcm.VM) vmItem {
	i := vmItem{
		key:     vmKey(vm.TenantID, vm.ID),
		ListKey: listKey(vm.TenantID, kindVM), CreatedAt: instantOf(vm.CreatedAt),
		DueAt: epochSeconds(vm.DueAt),

		WorkspaceID: string(vm.WorkspaceID), Name: vm.Name, RepoURL: vm.RepoURL, Branch: vm.Branch,
		Size: string(vm.Size), Labels: vm.Labels, CreatedBy: string(vm.CreatedBy),

		AccountID: string(vm.AccountID), StorageID: string(vm.StorageID), Reserved: int64(vm.Reserved),
		Provider: vm.Provider, Region: vm.Region, ServerType: vm.ServerType, ProviderID: vm.ProviderID,
		Price: itemOfPrice(vm.Price), IPv4: vm.IPv4, IPv6: vm.IPv6,

		Hostname: vm.Hostname, DNSZoneID: vm.DNS.ZoneID, DNSAccountID: string(vm.DNS.AccountID), DNSRecordIDs: vm.DNS.RecordIDs,

		Status: string(vm.Status), StopReason: string(vm.StopReason), Force: vm.Force,
		Error: itemOfProblem(vm.Error), Phase: string(vm.Phase), Runtime: vm.Runtime, Boot: bootText(vm.Boot),

		BootstrappedAt: instantOfOptional(vm.BootstrappedAt), RunningAt: instantOfOptional(vm.RunningAt),
		LastSeenAt: instantOfOptional(vm.LastSeenAt), StoppingAt: instantOfOptional(vm.StoppingAt),
		StoppedAt: instantOfOptional(vm.StoppedAt), ExpiresAt: instantOf(vm.ExpiresAt),

		IdleTimeoutNanos: int64(vm.IdleTimeout), IdleSince: instantOfOptional(vm.IdleSince),
		Signals: itemOfSignals(vm.Signals), AgentVersion: vm.AgentVersion,

		BoundKey: vm.BoundKey, Password: vm.Password,
		Restore: itemOfBackup(vm.Restore), Generation: vm.Generation, Upload: itemOfUpload(vm.Upload),

		receiptItem: itemOfReceipt(vm.Receipt, vm.OrphanMinutes),
	}
	if i.DueAt != 0 {
		i.DueKind = dueKindOf(dueVM, string(vm.ID))
	}
	return i
}

func (i vmItem) vm() dcm.VM {
	tenant, _, id, _ := i.split()
	return dcm.VM{
		ID: dcm.VMID(id), TenantID: tenant, CreatedAt: i.CreatedAt.time(), DueAt: fromEpochSeconds(i.DueAt),

		WorkspaceID: dcm.WorkspaceID(i.WorkspaceID), Name: i.Name, RepoURL: i.RepoURL, Branch: i.Branch,
		Size: dcm.Size(i.Size), Labels: i.Labels, CreatedBy: dcm.UserID(i.CreatedBy),

		AccountID: dcm.AccountID(i.AccountID), StorageID: dcm.AccountID(i.StorageID), Reserved: dcm.Micros(i.Reserved),
		Provider: i.Provider, Region: i.Region, ServerType: i.ServerType, ProviderID: i.ProviderID,
		Price: i.Price.price(), IPv4: i.IPv4, IPv6: i.IPv6,

		Hostname: i.Hostname,
		DNS:      dcm.DNSPlacement{ZoneID: i.DNSZoneID, AccountID: dcm.AccountID(i.DNSAccountID), RecordIDs: i.DNSRecordIDs},

		Status: dcm.Status(i.Status), StopReason: dcm.StopReason(i.StopReason), Force: i.Force,
		Error: i.Error.problem(), Phase: dcm.Phase(i.Phase), Runtime: i.Runtime, Boot: dcm.ParseBootTrace(i.Boot),

		BootstrappedAt: i.BootstrappedAt.optional(), RunningAt: i.RunningAt.optional(),
		LastSeenAt: i.LastSeenAt.optional(), StoppingAt: i.StoppingAt.optional(),
		StoppedAt: i.StoppedAt.optional(), ExpiresAt: i.ExpiresAt.time(),

		IdleTimeout: time.Duration(i.IdleTimeoutNanos), IdleSince: i.IdleSince.optional(),
		Signals: i.Signals.signals(), AgentVersion: i.AgentVersion,

		BoundKey: i.BoundKey, Password: i.Password,
		Restore: i.Restore.backup(), Generation: i.Generation, Upload: i.Upload.upload(),

		Receipt: i.receipt(), OrphanMinutes: i.OrphanMinutes,
	}
}

func decodeVM(raw map[string]types.AttributeValue) (vmItem, error) {
	var i vmItem
	err := attributevalue.UnmarshalMap(raw, &i)
	return i, err
}

func bootText(b *dcm.BootTrace) string {
	if b == nil {
		return ""
	}
	return b.String()
}

// shortened cuts the words of a failure, which come from git or from a provider
// and know no limit, between two characters.
func shortened(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= dcm.MaxProblemBytes {
		return s
	}
	const mark = "…"
	end := dcm.MaxProblemBytes - len(mark)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}
