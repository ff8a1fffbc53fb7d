package cloudflare

import (
	"net/netip"
	"strings"

	"github.com/cloudflare/cloudflare-go/v7/dns"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const typeTXT = "TXT"

// record says in our words what Cloudflare says of a record.
func record(r dns.RecordResponse) dcm.DNSRecord {
	out := dcm.DNSRecord{
		ID: r.ID, Name: r.Name, Type: string(r.Type), Content: r.Content, TTL: int(r.TTL), Comment: r.Comment,
		CreatedAt: r.CreatedOn,
	}
	if out.Type == typeTXT {
		out.Content = unquote(out.Content)
	}
	return out
}

// wireContent is the content as Cloudflare wants it: text goes in quotes.
func wireContent(r dcm.DNSRecord) string {
	if r.Type != typeTXT {
		return r.Content
	}
	return `"` + unquote(r.Content) + `"`
}

func unquote(text string) string {
	if len(text) >= 2 && strings.HasPrefix(text, `"`) && strings.HasSuffix(text, `"`) {
		return text[1 : len(text)-1]
	}
	return text
}

// idOf returns the id of the record among found that is the wanted one, or "".
// The TTL does not make a record another one.
func idOf(wanted dcm.DNSRecord, found []dcm.DNSRecord) string {
	for _, r := range found {
		if r.Type == wanted.Type && r.Comment == wanted.Comment &&
			sameName(r.Name, wanted.Name) && sameContent(r, wanted) {
			return r.ID
		}
	}
	return ""
}

func sameName(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

// sameContent compares addresses as such: Cloudflare shortens IPv6.
func sameContent(a, b dcm.DNSRecord) bool {
	x, errX := netip.ParseAddr(a.Content)
	y, errY := netip.ParseAddr(b.Content)
	if errX == nil && errY == nil {
		return x == y
	}
	return unquote(a.Content) == unquote(b.Content)
}
