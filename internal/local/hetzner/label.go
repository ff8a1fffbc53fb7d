package hetzner

import (
	"regexp"
	"strings"
)

var (
	labelName   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)
	labelPrefix = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`)
	hostLabel   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
)

// validLabelKey: an optional prefix and a slash, then a name of at most 63
// characters that begins and ends with a letter or digit.
func validLabelKey(key string) bool {
	prefix, name, ok := strings.Cut(key, "/")
	if !ok {
		return labelName.MatchString(key)
	}
	return labelPrefix.MatchString(prefix) && labelName.MatchString(name)
}

// validLabelValue: empty, or like a key's name.
func validLabelValue(value string) bool { return value == "" || labelName.MatchString(value) }

// validServerName: a host name as in RFC 1123.
func validServerName(name string) bool {
	if len(name) > 253 {
		return false
	}
	for part := range strings.SplitSeq(name, ".") {
		if !hostLabel.MatchString(part) {
			return false
		}
	}
	return true
}
