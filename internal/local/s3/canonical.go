package s3

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// canonical renders what a SigV4 signature is made over.
func canonical(r *http.Request, query url.Values, a signed) string {
	var headers strings.Builder
	for _, name := range a.headers {
		headers.WriteString(name + ":" + headerValue(r, name) + "\n")
	}
	return strings.Join([]string{
		r.Method, escape(r.URL.Path, true), canonicalQuery(query),
		headers.String(), strings.Join(a.headers, ";"), a.payload,
	}, "\n")
}

// headerValue is a header as it was signed: values trimmed, inner runs of
// spaces made one, several joined.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	var values []string
	for _, v := range r.Header.Values(name) {
		values = append(values, strings.Join(strings.Fields(v), " "))
	}
	return strings.Join(values, ",")
}

func canonicalQuery(query url.Values) string {
	var pairs []string
	for _, name := range sortedKeys(query) {
		if name == "X-Amz-Signature" {
			continue
		}
		for _, v := range slices.Sorted(slices.Values(query[name])) {
			pairs = append(pairs, escape(name, false)+"="+escape(v, false))
		}
	}
	return strings.Join(pairs, "&")
}

// escape percent-encodes everything but RFC 3986's unreserved characters.
func escape(text string, keepSlash bool) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '/' && keepSlash:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}
