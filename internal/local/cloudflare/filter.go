package cloudflare

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// listRecords filters, sorts and pages.
func (s *Server) listRecords(c *call) error {
	q := c.r.URL.Query()
	page, err := number(q, "page", 1)
	if err != nil {
		return err
	}
	size, err := number(q, "per_page", 100)
	if err != nil {
		return err
	}
	size = min(size, s.pageLimit)
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.DeleteFunc(c.zone.all(), func(r *record) bool { return !selected(r, q) })
	arrange(all, q)
	from := min(len(all), (page-1)*size)
	to := min(len(all), from+size)
	items := []any{}
	for _, r := range all[from:to] {
		items = append(items, r.body())
	}
	writeResult(c.w, items, map[string]int{
		"page": page, "per_page": size, "count": len(items),
		"total_count": len(all), "total_pages": (len(all) + size - 1) / size,
	})
	return nil
}

func number(q url.Values, key string, otherwise int) (int, error) {
	text := q.Get(key)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, invalid(9000, key+" must be a positive number")
	}
	return n, nil
}

func arrange(all []*record, q url.Values) {
	field := func(r *record) string {
		switch q.Get("order") {
		case "name":
			return r.Name
		case "content":
			return r.Content
		default:
			return r.Type
		}
	}
	slices.SortStableFunc(all, func(a, b *record) int { return cmp.Compare(field(a), field(b)) })
	if q.Get("direction") == "desc" {
		slices.Reverse(all)
	}
}

// selected reports whether the record passes the filters: all of them, or any
// with match=any.
func selected(r *record, q url.Values) bool {
	asked, passed := 0, 0
	for key := range q {
		field, operator, _ := strings.Cut(key, ".")
		value, ok := fieldOf(r, field)
		if !ok {
			continue
		}
		asked++
		if compare(value, operator, q.Get(key)) {
			passed++
		}
	}
	if q.Get("match") == "any" {
		return asked == 0 || passed > 0
	}
	return asked == passed
}

func fieldOf(r *record, name string) (string, bool) {
	switch name {
	case "name":
		return r.Name, true
	case "type":
		return r.Type, true
	case "content":
		return r.Content, true
	case "comment":
		return r.Comment, true
	default:
		return "", false
	}
}

// compare ignores case, as the API's filters do.
func compare(value, operator, want string) bool {
	value, want = strings.ToLower(value), strings.ToLower(want)
	switch operator {
	case "", "exact":
		return value == want
	case "startswith":
		return strings.HasPrefix(value, want)
	case "endswith":
		return strings.HasSuffix(value, want)
	case "contains":
		return strings.Contains(value, want)
	case "present":
		return value != ""
	case "absent":
		return value == ""
	default:
		return false
	}
}
