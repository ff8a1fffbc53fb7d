package sweep

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// deletionTime is how long one deletion may take, so that one that hangs leaves
// the others their time.
const deletionTime = 40 * time.Second

// OrphanHandler judges, and deletes, what a look at an account has found. It
// reads the record, and the thing itself, again before it does.
type OrphanHandler interface {
	// Judge reports whether nothing live owns the thing, and fills in why.
	Judge(ctx context.Context, found dcm.Orphan) (dcm.Orphan, bool, error)
	// Remove deletes an orphan, and reports whether it had to.
	Remove(ctx context.Context, found dcm.Orphan) (bool, error)
	// Resume carries on with one that an earlier run has noted.
	Resume(ctx context.Context, noted dcm.Orphan) (bool, error)
	// Vanished reports whether a live VM's server is gone.
	Vanished(ctx context.Context, lost dcm.Vanished) (bool, error)
	// EndVanished ends such a VM, and reports whether it had to.
	EndVanished(ctx context.Context, lost dcm.Vanished) (bool, error)
	// NoteAccount notes what a look at a tenant's account came to: nil or why
	// it failed.
	NoteAccount(ctx context.Context, t dcm.TenantID, a dcm.ProviderAccount, cause error) error
	// NoteZoneOrBucket does so for a zone or a bucket of a tenant's.
	NoteZoneOrBucket(ctx context.Context, accounts dcm.TenantAccounts, id dcm.AccountID, cause error) error
}

// Orphans is the sweep over what nothing live owns: servers, DNS records and
// unfinished uploads, in the platform's accounts with every run and in each
// tenant's own every hour; and over live records whose server is gone. After a run
// that was killed, what is due has its next time before it is looked at, and the
// platform's accounts come last: whichever killed it lets others by.
//
// Everything is listed, whole or not at all, before any record is read. So a
// thing that came to be meanwhile is not in the list, and a record that ended
// meanwhile is found out by the handler, which asks for the thing again.
type Orphans struct {
	Store        dcm.Store
	Clock        dcm.Clock
	Log          *slog.Logger
	Meter        dcm.Meter
	Installation string
	Accounts     dcm.Accounts
	Providers    map[string]dcm.Provider
	DNS          dcm.DNS
	Storage      dcm.Storage
	Handler      OrphanHandler
	// MaxDeletions is how many things a run may delete, and VMs it may end. What
	// is more is left to the next run, and to whoever the alarm calls.
	MaxDeletions int
}

// OrphanReport is what a run did. Due, Done and Failed count accounts; a tenant
// that could not be read at all counts as one that failed.
type OrphanReport struct {
	Report
	// Removed is what was deleted, Ended the VMs whose server was gone, Left what
	// was found and has to wait for another run.
	Removed int `json:"removed"`
	Ended   int `json:"ended"`
	Left    int `json:"left"`
	// Unclear is what carries our marks and does not say whose it is, in anybody's
	// accounts.
	Unclear int `json:"unclear"`
	// Plan is all that was found, if the run was a dry one.
	Plan []PlannedDeletion `json:"plan,omitempty"`
}

// PlannedDeletion is one thing that a run would delete, or a VM it would end.
type PlannedDeletion struct {
	Kind      string        `json:"kind"`
	Tenant    dcm.TenantID  `json:"tenantId"`
	Service   string        `json:"service"`
	Account   dcm.AccountID `json:"accountId,omitempty"`
	ID        string        `json:"id,omitempty"`
	Name      string        `json:"name,omitempty"`
	VM        dcm.VMID      `json:"vmId,omitempty"`
	Why       string        `json:"why"`
	CreatedAt *time.Time    `json:"createdAt,omitempty"`
}

// Run looks through everything that is due and deletes what nothing live owns.
// A dry run lists it and changes nothing. It returns an error only if it could
// not tell what is due; accounts that failed are in the report.
func (s *Orphans) Run(ctx context.Context, o Order) (OrphanReport, error) {
	dry := o.DryRun
	r := &orphanRun{Orphans: s, dry: dry, careful: o.Careful, failures: map[dcm.TenantID]int{}}
	if !dry {
		r.resume(ctx)
	}
	var err error
	if r.careful {
		err = errors.Join(r.round(ctx, r.lookAtTenants), r.round(ctx, r.lookAtPlatform))
	} else {
		err = r.round(ctx, r.lookAtAll)
	}
	if dry {
		return r.report, err
	}
	s.Meter.Lasted(dcm.MetricOldestDue, r.oldest)
	s.Meter.Count(dcm.MetricOrphansUnclear, r.unclear)
	s.count(ctx, r.report, err)
	return r.report, err
}

// round looks, and deals with what that finds: a third of the time is left for it.
func (r *orphanRun) round(ctx context.Context, look func(context.Context) error) error {
	r.looked = nil
	looking, cancel := twoThirds(ctx)
	err := look(looking)
	cancel()
	r.tell(ctx)
	if !r.dry {
		r.act(ctx)
		r.settle(ctx)
	}
	return err
}

func (s *Orphans) count(ctx context.Context, report OrphanReport, err error) {
	s.Meter.Count(dcm.MetricSweepItems, report.Done)
	s.Meter.Count(dcm.MetricSweepFailed, report.Failed)
	if err == nil {
		s.Meter.Count(dcm.MetricSweepSuccess, 1)
	}
	s.Log.InfoContext(ctx, "swept orphans", "accounts", report.Due, "done", report.Done, "failed", report.Failed,
		"removed", report.Removed, "ended", report.Ended, "left", report.Left, "unclear", report.Unclear)
}

// orphanRun is one run.
type orphanRun struct {
	*Orphans
	dry bool
	// careful is set after a run that was killed.
	careful bool

	// mu guards what tenants are looked through side by side write to.
	mu     sync.Mutex
	report OrphanReport
	// unclear is the report's, as far as it is in the platform's accounts: what
	// lies in a tenant's own is the tenant's to mend, and may be made up.
	unclear  int
	oldest   time.Duration
	looked   []lookedAt
	spent    int // of MaxDeletions
	failures map[dcm.TenantID]int
}

// lookedAt is a holder of accounts that was looked through, and what was found.
type lookedAt struct {
	// tenant is "" for the platform.
	tenant dcm.TenantID
	// due is when the tenant was due; zero for the platform.
	due time.Time
	// without says that the tenant has no account of its own any more.
	without bool
	// unfinished says that something was found and is still there.
	unfinished bool
	found      []finding
}

// finding is an orphan, or a live VM whose server is gone.
type finding struct {
	orphan *dcm.Orphan
	lost   *dcm.Vanished
}

// planned says what a finding is, for people.
func (f finding) planned() PlannedDeletion {
	if l := f.lost; l != nil {
		return PlannedDeletion{
			Kind: "vm", Tenant: l.Tenant, Service: l.Provider, Account: l.AccountID, VM: l.VM, Why: "its server is gone",
		}
	}
	o := f.orphan
	return PlannedDeletion{
		Kind: string(o.Kind), Tenant: o.Tenant, Service: o.Service, Account: o.AccountID, ID: o.ExternalID, Name: o.Name,
		VM: o.VM, Why: o.Why, CreatedAt: &o.CreatedAt,
	}
}

// tell logs all that is about to be deleted, before the first of it is.
func (r *orphanRun) tell(ctx context.Context) {
	slices.SortFunc(r.looked, func(a, b lookedAt) int { return strings.Compare(string(a.tenant), string(b.tenant)) })
	for _, l := range r.looked {
		for _, f := range l.found {
			p := f.planned()
			r.Log.WarnContext(ctx, "found an orphan", "dryRun", r.dry, "kind", p.Kind, "tenant", p.Tenant, "service", p.Service,
				"account", p.Account, "id", p.ID, "name", p.Name, "vm", p.VM, "why", p.Why, "created", p.CreatedAt)
			if r.dry {
				r.report.Plan = append(r.report.Plan, p)
			}
		}
	}
}

// act deletes what was found, by turns of the accounts' holders, so that one with
// many orphans does not use up the run for the others.
func (r *orphanRun) act(ctx context.Context) {
	waiting := map[dcm.TenantID]bool{}
	holders := r.inTurn()
	if r.careful {
		for _, l := range holders {
			shuffle(l.found)
		}
	}
	for turn, more := 0, true; more; turn++ {
		more = false
		for _, l := range holders {
			if turn >= len(l.found) {
				continue
			}
			more = true
			if r.spent >= r.MaxDeletions {
				waiting[l.tenant] = true
			}
			if r.spent >= r.MaxDeletions || !timeLeft(ctx, spareTime) || r.failures[l.tenant] >= failuresOfOne {
				l.unfinished = true
				r.report.Left++
				continue
			}
			if r.one(ctx, l, l.found[turn]) {
				r.spent++
			}
		}
	}
	if len(waiting) == 0 {
		return
	}
	r.Log.ErrorContext(ctx, "a run has deleted as much as one may", "most", r.MaxDeletions, "left", r.report.Left, "holders", len(waiting))
	if waiting[""] || len(waiting) > 1 {
		// One tenant alone calls nobody: it can fill its own accounts as it likes.
		r.Meter.Count(dcm.MetricOrphanCap, 1)
	}
}

// inTurn is in what order holders have their turns: the platform first, and the
// tenants from another one on with each run, so that none is always behind more
// of them than a run may delete for.
func (r *orphanRun) inTurn() []*lookedAt {
	var first, rest []*lookedAt
	for i := range r.looked {
		switch l := &r.looked[i]; {
		case l.tenant == "":
			first = append(first, l)
		case len(l.found) > 0:
			rest = append(rest, l)
		}
	}
	if len(rest) == 0 {
		return first
	}
	from := runNumber(r.Clock.Now()) * max(r.MaxDeletions, 1) % len(rest)
	return append(append(first, rest[from:]...), rest[:from]...)
}

// one deals with a finding, and reports whether it counts towards the most that
// a run may do: it does unless there turned out to be nothing to do.
func (r *orphanRun) one(ctx context.Context, l *lookedAt, f finding) bool {
	work, cancel := context.WithTimeout(ctx, deletionTime)
	defer cancel()
	did, counter := false, &r.report.Removed
	err := guard(func() (err error) {
		if f.lost != nil {
			counter = &r.report.Ended
			did, err = r.Handler.EndVanished(work, *f.lost)
		} else {
			did, err = r.Handler.Remove(work, *f.orphan)
		}
		return err
	})
	if did {
		*counter++
	}
	if err != nil {
		l.unfinished = true
		r.failures[l.tenant]++
		r.report.Left++
		p := f.planned()
		r.Log.ErrorContext(ctx, "an orphan is not removed yet", "kind", p.Kind, "id", p.ID, "tenant", p.Tenant, "vm", p.VM, "error", err)
	}
	return did || err != nil
}
