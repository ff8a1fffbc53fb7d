package lifecycle_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/lifecycle"
)

// outside is everything around Orphans: it notes what is called, in order.
type outside struct {
	dcm.Store
	dcm.TenantStore
	calls  []string
	server *dcm.Server
	vm     *dcm.VM
	// stays says that a deletion has no effect.
	stays   bool
	settled []dcm.Orphan
	changed []dcm.VMChange
}

func (o *outside) did(what string) { o.calls = append(o.calls, what) }

func (o *outside) Tenant(dcm.TenantID) dcm.TenantStore { return o }

// keys open every account.
type keys struct{ dcm.Accounts }

func (keys) Credential(context.Context, dcm.TenantAccounts, string, dcm.AccountID) (dcm.Credential, error) {
	return dcm.Credential{Token: dcm.NewSecret("t")}, nil
}

// cloud is the provider.
type cloud struct {
	dcm.Provider
	of *outside
}

func (o cloud) GetVM(context.Context, dcm.Credential, dcm.ServerRef) (*dcm.Server, error) {
	o.of.did("look")
	return o.of.server, nil
}

func (o cloud) DeleteVM(context.Context, dcm.Credential, string) error {
	o.of.did("delete")
	if !o.of.stays {
		o.of.server = nil
	}
	return nil
}

func (o *outside) VM(context.Context, dcm.VMID) (dcm.VM, error) {
	o.did("read")
	if o.vm == nil {
		return dcm.VM{}, dcm.Errorf(dcm.CodeNotFound, "no VM")
	}
	return *o.vm, nil
}

func (o *outside) ChangeVM(_ context.Context, _ dcm.VMID, c dcm.VMChange) (dcm.VM, error) {
	o.changed = append(o.changed, c)
	return *o.vm, nil
}

func (o *outside) NoteOrphan(context.Context, dcm.Orphan) error { o.did("note"); return nil }

func (o *outside) SettleOrphan(_ context.Context, s dcm.Orphan) error {
	o.did("settle")
	o.settled = append(o.settled, s)
	return nil
}

func (o *outside) AddEvent(context.Context, dcm.Event) error { o.did("event"); return nil }

func (o *outside) Count(dcm.Metric, int) {}

func (*outside) Lasted(dcm.Metric, time.Duration) {}

type clockAt time.Time

func (c clockAt) Now() time.Time { return time.Time(c) }

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func orphansOf(o *outside) *lifecycle.Orphans {
	return &lifecycle.Orphans{
		Common: lifecycle.Common{
			Store: o, Clock: clockAt(noon), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Meter: o, Random: rand.Reader, Installation: "here",
		},
		Accounts: keys{}, Providers: map[string]dcm.Provider{"hetzner": cloud{of: o}},
	}
}

func serverOf(t dcm.TenantID, vm dcm.VMID) *dcm.Server {
	return &dcm.Server{ID: "1", Name: vm.ServerName(), Labels: dcm.VM{ID: vm, TenantID: t}.ServerLabels("here"), CreatedAt: noon.Add(-time.Hour)}
}

var found = dcm.Orphan{
	Kind: dcm.OrphanServer, Tenant: "acme", Service: "hetzner", ExternalID: "1", VM: "vm-aaaaaaaaaa", CreatedAt: noon.Add(-time.Hour),
}

func ended(ago time.Duration) *dcm.VM {
	at := noon.Add(-ago)
	return &dcm.VM{ID: "vm-aaaaaaaaaa", TenantID: "acme", Provider: "hetzner", Status: dcm.StatusStopped, StoppedAt: &at}
}

func live(status dcm.Status, serverID string) *dcm.VM {
	return &dcm.VM{
		ID: "vm-aaaaaaaaaa", TenantID: "acme", Provider: "hetzner", Status: status, ProviderID: serverID, CreatedAt: noon.Add(-time.Hour), DueAt: noon,
	}
}

// TestWhatIsReadAgainDecides: the thing and its record, just before the deletion.
func TestWhatIsReadAgainDecides(t *testing.T) {
	t.Parallel()
	relabelled := serverOf("acme", "vm-aaaaaaaaaa")
	relabelled.Labels[dcm.LabelInstallation] = "there"
	whole := []string{"look", "read", "note", "delete", "look", "event", "settle"}
	for name, c := range map[string]struct {
		server *dcm.Server
		vm     *dcm.VM
		stays  bool
		calls  []string
	}{
		"no record":                               {server: serverOf("acme", "vm-aaaaaaaaaa"), calls: whole},
		"record stopped":                          {server: serverOf("acme", "vm-aaaaaaaaaa"), vm: ended(30 * time.Minute), calls: whole},
		"record names another server":             {server: serverOf("acme", "vm-aaaaaaaaaa"), vm: live(dcm.StatusRunning, "2"), calls: whole},
		"gone meanwhile":                          {vm: ended(time.Minute), calls: whole[:1]},
		"relabelled meanwhile":                    {server: relabelled, calls: whole[:1]},
		"another VM's meanwhile":                  {server: serverOf("acme", "vm-aaaaaaaaab"), calls: whole[:1]},
		"a record that appeared":                  {server: serverOf("acme", "vm-aaaaaaaaaa"), vm: live(dcm.StatusCreating, ""), calls: whole[:2]},
		"a record that has learned of its server": {server: serverOf("acme", "vm-aaaaaaaaaa"), vm: live(dcm.StatusStopping, "1"), calls: whole[:2]},
		"not gone yet":                            {server: serverOf("acme", "vm-aaaaaaaaaa"), stays: true, calls: whole[:5]},
	} {
		o := &outside{server: c.server, vm: c.vm, stays: c.stays}
		removed, err := orphansOf(o).Remove(t.Context(), found)
		if !slices.Equal(o.calls, c.calls) {
			t.Errorf("%s: %v, want %v", name, o.calls, c.calls)
		}
		if done := len(c.calls) == len(whole); removed != done || errors.Is(err, lifecycle.ErrNotGone) != c.stays || (err != nil) != c.stays {
			t.Errorf("%s: %t, %v", name, removed, err)
		}
	}
}

// TestMinutes are from the end of the record, or from the thing's own beginning.
func TestMinutes(t *testing.T) {
	t.Parallel()
	for want, vm := range map[int]*dcm.VM{60: nil, 30: ended(30 * time.Minute)} {
		o := &outside{server: serverOf("acme", "vm-aaaaaaaaaa"), vm: vm}
		if _, err := orphansOf(o).Remove(t.Context(), found); err != nil {
			t.Fatal(err)
		}
		if got := o.settled[0]; got.Minutes != want || !got.ConfirmedAt.Equal(noon) || !got.FoundAt.Equal(noon) {
			t.Errorf("%+v, want %d minutes", got, want)
		}
	}
}

// TestResume: what is gone is settled, what is there is judged again.
func TestResume(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		server *dcm.Server
		vm     *dcm.VM
		calls  []string
	}{
		"gone":        {calls: []string{"look", "event", "settle"}},
		"still there": {server: serverOf("acme", "vm-aaaaaaaaaa"), calls: []string{"look", "read", "delete", "look", "event", "settle"}},
		"owned":       {server: serverOf("acme", "vm-aaaaaaaaaa"), vm: live(dcm.StatusRunning, "1"), calls: []string{"look", "read"}},
		"foreign":     {server: serverOf("other", "vm-aaaaaaaaaa"), calls: []string{"look"}},
	} {
		o := &outside{server: c.server, vm: c.vm}
		if _, err := orphansOf(o).Resume(t.Context(), found); err != nil || !slices.Equal(o.calls, c.calls) {
			t.Errorf("%s: %v, %v, want %v", name, o.calls, err, c.calls)
		}
	}
}

// TestVanished: which live records end when their server is gone.
func TestVanished(t *testing.T) {
	t.Parallel()
	lost := dcm.Vanished{Tenant: "acme", VM: "vm-aaaaaaaaaa", Provider: "hetzner"}
	with := func(vm *dcm.VM, change func(*dcm.VM)) *dcm.VM { change(vm); return vm }
	called := noon.Add(-time.Minute)
	for name, c := range map[string]struct {
		vm     *dcm.VM
		server *dcm.Server
		ends   bool
	}{
		"running":                {vm: live(dcm.StatusRunning, "1"), ends: true},
		"creating":               {vm: live(dcm.StatusCreating, "1"), ends: true},
		"waiting for its backup": {vm: with(live(dcm.StatusStopping, "1"), func(v *dcm.VM) { v.RunningAt = &v.CreatedAt }), ends: true},
		"being released":         {vm: with(live(dcm.StatusStopping, "1"), func(v *dcm.VM) { v.Force = true })},
		"launch under way":       {vm: live(dcm.StatusCreating, "")},
		"listed by mistake":      {vm: live(dcm.StatusRunning, "1"), server: serverOf("acme", "vm-aaaaaaaaaa")},
		"of another account":     {vm: with(live(dcm.StatusRunning, "1"), func(v *dcm.VM) { v.AccountID = "ac-1" })},
		"at another provider":    {vm: with(live(dcm.StatusRunning, "1"), func(v *dcm.VM) { v.Provider = "ovh" })},
		"called a moment ago":    {vm: with(live(dcm.StatusRunning, "1"), func(v *dcm.VM) { v.LastSeenAt = &called })},
		"launched a moment ago":  {vm: with(live(dcm.StatusCreating, "1"), func(v *dcm.VM) { v.CreatedAt = called })},
		"stopped":                {vm: ended(time.Hour)},
		"without a record":       {},
	} {
		o := &outside{vm: c.vm, server: c.server}
		did, err := orphansOf(o).EndVanished(t.Context(), lost)
		if err != nil || did != c.ends || len(o.changed) == 1 != c.ends {
			t.Errorf("%s: %t, %v, %+v", name, did, err, o.changed)
		}
		for _, change := range o.changed {
			if !*change.Force || !change.DueAt.Equal(noon) || change.IfDueAt == nil || !change.IfProviderID {
				t.Errorf("%s: %+v", name, change)
			}
			if stopping := c.vm.Status == dcm.StatusStopping; (change.StopReason == nil) != stopping || (change.Error == nil) != stopping {
				t.Errorf("%s: %+v", name, change)
			}
		}
	}
}
