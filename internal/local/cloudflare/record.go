package cloudflare

import (
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"
)

// commentLimit is the free plan's, in characters.
const commentLimit = 100

// record is one DNS record of a zone.
type record struct {
	ID       string
	Name     string
	Type     string
	Content  string
	TTL      int
	Proxied  bool
	Comment  string
	Created  time.Time
	Modified time.Time
}

// input is a record as a request describes it; nil fields are not given.
type input struct {
	ID      string  `json:"id"`
	Name    *string `json:"name"`
	Type    *string `json:"type"`
	Content *string `json:"content"`
	TTL     *int    `json:"ttl"`
	Proxied *bool   `json:"proxied"`
	Comment *string `json:"comment"`
}

func (r *record) body() map[string]any {
	body := map[string]any{
		"id": r.ID, "name": r.Name, "type": r.Type, "content": r.Content, "ttl": r.TTL, "proxied": r.Proxied,
		"proxiable": r.Type == "A" || r.Type == "AAAA" || r.Type == "CNAME", "settings": map[string]any{}, "meta": map[string]any{},
		"comment": nil, "tags": []any{},
		"created_on": r.Created.Format(time.RFC3339Nano), "modified_on": r.Modified.Format(time.RFC3339Nano),
	}
	if r.Comment != "" {
		body["comment"] = r.Comment
		body["comment_modified_on"] = r.Modified.Format(time.RFC3339Nano)
	}
	return body
}

// with returns the record changed by what the input gives.
func (r record) with(i input, zoneName string) record {
	if i.Name != nil {
		r.Name = absolute(*i.Name, zoneName)
	}
	if i.Type != nil {
		r.Type = *i.Type
	}
	if i.Content != nil {
		r.Content = *i.Content
	}
	if i.TTL != nil {
		r.TTL = *i.TTL
	}
	if i.Proxied != nil {
		r.Proxied = *i.Proxied
	}
	if i.Comment != nil {
		r.Comment = *i.Comment
	}
	return r
}

// absolute completes a name with its zone's, as the API does with every name
// that does not end with it, even with one that was meant for another zone.
func absolute(name, zoneName string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "" || name == "@" {
		return zoneName
	}
	if name == zoneName || strings.HasSuffix(name, "."+zoneName) {
		return name
	}
	return name + "." + zoneName
}

// check validates a record and brings its content into Cloudflare's form.
func (r *record) check() error {
	switch r.Type {
	case "A":
		ip, err := netip.ParseAddr(r.Content)
		if err != nil || !ip.Is4() {
			return &apiError{status: 400, Code: codeBadContent, Message: "Content for A record must be a valid IPv4 address."}
		}
	case "AAAA":
		ip, err := netip.ParseAddr(r.Content)
		if err != nil || !ip.Is6() {
			return &apiError{status: 400, Code: codeBadContent, Message: "Content for AAAA record must be a valid IPv6 address."}
		}
		r.Content = ip.String()
	case "TXT":
		if !strings.HasPrefix(r.Content, `"`) {
			r.Content = `"` + r.Content + `"`
		}
	case "CNAME", "MX", "NS":
	default:
		return invalid(9004, "DNS record type \""+r.Type+"\" is invalid.")
	}
	if r.Content == "" {
		return errorOf(codeBadContent)
	}
	if r.TTL != 1 && (r.TTL < 60 || r.TTL > 86400) {
		return errorOf(codeBadTTL)
	}
	if utf8.RuneCountInString(r.Comment) > commentLimit {
		return invalid(9313, "DNS record comment is longer than 100 characters.")
	}
	if len(r.Name) > 253 {
		return invalid(9000, "DNS name is invalid.")
	}
	return nil
}

// conflict says why the record may not stand beside the others.
func (r *record) conflict(others []*record) error {
	for _, o := range others {
		if o.ID == r.ID || o.Name != r.Name {
			continue
		}
		if o.Type == r.Type && o.Content == r.Content {
			return errorOf(codeIdentical)
		}
		if r.Type == "CNAME" || o.Type == "CNAME" {
			return errorOf(codeHostTaken)
		}
	}
	return nil
}
