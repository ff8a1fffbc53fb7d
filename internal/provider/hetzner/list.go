package hetzner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const (
	// pageSize is the most Hetzner gives.
	pageSize = 50
	// listAttempts is how often a list is begun again because servers came or
	// went while it was read.
	listAttempts = 3
)

// errMoved says that the set changed between two pages.
var errMoved = errors.New("the list changed while it was read")

// ListVMs returns every server with these labels: one call per 50 servers.
//
// Pages are cut by position, so a server deleted meanwhile shifts another over
// the edge of a page already read. A change of the total number gives that
// away, and the list is begun again; after three such attempts it is
// KindUnavailable. One server deleted and another created between two pages
// can't be seen, which is why nothing may be concluded from one absence.
func (p *Provider) ListVMs(ctx context.Context, c dcm.Credential, labels map[string]string) ([]dcm.Server, error) {
	const op = "list servers"
	client, err := p.client(op, c)
	if err != nil {
		return nil, err
	}
	if err := checkLabels(op, labels); err != nil {
		return nil, err
	}
	for range listAttempts {
		all, err := p.listOnce(ctx, client, op, labels)
		if !errors.Is(err, errMoved) {
			return all, err
		}
	}
	return nil, &dcm.ProviderError{
		Kind: dcm.KindUnavailable, Op: op, Message: "Hetzner's list of servers kept changing while it was read", Err: errMoved,
	}
}

func (p *Provider) listOnce(ctx context.Context, client *hcloud.Client, op string, labels map[string]string) ([]dcm.Server, error) {
	all := []dcm.Server{}
	seen := map[int64]bool{}
	total := -1
	for page := 1; page != 0; {
		list, response, err := client.Server.List(ctx, hcloud.ServerListOpts{
			ListOpts: hcloud.ListOpts{Page: page, PerPage: pageSize, LabelSelector: selector(labels)},
			Sort:     []string{"id:asc"},
		})
		if err != nil {
			return nil, callError(op, response, err)
		}
		meta := response.Meta.Pagination
		// hcloud-go takes an answer without paging for the last page.
		if meta == nil || (meta.NextPage != 0 && meta.NextPage <= page) {
			return nil, incomplete(op)
		}
		if total >= 0 && meta.TotalEntries != total {
			return nil, errMoved
		}
		total, page = meta.TotalEntries, meta.NextPage
		for _, s := range list {
			if s.ID == 0 {
				return nil, incomplete(op)
			}
			seen[s.ID] = true
			if hasLabels(s.Labels, labels) {
				all = append(all, p.server(s))
			}
		}
	}
	if len(seen) != total {
		return nil, errMoved
	}
	return all, nil
}

// hasLabels compares again what the selector asked for: whatever is listed as
// ours may be deleted.
func hasLabels(have, want map[string]string) bool {
	for k, v := range want {
		if got, ok := have[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// selector asks for exact equality with every label. checkLabels has made sure
// that none of them can break out of it.
func selector(labels map[string]string) string {
	terms := make([]string, 0, len(labels))
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		terms = append(terms, k+"=="+labels[k])
	}
	return strings.Join(terms, ",")
}

// checkLabels refuses labels that break Hetzner's rules, naming the first.
func checkLabels(op string, labels map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if _, err := hcloud.ValidateResourceLabels(map[string]any{k: labels[k]}); err != nil {
			return &dcm.ProviderError{
				Kind: dcm.KindInvalid, Op: op, Message: fmt.Sprintf("Hetzner takes no label %q=%q", k, labels[k]), Err: err,
			}
		}
	}
	return nil
}
