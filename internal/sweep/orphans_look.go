package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const (
	// tenantsAtOnce is how many tenants are looked through side by side.
	tenantsAtOnce = 16
	// tenantTime is how long a look at one tenant may take.
	tenantTime = 2 * time.Minute
)

// lookAtAll looks through the platform's accounts, and those of the tenants that
// are due.
func (r *orphanRun) lookAtAll(ctx context.Context) error {
	return errors.Join(r.lookAtPlatform(ctx), r.lookAtTenants(ctx))
}

// twoThirds ends after two thirds of the time that is left.
func twoThirds(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-time.Until(deadline)/3))
}

func (r *orphanRun) lookAtPlatform(ctx context.Context) error {
	platform := lookedAt{}
	r.holder(ctx, holder{}, &platform)
	r.looked = append(r.looked, platform)
	return nil
}

func (r *orphanRun) lookAtTenants(ctx context.Context) error {
	until := r.Clock.Now()
	// Each run begins with another shard, so that none is always the one that
	// there is no time for; one that can't be listed is alone.
	var failed error
	for _, shard := range shardsInTurn(until) {
		if err := r.shard(ctx, shard, until); err != nil {
			failed = errors.Join(failed, fmt.Errorf("sweep shard %d of the tenants' accounts: %w", shard, err))
		}
	}
	return failed
}

// shard reads pages until one brings nothing that this run has not seen.
func (r *orphanRun) shard(ctx context.Context, shard int, until time.Time) error {
	s := &shardOf{number: shard, seen: map[string]bool{}}
	for {
		fresh, more, err := s.next(ctx, r.due, until)
		if err != nil {
			return err
		}
		if len(fresh) > 0 {
			// Noted before there may be no time: what no run reaches is late.
			r.oldest = max(r.oldest, age(until, fresh[0].dueAt))
		}
		if len(fresh) == 0 || !timeLeft(ctx, spareTime) {
			return nil
		}
		r.tenants(ctx, fresh)
		if !more {
			return nil
		}
	}
}

// due lists the tenants whose accounts are due.
func (r *orphanRun) due(ctx context.Context, shard int, until time.Time, limit int) ([]item, error) {
	due, err := r.Store.DueReconciles(ctx, shard, until, limit)
	items := make([]item, 0, len(due))
	for _, d := range due {
		items = append(items, item{kind: "accounts", tenant: d.Tenant, dueAt: d.DueAt})
	}
	return items, err
}

// tenants looks through some tenants' accounts side by side; if it is careful, one
// by one in any order, so that few have their next time when it is killed. What
// there is no time for stays due.
func (r *orphanRun) tenants(ctx context.Context, due []item) {
	var all sync.WaitGroup
	atOnce := tenantsAtOnce
	if r.careful {
		shuffle(due)
		atOnce = 1
	}
	free := make(chan struct{}, atOnce)
	for _, d := range due {
		free <- struct{}{}
		if !timeLeft(ctx, spareTime) {
			break
		}
		all.Go(func() {
			defer func() { <-free }()
			if r.careful && !r.ahead(ctx, &d) {
				return
			}
			l := r.tenant(ctx, d)
			if len(l.found) == 0 && !r.dry {
				r.settleOne(ctx, l)
				return
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.looked = append(r.looked, l)
		})
	}
	all.Wait()
}

// ahead gives the tenant its next time before its accounts are looked through:
// should that kill this run too, it is not due in the next. Whoever can't be
// put off stays due.
func (r *orphanRun) ahead(ctx context.Context, d *item) bool {
	next := dcm.ReconcileAfter(d.tenant, r.Clock.Now())
	if err := r.Store.Tenant(d.tenant).SettleReconcile(ctx, d.dueAt, next); err != nil {
		r.looksFailed(ctx, d.tenant, "", fmt.Errorf("put its accounts off before they are looked through: %w", err))
		return false
	}
	d.dueAt = next
	r.Log.InfoContext(ctx, "sweep item begins", d.kind, d.id, "tenant", d.tenant)
	return true
}

func (r *orphanRun) tenant(ctx context.Context, d item) lookedAt {
	l := lookedAt{tenant: d.tenant, due: d.dueAt}
	ctx, cancel := context.WithTimeout(ctx, tenantTime)
	defer cancel()
	var accounts dcm.TenantAccounts
	err := guard(func() (err error) {
		accounts, err = r.Store.Tenant(d.tenant).Accounts(ctx)
		return err
	})
	if err != nil {
		r.looksFailed(ctx, d.tenant, "", err)
		return l
	}
	l.without = len(accounts.Providers)+len(accounts.Tenant.DNSAccounts)+len(accounts.Tenant.StorageAccounts) == 0
	if !l.without {
		r.holder(ctx, holder{tenant: d.tenant, accounts: accounts}, &l)
	}
	return l
}

// holder lists all that the holder's accounts hold, and only then reads records.
func (r *orphanRun) holder(ctx context.Context, h holder, l *lookedAt) {
	var listings []listing
	served := map[string]map[owner]int{}
	for _, p := range r.places(h) {
		got, err := r.list(ctx, h, p)
		if err != nil {
			continue
		}
		listings = append(listings, got)
		if p.provider != "" {
			served[p.provider] = got.servers
		}
	}
	err := guard(func() error {
		live, err := r.live(ctx, h, served)
		if err != nil {
			return err
		}
		if err := r.judge(ctx, listings, live, l); err != nil {
			return err
		}
		return r.missing(ctx, h, live, served, l)
	})
	if err != nil {
		// What was found already is judged again before it is deleted.
		r.looksFailed(ctx, h.tenant, "", err)
	}
}

// list lists one account alone, and notes how it went.
func (r *orphanRun) list(ctx context.Context, h holder, p place) (got listing, err error) {
	err = guard(func() (err error) {
		got, err = p.list(ctx)
		return err
	})
	if h.tenant != "" && !r.dry {
		r.note(context.WithoutCancel(ctx), h, p, cmp.Or(err, got.lost))
	}
	if err != nil {
		r.looksFailed(ctx, h.tenant, p.service+" "+string(p.account), err)
		return listing{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Due++
	r.report.Done++
	r.report.Unclear += got.unclear
	if h.tenant == "" {
		r.unclear += got.unclear
	}
	return got, nil
}

// note notes on a tenant's account what a look at it came to.
func (r *orphanRun) note(ctx context.Context, h holder, p place, cause error) {
	err := guard(func() error {
		if p.provider != "" {
			return r.Handler.NoteAccount(ctx, h.tenant, h.accounts.Providers[p.provider], cause)
		}
		return r.Handler.NoteZoneOrBucket(ctx, h.accounts, p.account, cause)
	})
	if err != nil {
		r.Log.ErrorContext(ctx, "a look at an account could not be noted", "tenant", h.tenant, "account", p.account, "error", err)
	}
}

func (r *orphanRun) looksFailed(ctx context.Context, t dcm.TenantID, account string, err error) {
	r.Log.ErrorContext(ctx, "sweep item failed", "tenant", t, "account", account, "error", err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Due++
	r.report.Failed++
}

// records are the live VMs, some with their record.
type records map[owner]*dcm.VM

// live lists the VMs that are not stopped: of the platform from the index alone,
// of a tenant from its list, which is read only if there is something to compare.
func (r *orphanRun) live(ctx context.Context, h holder, served map[string]map[owner]int) (records, error) {
	live := records{}
	if h.tenant == "" {
		for shard := range dcm.DueShards {
			vms, err := r.Store.LiveVMs(ctx, shard)
			if err != nil {
				return nil, fmt.Errorf("list the live VMs: %w", err)
			}
			for _, d := range vms {
				live[owner{d.Tenant, d.VM}] = nil
			}
		}
		return live, nil
	}
	left := h.accounts.Tenant.ActiveVMs
	for cursor := ""; left > 0; {
		page, err := r.Store.Tenant(h.tenant).VMs(ctx, dcm.VMQuery{Limit: pageSize, Cursor: cursor})
		if err != nil {
			return nil, fmt.Errorf("list the VMs: %w", err)
		}
		for _, vm := range page.Items {
			if vm.Status.Active() {
				live[owner{h.tenant, vm.ID}] = &vm
				left--
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	return live, nil
}

// judge asks for the record of everything that is not plainly a live VM's.
func (r *orphanRun) judge(ctx context.Context, listings []listing, live records, l *lookedAt) error {
	var failed error
	for _, got := range listings {
		for _, o := range got.found {
			if plainlyOwned(o, live, got.servers) {
				continue
			}
			judged, orphaned, err := r.Handler.Judge(ctx, o)
			if err != nil {
				failed = errors.Join(failed, err)
				continue
			}
			if orphaned {
				l.found = append(l.found, finding{orphan: &judged})
			}
		}
	}
	return failed
}

// plainlyOwned spares the reading of a record: a live VM's DNS records are its
// own, and so is a server, if it is the only one and has the name that we give.
func plainlyOwned(o dcm.Orphan, live records, servers map[owner]int) bool {
	who := owner{o.Tenant, o.VM}
	if _, ok := live[who]; !ok {
		return false
	}
	switch o.Kind {
	case dcm.OrphanDNSRecord:
		return true
	case dcm.OrphanServer:
		return servers[who] == 1 && o.Name == o.VM.ServerName()
	}
	return false
}

// missing finds live VMs whose server none of the accounts lists that could be
// listed. Their records are read, as many as one run may.
func (r *orphanRun) missing(ctx context.Context, h holder, live records, served map[string]map[owner]int, l *lookedAt) error {
	var absent []owner
	for who := range live {
		if !slices.ContainsFunc(sets(served), func(s map[owner]int) bool { return s[who] > 0 }) {
			absent = append(absent, who)
		}
	}
	slices.SortFunc(absent, func(a, b owner) int { return strings.Compare(string(a.vm), string(b.vm)) })
	if len(served) == 0 {
		return nil
	}
	for _, who := range turnOf(absent, r.Clock.Now()) {
		vm := live[who]
		if vm == nil {
			peeked, err := r.Store.Tenant(who.tenant).PeekVM(ctx, who.vm)
			if dcm.ErrorCode(err) == dcm.CodeNotFound {
				continue
			}
			if err != nil {
				return fmt.Errorf("read %s: %w", who.vm, err)
			}
			vm = &peeked
		}
		if served[vm.Provider] == nil {
			continue
		}
		lost := dcm.Vanished{Tenant: who.tenant, VM: who.vm, Provider: vm.Provider, AccountID: h.accounts.Providers[vm.Provider].ID}
		if !lost.MayBe(*vm) {
			continue
		}
		gone, err := r.Handler.Vanished(ctx, lost)
		if err != nil {
			return err
		}
		if gone {
			l.found = append(l.found, finding{lost: &lost})
		}
	}
	return nil
}

func sets(served map[string]map[owner]int) []map[owner]int {
	var all []map[owner]int
	for _, s := range served {
		all = append(all, s)
	}
	return all
}

// settle gives every tenant its next time. One with orphans left is due at once,
// and not late: it has been looked through.
func (r *orphanRun) settle(ctx context.Context) {
	for _, l := range r.looked {
		if l.tenant != "" {
			r.settleOne(ctx, l)
		}
	}
}

func (r *orphanRun) settleOne(ctx context.Context, l lookedAt) {
	next := dcm.ReconcileAfter(l.tenant, r.Clock.Now())
	switch {
	case l.without:
		next = time.Time{}
	case l.unfinished:
		next = r.Clock.Now()
	}
	err := r.Store.Tenant(l.tenant).SettleReconcile(context.WithoutCancel(ctx), l.due, next)
	if err != nil && !errors.Is(err, dcm.ErrLostRace) {
		r.Log.ErrorContext(ctx, "a tenant's accounts could not be put off", "tenant", l.tenant, "error", err)
	}
}
