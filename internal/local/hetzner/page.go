package hetzner

import (
	"net/url"
	"strconv"
)

// perPageLimit is the most the API gives on one page.
const perPageLimit = 50

// page is what a list request asked for.
type page struct{ number, size int }

func pageOf(q url.Values) (page, error) {
	number, err := positive(q, "page", 1)
	if err != nil {
		return page{}, err
	}
	size, err := positive(q, "per_page", 25)
	if err != nil {
		return page{}, err
	}
	return page{number, min(size, perPageLimit)}, nil
}

func positive(q url.Values, name string, otherwise int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, invalidField(name, "must be a positive number")
	}
	return n, nil
}

// cut returns the page's items, and the meta object that goes with them.
func cut[T any](all []T, p page) ([]T, map[string]any) {
	last := max(1, (len(all)+p.size-1)/p.size)
	from := min(len(all), (p.number-1)*p.size)
	to := min(len(all), from+p.size)
	neighbour := func(n int) any {
		if n < 1 || n > last {
			return nil
		}
		return n
	}
	return append([]T{}, all[from:to]...), map[string]any{"pagination": map[string]any{
		"page": p.number, "per_page": p.size, "previous_page": neighbour(p.number - 1),
		"next_page": neighbour(p.number + 1), "last_page": last, "total_entries": len(all),
	}}
}

// list answers one page of all under the given key.
func list[T any](c *call, key string, all []T) error {
	p, err := pageOf(c.r.URL.Query())
	if err != nil {
		return err
	}
	items, meta := cut(all, p)
	writeJSON(c.w, 200, map[string]any{key: items, "meta": meta})
	return nil
}
