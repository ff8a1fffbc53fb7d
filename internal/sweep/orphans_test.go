package sweep_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sweep"
)

// estate is the whole world of a sweep over orphans: tenants with an account
// each, and one stray server in each account.
type estate struct {
	dcm.Store
	mu      sync.Mutex
	due     []dcm.DueTenant
	calls   []string
	settled map[dcm.TenantID]time.Time
	removed []string
	judged  int
	// fails has a look at this tenant's account fail, or panic.
	fails map[dcm.TenantID]func() error
	// strays is how many stray servers each account has.
	strays int
	// many is how many more than that some have.
	many map[dcm.TenantID]int
	live []dcm.DueVM
	// noted is what earlier runs have left, by shard; shards, what was asked for.
	noted   map[int][]dcm.DueOrphan
	shards  []int
	resumed map[dcm.TenantID]int
	putOff  map[dcm.OrphanRef]time.Time
}

func (e *estate) did(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, what)
}

func (e *estate) count(what string) (n int) {
	for _, c := range e.calls {
		if c == what {
			n++
		}
	}
	return n
}

func (e *estate) DueReconciles(_ context.Context, shard int, _ time.Time, limit int) ([]dcm.DueTenant, error) {
	e.did("due")
	var left []dcm.DueTenant
	for _, d := range e.due {
		if _, done := e.settled[d.Tenant]; !done && shard == 0 && len(left) < limit {
			left = append(left, d)
		}
	}
	return left, nil
}

func (e *estate) DueOrphans(_ context.Context, shard int, _ time.Time, _ int) ([]dcm.DueOrphan, error) {
	e.shards = append(e.shards, shard)
	var due []dcm.DueOrphan
	for _, n := range e.noted[shard] {
		if _, off := e.putOff[n.Ref]; !off {
			due = append(due, n)
		}
	}
	return due, nil
}

func (e *estate) LiveVMs(_ context.Context, shard int) ([]dcm.DueVM, error) {
	e.did("records")
	if shard != 0 {
		return nil, nil
	}
	return e.live, nil
}

func (e *estate) Tenant(t dcm.TenantID) dcm.TenantStore { return &estateTenant{estate: e, id: t} }

type estateTenant struct {
	dcm.TenantStore
	estate *estate
	id     dcm.TenantID
}

func (t *estateTenant) Accounts(context.Context) (dcm.TenantAccounts, error) {
	return dcm.TenantAccounts{
		Tenant:    dcm.Tenant{ID: t.id},
		Providers: map[string]dcm.ProviderAccount{"hetzner": {ID: dcm.AccountID("ac-" + t.id), Provider: "hetzner"}},
	}, nil
}

func (t *estateTenant) SettleReconcile(_ context.Context, _, to time.Time) error {
	t.estate.mu.Lock()
	defer t.estate.mu.Unlock()
	t.estate.settled[t.id] = to
	return nil
}

func (t *estateTenant) Orphan(context.Context, dcm.OrphanRef) (dcm.Orphan, error) {
	return dcm.Orphan{Tenant: t.id, AccountID: "ac-own", FoundAt: time.Now()}, nil
}

func (t *estateTenant) PutOffOrphan(_ context.Context, ref dcm.OrphanRef, to time.Time) error {
	t.estate.putOff[ref] = to
	return nil
}

func (t *estateTenant) PeekVM(_ context.Context, id dcm.VMID) (dcm.VM, error) {
	t.estate.did("peek")
	return dcm.VM{ID: id, TenantID: t.id, Provider: "hetzner", ProviderID: "9", Status: dcm.StatusRunning}, nil
}

// The accounts: a credential's token is the tenant's name.
type estateAccounts struct{ dcm.Accounts }

func (estateAccounts) Credential(_ context.Context, a dcm.TenantAccounts, _ string, _ dcm.AccountID) (dcm.Credential, error) {
	return dcm.Credential{Token: dcm.NewSecret(string(a.Tenant.ID))}, nil
}

func (estateAccounts) Domain(dcm.TenantAccounts) dcm.Domain { return dcm.Domain{} }

func (estateAccounts) Zone(context.Context, dcm.TenantAccounts, dcm.DNSPlacement) (dcm.DNSZone, error) {
	return dcm.DNSZone{}, nil
}

func (estateAccounts) Bucket(context.Context, dcm.TenantAccounts, dcm.AccountID) (dcm.Bucket, error) {
	return dcm.Bucket{}, nil
}

type estateProvider struct {
	dcm.Provider
	*estate
}

func (p estateProvider) ListVMs(_ context.Context, c dcm.Credential, _ map[string]string) ([]dcm.Server, error) {
	tenant := dcm.TenantID(c.Token.Reveal())
	p.did("list")
	if fail := p.fails[tenant]; fail != nil {
		return nil, fail()
	}
	if tenant == "" {
		return nil, nil
	}
	var all []dcm.Server
	for i := range p.strays + p.many[tenant] {
		vm := dcm.VMID("vm-aaaaaaaaa" + "abcdefghijkmnpqrstuvwxyz"[i:i+1])
		all = append(all, dcm.Server{
			ID: fmt.Sprintf("%s-%d", tenant, i), Name: vm.ServerName(), CreatedAt: time.Now().Add(-time.Hour),
			Labels: dcm.VM{ID: vm, TenantID: tenant}.ServerLabels("here"),
		})
	}
	return all, nil
}

type estateDNS struct {
	dcm.DNS
	*estate
}

func (d estateDNS) Find(context.Context, dcm.DNSZone, string, bool) ([]dcm.DNSRecord, error) {
	d.did("list")
	return nil, nil
}

type estateStorage struct {
	dcm.Storage
	*estate
}

func (s estateStorage) ListUploads(context.Context, dcm.Bucket, string) ([]dcm.StoredUpload, error) {
	s.did("list")
	return nil, nil
}

// The handler: everything is an orphan.
type estateHandler struct{ *estate }

func (h estateHandler) Judge(_ context.Context, o dcm.Orphan) (dcm.Orphan, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.judged++
	o.Why = "nobody's"
	return o, true, nil
}

func (h estateHandler) Remove(_ context.Context, o dcm.Orphan) (bool, error) {
	h.removed = append(h.removed, o.ExternalID)
	return true, nil
}

func (h estateHandler) Resume(_ context.Context, o dcm.Orphan) (bool, error) {
	h.resumed[o.Tenant]++
	if fail := h.fails[o.Tenant]; fail != nil {
		return false, fail()
	}
	return true, nil
}

func (h estateHandler) Vanished(context.Context, dcm.Vanished) (bool, error)    { return false, nil }
func (h estateHandler) EndVanished(context.Context, dcm.Vanished) (bool, error) { return false, nil }

func (h estateHandler) NoteZoneOrBucket(context.Context, dcm.TenantAccounts, dcm.AccountID, error) error {
	return nil
}

func (h estateHandler) NoteAccount(context.Context, dcm.TenantID, dcm.ProviderAccount, error) error {
	return nil
}

func estateOf(tenants, strays int) *estate {
	e := &estate{
		noted: map[int][]dcm.DueOrphan{}, resumed: map[dcm.TenantID]int{}, putOff: map[dcm.OrphanRef]time.Time{},
		settled: map[dcm.TenantID]time.Time{}, fails: map[dcm.TenantID]func() error{}, strays: strays,
	}
	for i := range tenants {
		e.due = append(e.due, dcm.DueTenant{Tenant: dcm.TenantID(fmt.Sprintf("t%06d", i)), DueAt: time.Now().Add(-time.Minute)})
	}
	return e
}

func (e *estate) sweep(most int) *sweep.Orphans {
	h := estateHandler{e}
	return &sweep.Orphans{
		Store: e, Clock: dcm.SystemClock{}, Log: slog.New(slog.NewJSONHandler(io.Discard, nil)), Meter: noMeter{}, Installation: "here",
		Accounts: estateAccounts{}, Providers: map[string]dcm.Provider{"hetzner": estateProvider{estate: e}},
		DNS: estateDNS{estate: e}, Storage: estateStorage{estate: e}, Handler: &h, MaxDeletions: most,
	}
}

// TestListsComeFirst: every account of a holder is listed before any record is
// read, or what is made in between would look like nobody's.
func TestListsComeFirst(t *testing.T) {
	t.Parallel()
	e := estateOf(0, 0)
	if _, err := e.sweep(25).Run(t.Context(), sweep.Order{}); err != nil {
		t.Fatal(err)
	}
	lastList := 0
	for i, c := range e.calls {
		if c == "list" {
			lastList = i
		}
	}
	if first := slices.Index(e.calls, "records"); first < lastList || e.count("list") != 3 {
		t.Errorf("%v", e.calls)
	}
}

// TestACredentialThatPanics: and one that is refused. Those behind them are done
// in the same run, and both have put themselves off.
func TestACredentialThatPanics(t *testing.T) {
	t.Parallel()
	e := estateOf(40, 1)
	e.fails["t000003"] = func() error { panic("of this tenant alone") }
	e.fails["t000007"] = func() error { return &dcm.ProviderError{Kind: dcm.KindAuth, Op: "list", Message: "no"} }
	e.fails[""] = func() error { panic("of the platform's") }
	report, err := e.sweep(1000).Run(t.Context(), sweep.Order{})
	if err != nil || report.Failed != 3 || report.Removed != 38 || len(e.settled) != 40 {
		t.Errorf("%+v, %v, settled %d", report, err, len(e.settled))
	}
	for tenant, next := range e.settled {
		if in := time.Until(next); in <= 0 || in > dcm.ReconcileInterval {
			t.Errorf("%s is due again in %v", tenant, in)
		}
	}
}

// TestOneWithManyLeavesRoomForTheOthers: the most that a run deletes is shared by
// turns, and who has something left stays due.
func TestOneWithManyLeavesRoomForTheOthers(t *testing.T) {
	t.Parallel()
	e := estateOf(10, 20)
	report, err := e.sweep(25).Run(t.Context(), sweep.Order{})
	if err != nil || report.Removed != 25 || report.Left != 175 {
		t.Errorf("%+v, %v", report, err)
	}
	for tenant, next := range e.settled {
		if time.Until(next) > 0 {
			t.Errorf("%s, which has some left, is due at %v", tenant, next)
		}
	}
	byTenant := map[string]int{}
	for _, id := range e.removed {
		byTenant[id[:7]]++
	}
	for tenant, n := range byTenant {
		if n < 2 || n > 3 {
			t.Errorf("%s had %d of 25", tenant, n)
		}
	}
	if len(byTenant) != 10 {
		t.Errorf("only %v", byTenant)
	}
}

// TestOneWithManyCallsNobody: a tenant can fill its accounts as it likes. It uses
// up what the others leave of a run, is not late for it, and raises no alarm.
func TestOneWithManyCallsNobody(t *testing.T) {
	t.Parallel()
	e := estateOf(10, 1)
	e.many = map[dcm.TenantID]int{"t000000": 20}
	s, meter := e.sweep(25), &gauges{}
	s.Meter = meter
	report, err := s.Run(t.Context(), sweep.Order{})
	if err != nil || report.Removed != 25 || report.Left != 5 || len(e.settled) != 10 {
		t.Errorf("%+v, %v, settled %v", report, err, e.settled)
	}
	if n, counted := meter.values[dcm.MetricOrphanCap]; counted {
		t.Errorf("the cap was counted: %v", n)
	}
	// Two of them may be a mistake of ours.
	e = estateOf(10, 1)
	e.many = map[dcm.TenantID]int{"t000000": 20, "t000001": 20}
	s = e.sweep(25)
	s.Meter = meter
	if _, err := s.Run(t.Context(), sweep.Order{}); err != nil || meter.values[dcm.MetricOrphanCap] != 1 {
		t.Errorf("%v, %v", err, meter.values)
	}
}

// TestAllHaveTheirTurn: with more holders than a run may delete for, the ones
// that waited are not behind the others in the next run as well.
func TestAllHaveTheirTurn(t *testing.T) {
	t.Parallel()
	served := map[string]bool{}
	for run := range 4 {
		e := estateOf(80, 1)
		s := e.sweep(25)
		s.Clock = fixed(time.Now().Add(time.Duration(run) * 15 * time.Minute))
		if report, err := s.Run(t.Context(), sweep.Order{}); err != nil || report.Removed != 25 {
			t.Errorf("%+v, %v", report, err)
		}
		for _, id := range e.removed {
			served[id[:7]] = true
		}
	}
	if len(served) != 80 {
		t.Errorf("%d of 80 had their turn", len(served))
	}
}

// TestAHundredThousandCredentials cost nothing while they are not due, and a page
// of the index for each hundred that are.
func TestAHundredThousandCredentials(t *testing.T) {
	t.Parallel()
	idle := estateOf(0, 0)
	if _, err := idle.sweep(25).Run(t.Context(), sweep.Order{}); err != nil || idle.count("due") != dcm.DueShards {
		t.Errorf("%v, %d pages", err, idle.count("due"))
	}
	const due = 25_000 // a quarter of an hour's share
	busy := estateOf(due, 0)
	report, err := busy.sweep(25).Run(t.Context(), sweep.Order{})
	if err != nil || report.Done != due+3 || len(busy.settled) != due {
		t.Errorf("%+v, %v, settled %d", report, err, len(busy.settled))
	}
	if pages := busy.count("due"); pages > due/100+dcm.DueShards+1 {
		t.Errorf("%d pages", pages)
	}
	if busy.judged != 0 || busy.count("list") != due+3 {
		t.Errorf("%d records read, %d lists", busy.judged, busy.count("list"))
	}
}

// TestRecordsReadAreBounded: live VMs that the platform does not list are those
// in tenants' own accounts, for the most part.
func TestRecordsReadAreBounded(t *testing.T) {
	t.Parallel()
	e := estateOf(0, 0)
	for i := range 5000 {
		e.live = append(e.live, dcm.DueVM{Tenant: "acme", VM: dcm.VMID(fmt.Sprintf("vm-%010d", i))})
	}
	if _, err := e.sweep(25).Run(t.Context(), sweep.Order{}); err != nil || e.count("peek") != 1000 {
		t.Errorf("%v, %d records read", err, e.count("peek"))
	}
}

// TestWhatWasNotedTakesTurns: shards with each run, and one tenant whose account
// fails keeps nobody. Those of its that were not tried come first another time.
func TestWhatWasNotedTakesTurns(t *testing.T) {
	t.Parallel()
	first := map[int]bool{}
	for run := range dcm.DueShards {
		e := estateOf(0, 0)
		e.fails["slow"] = func() error { return &dcm.ProviderError{Kind: dcm.KindUnavailable, Op: "abort", Message: "no"} }
		for n := range 20 {
			e.noted[1] = append(e.noted[1], dcm.DueOrphan{Tenant: "slow", Ref: dcm.OrphanRef(fmt.Sprintf("slow-%d", n))})
		}
		e.noted[1] = append(e.noted[1], dcm.DueOrphan{Tenant: "acme", Ref: "acme-0"})
		s := e.sweep(25)
		now := time.Now().Add(time.Duration(run) * 15 * time.Minute)
		s.Clock = fixed(now)
		report, err := s.Run(t.Context(), sweep.Order{})
		if err != nil || report.Removed != 1 || e.resumed["slow"] != 3 || e.resumed["acme"] != 1 {
			t.Errorf("%+v, %v, tried %v", report, err, e.resumed)
		}
		if len(e.putOff) != 20 || !e.putOff["slow-19"].After(now) || !e.putOff["slow-19"].Before(e.putOff["slow-0"]) {
			t.Errorf("put off: %v", e.putOff)
		}
		first[e.shards[0]] = true
	}
	if len(first) != dcm.DueShards {
		t.Errorf("runs begin with shards %v", first)
	}
}

// TestTenantsThatStayDueHideNobody: those that have orphans, or can't be settled,
// are listed until the run's end, and the ones behind them are looked through.
func TestTenantsThatStayDueHideNobody(t *testing.T) {
	t.Parallel()
	e := estateOf(950, 1)
	report, err := e.sweep(1000).Run(t.Context(), sweep.Order{})
	if err != nil || report.Removed != 950 || len(e.settled) != 950 {
		t.Errorf("%+v, %v, settled %d", report, err, len(e.settled))
	}
	e = estateOf(950, 1)
	if report, err := e.sweep(1000).Run(t.Context(), sweep.Order{DryRun: true}); err != nil || len(report.Plan) != 950 {
		t.Errorf("%d planned, %v", len(report.Plan), err)
	}
}
