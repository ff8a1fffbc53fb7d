package store_test

import (
	"crypto/rand"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"pgregory.net/rapid"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store/storetest"
)

// TestAnyVMRoundTrips writes VMs of arbitrary content and reads them back.
func TestAnyVMRoundTrips(t *testing.T) {
	t.Parallel()
	local := backends()[0]
	c := local.client(local.endpoint(t, clocktest.New(storetest.Start())))
	s := open(c, newTable(t, c))
	_, err := s.Tenant("acme").SetQuotas(t.Context(), dcm.Quotas{MaxConcurrentVMs: 1 << 30}, dcm.Quotas{}, storetest.Start())
	must(t, err)
	ownAccounts(t, s.Tenant("acme"), "ovh")
	rapid.Check(t, func(rt *rapid.T) {
		i := someIntent()
		i.VM, i.Idempotency = arbitraryVM(rt), nil
		// Not drawn: while rapid looks for a smaller failure, none may be taken.
		var err error
		if i.VM.ID, err = dcm.NewVMID(rand.Reader); err != nil {
			rt.Fatal(err)
		}
		if i.Workspace.ID, err = dcm.NewWorkspaceID(rand.Reader); err != nil {
			rt.Fatal(err)
		}
		i.VM.WorkspaceID, i.Workspace.ActiveVM = i.Workspace.ID, i.VM.ID
		i.Workspace.StorageID = i.VM.StorageID
		if err := s.Tenant("acme").CreateVM(t.Context(), i); err != nil {
			rt.Fatal(err)
		}
		got, err := s.Tenant("acme").VM(t.Context(), i.VM.ID)
		if err != nil {
			rt.Fatal(err)
		}
		if !reflect.DeepEqual(got, i.VM) {
			g, _ := json.Marshal(got)
			w, _ := json.Marshal(i.VM)
			rt.Fatalf("got\n%s\nwant\n%s", g, w)
		}
	})
}

func arbitraryVM(rt *rapid.T) dcm.VM {
	str := func(name string) string { return rapid.StringN(0, 20, 60).Draw(rt, name) }
	instant := func(name string) time.Time {
		// Not before 1970, and short of the end of int64 nanoseconds.
		return time.Unix(0, rapid.Int64Range(1, 1<<62).Draw(rt, name)).UTC()
	}
	when := func(name string) *time.Time {
		if rapid.Bool().Draw(rt, name+"?") {
			return nil
		}
		return ptr(instant(name))
	}
	vm := dcm.VM{
		TenantID: "acme", Status: dcm.StatusCreating,
		Name: str("name"), RepoURL: str("repo"), Branch: str("branch"), Size: dcm.Size(str("size")), CreatedBy: dcm.UserID(str("user")),
		Provider: str("provider"), Region: str("region"), ServerType: str("type"), ProviderID: str("provider id"),
		IPv4: str("ipv4"), IPv6: str("ipv6"), Hostname: str("hostname"),
		DNS:        dcm.DNSPlacement{ZoneID: str("zone")},
		StopReason: dcm.StopReason(str("reason")), Force: rapid.Bool().Draw(rt, "force"),
		Phase: dcm.Phase(str("phase")), Runtime: str("runtime"),
		CreatedAt: instant("created"), BootstrappedAt: when("bootstrapped"), RunningAt: when("running"),
		LastSeenAt: when("seen"), StoppingAt: when("stopping"), StoppedAt: when("stopped"), ExpiresAt: instant("expires"),
		IdleTimeout: time.Duration(rapid.Int64().Draw(rt, "idle")), IdleSince: when("idle since"),
		Signals:      dcm.Signals{Terminal: when("terminal"), HTTP: when("http"), SSH: when("ssh"), Files: when("files"), CPU: when("cpu")},
		AgentVersion: str("version"), BoundKey: str("key"), Generation: rapid.Int64().Draw(rt, "generation"),
		Reserved: dcm.Micros(rapid.Int64Range(0, 1<<40).Draw(rt, "reserved")),
	}
	if rapid.Bool().Draw(rt, "own") {
		vm.Provider, vm.AccountID, vm.StorageID, vm.DNS.AccountID = "ovh", someAccount, someAccount, someAccount
	}
	if rapid.Bool().Draw(rt, "due") {
		vm.DueAt = time.Unix(rapid.Int64Range(1, 1<<33).Draw(rt, "due at"), 0).UTC()
	}
	if b := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(rt, "password"); len(b) > 0 {
		vm.Password = b
	}
	if ids := rapid.SliceOfN(rapid.StringN(1, 10, 40), 0, 3).Draw(rt, "records"); len(ids) > 0 {
		vm.DNS.RecordIDs = ids
	}
	if labels := rapid.MapOfN(rapid.StringN(1, 10, 40), rapid.StringN(0, 10, 40), 0, 3).Draw(rt, "labels"); len(labels) > 0 {
		vm.Labels = labels
	}
	if rapid.Bool().Draw(rt, "error") {
		vm.Error = &dcm.Problem{Code: str("code"), Message: str("message")}
	}
	if rapid.Bool().Draw(rt, "boot") {
		parts := rapid.Int32Range(0, 46655)
		vm.Boot = &dcm.BootTrace{
			Machine: dcm.Tenths(parts.Draw(rt, "machine")), Building: dcm.Tenths(parts.Draw(rt, "building")), Packages: dcm.Packages(parts.Draw(rt, "packages")),
		}
	}
	if rapid.Bool().Draw(rt, "price") {
		vm.Price = &dcm.Price{Hourly: str("hourly"), Currency: str("currency")}
	}
	if rapid.Bool().Draw(rt, "restore") {
		vm.Restore = &dcm.Backup{
			ID: dcm.BackupID(str("backup")), StorageID: dcm.AccountID(str("storage")), Key: str("object"), VersionID: str("object version"), SizeBytes: rapid.Int64().Draw(rt, "size"),
			SHA256: str("sum"), KeyVersion: rapid.Int().Draw(rt, "key version"), Generation: rapid.Int64().Draw(rt, "of generation"), TakenAt: instant("taken"),
		}
	}
	if rapid.Bool().Draw(rt, "receipt") {
		vm.Receipt = &dcm.Receipt{ServerID: str("server"), AskedAt: instant("asked"), DNSRecordIDs: vm.DNS.RecordIDs}
		if rapid.Bool().Draw(rt, "confirmed") {
			vm.Receipt.ConfirmedAt, vm.OrphanMinutes = instant("confirmed"), rapid.Int().Draw(rt, "orphan minutes")
			vm.Receipt.Usage = []dcm.Usage{{
				Month: "2026-11", Provider: vm.Provider, Size: vm.Size, VMsStarted: rapid.Int64().Draw(rt, "started"),
				VMSeconds: rapid.Int64().Draw(rt, "seconds"), BilledHours: rapid.Int64().Draw(rt, "hours"), Cost: dcm.Micros(rapid.Int64().Draw(rt, "cost")),
			}}
		}
	}
	if rapid.Bool().Draw(rt, "upload") {
		vm.Upload = &dcm.Upload{
			BackupID: dcm.BackupID(str("upload backup")), UploadID: str("upload id"), FromGeneration: rapid.Int64().Draw(rt, "from"),
			KeyVersion: rapid.Int().Draw(rt, "upload key"), StartedAt: instant("started"),
		}
		if rapid.Bool().Draw(rt, "expected") {
			vm.Upload.Expected = &dcm.UploadExpectation{SizeBytes: rapid.Int64().Draw(rt, "expected size"), SHA256: str("expected sum")}
		}
	}
	return vm
}

// TestHeartbeatReadCostsHalfAUnit fills every field of a VM as far as
// validation and the providers allow, and asks DynamoDB for the bill.
func TestHeartbeatReadCostsHalfAUnit(t *testing.T) {
	t.Parallel()
	onEachBackend(t, func(t *testing.T, b backend) {
		t.Parallel()
		c := b.client(b.endpoint(t, clocktest.New(storetest.Start())))
		table := newTable(t, c)
		s, now := open(c, table).Tenant(longTenant), storetest.Start()
		i := someIntent()
		i.VM, i.Workspace.TenantID, i.Idempotency = maximalVM(now), longTenant, nil
		i.Workspace.StorageID = someAccount
		ownAccounts(t, s, i.VM.Provider)
		must(t, s.CreateVM(t.Context(), i))
		_, err := s.BindBootstrap(t.Context(), someVM, i.VM.BoundKey, now)
		must(t, err)
		stopping := dcm.StatusStopping
		_, err = s.ChangeVM(t.Context(), someVM, dcm.VMChange{
			From: dcm.Statuses[:2], Status: &stopping, Error: &dcm.Problem{Code: strings.Repeat("x", 64), Message: strings.Repeat("ü", 5000)},
			// A release that is put off notes no more than this of such a VM.
			Receipt: &dcm.Receipt{AskedAt: now},
		})
		must(t, err)

		item := scan(t, c, table)["TENANT#"+longTenant+" VM#"+string(someVM)]
		size := 0
		for name, value := range item {
			size += len(name) + sizeOf(value)
		}
		t.Logf("the largest VM has %d bytes", size)
		if size > 4096 {
			t.Errorf("the largest VM has %d bytes, over 4 KB", size)
		}
		out, err := c.GetItem(t.Context(), &dynamodb.GetItemInput{
			TableName: aws.String(table), Key: map[string]types.AttributeValue{"PK": item["PK"], "SK": item["SK"]},
			ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		})
		must(t, err)
		if units := aws.ToFloat64(out.ConsumedCapacity.CapacityUnits); units != 0.5 {
			t.Errorf("a heartbeat's read costs %v units", units)
		}
		vm, err := s.PeekVM(t.Context(), someVM)
		must(t, err)
		if len(vm.Error.Message) > dcm.MaxProblemBytes || !utf8.ValidString(vm.Error.Message) || !strings.HasSuffix(vm.Error.Message, "ü…") {
			t.Errorf("a long message became %q", vm.Error.Message)
		}
	})
}

const longTenant = "tenant-0123456789-0123456789-012"

// maximalVM has every field at its longest: what LaunchRequest.Validate lets
// pass, and what Hetzner, Cloudflare, S3 and KMS answer, generously.
func maximalVM(now time.Time) dcm.VM {
	long := func(n int) string { return strings.Repeat("x", n) }
	vm := storetest.FullVM(someVM, someWorkspace, longTenant, now)
	vm.Name = strings.Repeat("界", 63)
	vm.RepoURL, vm.Branch, vm.CreatedBy = long(512), long(255), dcm.UserID(long(128))
	vm.Labels = nil // POST /vms takes none
	vm.Provider, vm.Region, vm.ServerType, vm.ProviderID = "digitalocean", long(16), long(24), long(36)
	vm.AccountID, vm.StorageID, vm.Reserved = someAccount, someAccount, 1<<50
	vm.Price = &dcm.Price{Hourly: "12.345678901", Currency: "EUR"}
	vm.IPv4, vm.IPv6 = "255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
	vm.Hostname = dcm.Hostname(someVM, longTenant, long(100))
	vm.DNS = dcm.DNSPlacement{ZoneID: long(32), AccountID: someAccount, RecordIDs: []string{long(32), long(32)}}
	vm.StopReason, vm.Force, vm.Phase, vm.Runtime = dcm.StopHeartbeatLost, true, dcm.PhaseBootstrapping, long(64)
	vm.BootstrappedAt, vm.RunningAt, vm.LastSeenAt, vm.StoppingAt, vm.IdleSince = &now, &now, &now, &now, &now
	vm.Signals = dcm.Signals{Terminal: &now, HTTP: &now, SSH: &now, Files: &now, CPU: &now}
	vm.AgentVersion, vm.BoundKey = long(64), long(44)
	vm.Password = dcm.Sealed(long(300))
	vm.Restore = &dcm.Backup{
		ID: "bk-aaaaaaaaaa", StorageID: someAccount, Key: dcm.BackupKey(longTenant, someWorkspace), VersionID: long(64), SizeBytes: 1 << 40,
		SHA256: long(64), KeyVersion: 1000, Generation: 1 << 40, TakenAt: now,
	}
	vm.Generation = 1 << 40
	vm.Boot = &dcm.BootTrace{
		Machine: 46655, Installing: 46655, Bootstrapping: 46655, Restoring: 46655, Cloning: 46655, Preparing: 46655, Building: 46655, Packages: 46655,
	}
	vm.Upload = &dcm.Upload{
		BackupID: "bk-bbbbbbbbbb", UploadID: long(192), FromGeneration: 1 << 40, KeyVersion: 1000, StartedAt: now,
		Expected: &dcm.UploadExpectation{SizeBytes: 1 << 40, SHA256: long(64)},
	}
	return vm
}

// sizeOf is an attribute value's size in bytes as DynamoDB counts it.
func sizeOf(v types.AttributeValue) int {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberB:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return (len(v.Value)+1)/2 + 1
	case *types.AttributeValueMemberL:
		size := 3
		for _, e := range v.Value {
			size += 1 + sizeOf(e)
		}
		return size
	case *types.AttributeValueMemberM:
		size := 3
		for name, e := range v.Value {
			size += 1 + len(name) + sizeOf(e)
		}
		return size
	default:
		return 1
	}
}
