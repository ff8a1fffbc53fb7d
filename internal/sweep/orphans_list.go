package sweep

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// What a thing's service is called where it is no provider.
const (
	serviceDNS     = "cloudflare"
	serviceStorage = "s3"
)

// holder is whose accounts are looked through: the platform's, or a tenant's own.
type holder struct {
	// tenant is "" for the platform.
	tenant   dcm.TenantID
	accounts dcm.TenantAccounts
}

// owns says whether things of this tenant are to be dealt with in the holder's
// accounts. In a tenant's own account somebody else's name is not believed:
// whoever owns the account could have written it there.
func (h holder) owns(t dcm.TenantID) bool { return h.tenant == "" || h.tenant == t }

// place is one account that things are listed in.
type place struct {
	service string
	account dcm.AccountID
	// provider is set for an account at a provider.
	provider string
	list     func(context.Context) (listing, error)
}

// listing is what an account holds of ours.
type listing struct {
	// found are the things that are old enough to be judged.
	found []dcm.Orphan
	// servers are all VMs that have a server there, however young, with their
	// number; nil where there are no servers.
	servers map[owner]int
	unclear int
	// lost is why there is nothing there, where that is its owner's to know: no run
	// fails by it.
	lost error
}

// owner names a VM.
type owner struct {
	tenant dcm.TenantID
	vm     dcm.VMID
}

// places are the holder's accounts.
func (s *Orphans) places(h holder) []place {
	if h.tenant == "" {
		var all []place
		for _, name := range slices.Sorted(maps.Keys(s.Providers)) {
			all = append(all, s.serverPlace(h, name, dcm.PlatformAccount))
		}
		zone := s.Accounts.Domain(dcm.TenantAccounts{}).Placement
		return append(all, s.recordPlace(h, zone), s.uploadPlace(h, dcm.PlatformAccount))
	}
	var all []place
	for _, name := range slices.Sorted(maps.Keys(h.accounts.Providers)) {
		all = append(all, s.serverPlace(h, name, h.accounts.Providers[name].ID))
	}
	for _, id := range slices.Sorted(maps.Keys(h.accounts.Tenant.DNSAccounts)) {
		zone := h.accounts.Tenant.DNSAccounts[id].ZoneID
		all = append(all, s.recordPlace(h, dcm.DNSPlacement{ZoneID: zone, AccountID: id}))
	}
	for _, id := range slices.Sorted(maps.Keys(h.accounts.Tenant.StorageAccounts)) {
		all = append(all, s.uploadPlace(h, id))
	}
	return all
}

func (s *Orphans) serverPlace(h holder, name string, id dcm.AccountID) place {
	return place{service: name, account: id, provider: name, list: func(ctx context.Context) (listing, error) {
		provider := s.Providers[name]
		if provider == nil {
			return listing{}, fmt.Errorf("provider %q has no adapter", name)
		}
		credential, err := s.Accounts.Credential(ctx, h.accounts, name, id)
		if err != nil {
			return listing{}, fmt.Errorf("open the credential for %s: %w", name, err)
		}
		servers, err := provider.ListVMs(ctx, credential, map[string]string{
			dcm.LabelManagedBy: dcm.ManagedBy, dcm.LabelInstallation: s.Installation,
		})
		if err != nil {
			return listing{}, fmt.Errorf("list the servers: %w", err)
		}
		l := listing{servers: map[owner]int{}}
		for _, server := range servers {
			s.addServer(ctx, &l, h, dcm.Orphan{
				Kind: dcm.OrphanServer, Service: name, AccountID: id, ExternalID: server.ID, Name: server.Name, CreatedAt: server.CreatedAt,
			}, server.Labels)
		}
		return l, nil
	}}
}

func (s *Orphans) addServer(ctx context.Context, l *listing, h holder, o dcm.Orphan, labels map[string]string) {
	if h.tenant == "" && dcm.IsWorkingBuilder(s.Installation, labels, s.Clock.Now()) {
		return // no VM, and whoever started it ends it
	}
	t, vm, ok := dcm.ServerOwner(s.Installation, labels)
	if ok {
		l.servers[owner{t, vm}]++
	}
	o.Tenant, o.VM, o.Workspace = t, vm, dcm.WorkspaceID(labels[dcm.LabelWorkspace])
	if !o.Workspace.Valid() {
		o.Workspace = ""
	}
	s.add(ctx, l, h, o, ok)
}

// add keeps what is old enough to be judged. What has our marks and can't be
// read, or does not say how old it is, stays what and where it is.
func (s *Orphans) add(ctx context.Context, l *listing, h holder, o dcm.Orphan, clear bool) {
	switch {
	case !clear || o.CreatedAt.IsZero():
		l.unclear++
		s.Log.WarnContext(ctx, "left alone: it has our marks and does not say whose it is", "kind", o.Kind, "service", o.Service,
			"account", o.AccountID, "id", o.ExternalID, "name", o.Name)
	case h.owns(o.Tenant) && s.Clock.Now().Sub(o.CreatedAt) >= dcm.OrphanGrace:
		l.found = append(l.found, o)
	}
}

func (s *Orphans) recordPlace(h holder, p dcm.DNSPlacement) place {
	return place{service: serviceDNS, account: p.AccountID, list: func(ctx context.Context) (listing, error) {
		zone, err := s.Accounts.Zone(ctx, h.accounts, p)
		if err != nil {
			return listing{}, fmt.Errorf("open the DNS zone: %w", err)
		}
		records, err := s.DNS.Find(ctx, zone, dcm.DNSCommentPrefix(s.Installation), true)
		if err != nil {
			return listing{}, fmt.Errorf("list the DNS records: %w", err)
		}
		var l listing
		for _, r := range records {
			t, vm, ok := dcm.DNSOwner(s.Installation, r)
			s.add(ctx, &l, h, dcm.Orphan{
				Kind: dcm.OrphanDNSRecord, Tenant: t, Service: serviceDNS, AccountID: p.AccountID, ExternalID: r.ID,
				Name: r.Name, VM: vm, CreatedAt: r.CreatedAt,
			}, ok)
		}
		return l, nil
	}}
}

func (s *Orphans) uploadPlace(h holder, id dcm.AccountID) place {
	return place{service: serviceStorage, account: id, list: func(ctx context.Context) (listing, error) {
		bucket, err := s.Accounts.Bucket(ctx, h.accounts, id)
		if err != nil {
			return listing{}, fmt.Errorf("open the bucket: %w", err)
		}
		prefix, since := "", time.Time{}
		if h.tenant != "" {
			// No check of ours was there long before the account was.
			prefix, since = string(h.tenant)+"/", h.accounts.Tenant.StorageAccounts[id].AddedAt.Add(-dcm.OrphanGrace)
		}
		uploads, err := s.Storage.ListUploads(ctx, bucket, prefix)
		if dcm.KindOf(err) == dcm.KindNotFound {
			return listing{lost: err}, nil
		}
		if err != nil {
			return listing{}, fmt.Errorf("list the uploads: %w", err)
		}
		var l listing
		for _, u := range uploads {
			t, ws, ok := dcm.UploadOwner(u.Key)
			if !ok || dcm.IsOfCheck(u.Key) && u.StartedAt.Before(since) {
				// A bucket holds other people's things too.
				continue
			}
			s.add(ctx, &l, h, dcm.Orphan{
				Kind: dcm.OrphanUpload, Tenant: t, Service: serviceStorage, AccountID: id, ExternalID: u.UploadID,
				Name: u.Key, Workspace: ws, CreatedAt: u.StartedAt,
			}, true)
		}
		return l, nil
	}}
}

// peekLimit is how many records one run reads to find live VMs whose server the
// platform's accounts do not list.
const peekLimit = 1000

// turnOf picks a run's share of the owners, so that all of them have had their
// turn after as many runs as it takes.
func turnOf(all []owner, now time.Time) []owner {
	if len(all) <= peekLimit {
		return all
	}
	turns := (len(all) + peekLimit - 1) / peekLimit
	turn := runNumber(now) % turns
	return all[turn*peekLimit : min(len(all), (turn+1)*peekLimit)]
}

// orphansInterval is how often the sweep runs.
const orphansInterval = 15 * time.Minute

// runNumber counts the sweep's runs, from whenever.
func runNumber(now time.Time) int { return int(now.Unix() / int64(orphansInterval/time.Second)) }

// shardsInTurn are all shards, from another one on with each run.
func shardsInTurn(now time.Time) []int {
	shards := make([]int, dcm.DueShards)
	for n := range shards {
		shards[n] = (runNumber(now) + n) % dcm.DueShards
	}
	return shards
}
