package cloudflare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/cloudflare/cloudflare-go/v7/dns"
	"github.com/cloudflare/cloudflare-go/v7/shared"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const (
	pageSize = 1000
	// findAttempts is how often a list is begun again because records came or
	// went while it was read.
	findAttempts = 3
)

// errMoved says that the set changed between two pages.
var errMoved = errors.New("the list changed while it was read")

// Find lists records by their comment: one call per 1000 records. Cloudflare's
// filter ignores case, so every record is compared again.
//
// A record that goes while pages are read can shift another out of sight; a
// changed total gives that away, and the list is begun again, up to three
// times before it is KindUnavailable.
func (d *DNS) Find(ctx context.Context, z dcm.DNSZone, comment string, prefix bool) ([]dcm.DNSRecord, error) {
	const op = "find DNS records"
	if comment == "" {
		return nil, &dcm.ProviderError{Kind: dcm.KindInvalid, Op: op, Message: "records are found by their comment"}
	}
	fits := func(c string) bool { return c == comment }
	if prefix {
		fits = func(c string) bool { return strings.HasPrefix(c, comment) }
	}
	for range findAttempts {
		all, err := d.findOnce(ctx, op, z, comment, prefix)
		if errors.Is(err, errMoved) {
			continue
		}
		if err != nil {
			return nil, err
		}
		ours := []dcm.DNSRecord{}
		for _, r := range all {
			if fits(r.Comment) {
				ours = append(ours, r)
			}
		}
		return ours, nil
	}
	return nil, &dcm.ProviderError{
		Kind: dcm.KindUnavailable, Op: op, Message: "Cloudflare's list of records kept changing while it was read", Err: errMoved,
	}
}

func (d *DNS) findOnce(ctx context.Context, op string, z dcm.DNSZone, comment string, prefix bool) ([]dcm.DNSRecord, error) {
	var all []dcm.DNSRecord
	seen := map[string]bool{}
	total := -1
	// The library's own pager would drop the context after the first page.
	for page := 1; ; page++ {
		c, err := d.begin(op, z)
		if err != nil {
			return nil, err
		}
		got, err := c.records.List(ctx, query(z.ZoneID, comment, prefix, page))
		if err != nil {
			return nil, c.failed(err)
		}
		info, err := pageInfo(got.JSON.RawJSON())
		if err != nil || info.TotalCount == nil || info.TotalPages == nil {
			return nil, incomplete(op)
		}
		if total >= 0 && *info.TotalCount != total {
			return nil, errMoved
		}
		total = *info.TotalCount
		for _, r := range got.Result {
			if r.ID == "" {
				return nil, incomplete(op)
			}
			seen[r.ID] = true
			all = append(all, record(r))
		}
		if page >= *info.TotalPages {
			break
		}
	}
	if len(seen) != total {
		return nil, errMoved
	}
	return all, nil
}

func query(zone, comment string, prefix bool, page int) dns.RecordListParams {
	var q dns.RecordListParams
	q.ZoneID.Value, q.ZoneID.Present = zone, true
	if prefix {
		q.Comment.Value.Startswith.Value, q.Comment.Value.Startswith.Present = comment, true
	} else {
		q.Comment.Value.Exact.Value, q.Comment.Value.Exact.Present = comment, true
	}
	q.Comment.Present = true
	q.Page.Value, q.Page.Present = float64(page), true
	q.PerPage.Value, q.PerPage.Present = pageSize, true
	q.Order.Value, q.Order.Present = dns.RecordListParamsOrderName, true
	q.Direction.Value, q.Direction.Present = shared.SortDirectionAsc, true
	return q
}

// resultInfo is the part of a page that the library leaves out.
type resultInfo struct {
	TotalCount *int `json:"total_count"`
	TotalPages *int `json:"total_pages"`
}

func pageInfo(raw string) (resultInfo, error) {
	var body struct {
		ResultInfo resultInfo `json:"result_info"`
	}
	if err := json.Unmarshal([]byte(raw), &body); err != nil {
		return resultInfo{}, fmt.Errorf("read a page's result_info: %w", err)
	}
	return body.ResultInfo, nil
}
