package dcm

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxRepoURLBytes bounds a repository's URL.
const maxRepoURLBytes = 512

// CheckRepoURL accepts https:// and ssh git URLs (ssh://user@host/path and
// user@host:path). A URL that carries a password or a token is refused: it
// would be stored, shown and logged. With allowFile, file:///path passes too.
func CheckRepoURL(raw string, allowFile bool) error {
	switch {
	case raw == "":
		return errors.New("is required")
	case len(raw) > maxRepoURLBytes:
		return errors.New("must be at most 512 characters")
	case strings.ContainsFunc(raw, func(r rune) bool { return r <= 0x20 || r >= 0x7f || strings.ContainsRune("\\\"'`<>|{}^$;", r) }):
		return errors.New("must be plain ASCII without spaces, quotes or control characters")
	}
	if !strings.Contains(raw, "://") {
		return checkSCP(raw)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("is not a URL")
	}
	switch u.Scheme {
	case "https":
		if u.User != nil {
			return errors.New("must not contain credentials")
		}
	case "ssh":
		if _, has := u.User.Password(); has {
			return errors.New("must not contain a password")
		}
		if u.User != nil && !isUser(u.User.Username()) {
			return errors.New("has an invalid user name")
		}
	case "file":
		if allowFile && u.Host == "" && strings.HasPrefix(u.Path, "/") {
			return nil
		}
		return errors.New("must be an https:// or ssh git URL")
	default:
		return errors.New("must be an https:// or ssh git URL")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("has an invalid port")
		}
	}
	if strings.ContainsFunc(u.Path, isUnprintable) || slices.Contains(strings.Split(u.Path, "/"), "..") {
		return errors.New("has an invalid path")
	}
	if u.RawQuery != "" || u.Fragment != "" || u.ForceQuery {
		return errors.New("must not contain a query or a fragment")
	}
	if strings.Trim(u.Path, "/") == "" {
		return errors.New("must name a repository")
	}
	return checkRepoHost(u.Hostname())
}

// checkSCP checks git's short form for ssh: user@host:path.
func checkSCP(raw string) error {
	user, rest, at := strings.Cut(raw, "@")
	host, path, colon := strings.Cut(rest, ":")
	if !at || !colon || !isUser(user) || host == "" || strings.ContainsAny(host, "/@") {
		return errors.New("must be an https:// or ssh git URL")
	}
	if strings.HasPrefix(path, "-") || strings.Trim(path, "/") == "" {
		return errors.New("must name a repository")
	}
	return checkRepoHost(host)
}

// checkRepoHost refuses what can only be an attempt to reach into the VM's
// own network: its metadata service, its loopback, its neighbours.
func checkRepoHost(host string) error {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap()
		if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.Zone() != "" {
			return errors.New("must not name a private or local address")
		}
		return nil
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".internal") {
		return errors.New("must not name a private or local address")
	}
	if !isHostname(host) {
		return errors.New("has an invalid host name")
	}
	if last := host[strings.LastIndexByte(host, '.')+1:]; strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		// 2130706433, 0x7f000001 and 127.1 are addresses to many resolvers.
		return errors.New("has an invalid host name")
	}
	return nil
}

// isUser reports whether name can be a user's at a git host.
func isUser(name string) bool {
	return name != "" && name[0] != '-' && name[0] != '.' && madeOf(name, letters+capitals+digits+"_.-")
}

// isHostname reports whether host is a lower-case DNS name.
func isHostname(host string) bool {
	if len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if !isLabel(label, 63) {
			return false
		}
	}
	return true
}

// CheckBranch applies git's own rules for a branch name (git-check-ref-format)
// and refuses what could be taken for an option.
func CheckBranch(name string) error {
	bad := errors.New("is not a valid branch name")
	switch {
	case len(name) > 255:
		return errors.New("must be at most 255 characters")
	case strings.HasPrefix(name, "-"), strings.HasPrefix(name, "/"), strings.HasSuffix(name, "/"),
		strings.HasSuffix(name, "."), name == "@",
		strings.Contains(name, ".."), strings.Contains(name, "//"), strings.Contains(name, "@{"),
		strings.ContainsAny(name, " ~^:?*[\\"),
		strings.ContainsFunc(name, isUnprintable):
		return bad
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return bad
		}
	}
	return nil
}
