package dcm

import (
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// maxEndpointBytes bounds an endpoint: the longest host name, a port and a
// short path.
const maxEndpointBytes = 300

var (
	endpointPath  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?$`) })
	bucketPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`) })

	errLocalAddress = errors.New("must not name a private or local address")
	errHostName     = errors.New("has an invalid host name")
)

// CheckEndpoint accepts the base URL of a service that a tenant brings along,
// and that we will call: https://, a host, perhaps a port and a path. What
// names an address inside our own network is refused; with allowPrivate,
// private addresses and plain http:// pass too. It asks nobody, so that a name
// may still lead to any address: whoever connects holds the address that it
// finds to CheckAddress.
//
// Errors are for the user, to be read after the field's name.
func CheckEndpoint(raw string, allowPrivate bool) error {
	switch {
	case raw == "":
		return errors.New("is required")
	case len(raw) > maxEndpointBytes:
		return errors.New("must be at most " + strconv.Itoa(maxEndpointBytes) + " characters")
	case strings.ContainsFunc(raw, func(r rune) bool { return r <= 0x20 || r >= 0x7f || strings.ContainsRune("\\\"'`<>|{}^$;%", r) }):
		// Other scripts' letters and dots, percent-encoding and IPv6 zones
		// mean different things to different readers.
		return errors.New("must be plain ASCII without spaces, quotes, escapes or control characters")
	case strings.ContainsAny(raw, "?#"):
		return errors.New("must not contain a query or a fragment")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("is not a URL")
	}
	switch {
	case allowPrivate && !strings.HasPrefix(raw, "https://") && !strings.HasPrefix(raw, "http://"):
		return errors.New("must begin with https:// or http://")
	case !allowPrivate && !strings.HasPrefix(raw, "https://"):
		return errors.New("must begin with https://")
	case u.User != nil || strings.Contains(u.Host, "@"):
		return errors.New("must not contain credentials")
	case !endpointPath().MatchString(u.Path):
		return errors.New("has an invalid path")
	}
	if err := checkPort(u); err != nil {
		return err
	}
	return checkEndpointHost(u.Hostname(), strings.HasPrefix(u.Host, "["), allowPrivate)
}

func checkPort(u *url.URL) error {
	port := u.Port()
	if port == "" {
		if strings.HasSuffix(u.Host, ":") {
			return errors.New("has an invalid port")
		}
		return nil
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 || port[0] == '0' {
		return errors.New("has an invalid port")
	}
	return nil
}

func checkEndpointHost(host string, bracketed, allowPrivate bool) error {
	host = strings.ToLower(host)
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.Is6() != bracketed {
			return errHostName
		}
		return CheckAddress(ip, allowPrivate)
	}
	if !isHostname(host) {
		return errHostName
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		// 2130706433, 0x7f000001, 0177.1 and 127.1 are addresses to many
		// resolvers.
		return errHostName
	}
	if !allowPrivate && (last == host || slices.Contains(localDomains(), last) || strings.HasSuffix(host, ".home.arpa")) {
		return errLocalAddress
	}
	return nil
}

// localDomains are top-level domains that no public name ends with, but that
// resolvers of private networks answer.
func localDomains() []string {
	return []string{"localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan"}
}

// CheckAddress refuses addresses that we may not connect to on a tenant's
// behalf: everything but what is reachable on the Internet, in whatever form
// IPv6 wraps it. With allowPrivate, private and loopback addresses pass, but
// never link-local ones, cloud metadata services, or what can't be a server.
func CheckAddress(ip netip.Addr, allowPrivate bool) error {
	if ip.Zone() != "" || !ip.IsValid() {
		return errLocalAddress
	}
	ip = ip.Unmap()
	if nat64.Contains(ip) {
		b := ip.As16()
		return CheckAddress(netip.AddrFrom4([4]byte(b[12:])), allowPrivate)
	}
	if contains(metadataNetworks(), ip) {
		return errLocalAddress
	}
	if contains(privateNetworks(), ip) {
		if allowPrivate {
			return nil
		}
		return errLocalAddress
	}
	if contains(specialNetworks(), ip) || ip.Is6() && !globalUnicast6.Contains(ip) {
		return errLocalAddress
	}
	return nil
}

var (
	// nat64 leads to the IPv4 address in its last four bytes.
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
	// globalUnicast6 is all that IANA has ever given out of IPv6.
	globalUnicast6 = netip.MustParsePrefix("2000::/3")
)

func contains(networks []string, ip netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n string) bool { return netip.MustParsePrefix(n).Contains(ip) })
}

// metadataNetworks lie within private or even public networks, and answer
// with credentials, or can be talked into things, on some cloud.
func metadataNetworks() []string {
	return []string{
		"169.254.0.0/16", "fe80::/10", // link-local: most clouds'
		"100.100.100.200/32", // Alibaba's
		"192.0.0.192/32",     // Oracle's
		"168.63.129.16/32",   // Azure's
		"fd00:ec2::/32",      // Amazon's
		"fd20:ce::/64",       // Google's
		"fd00:42::/32",       // Scaleway's
	}
}

func privateNetworks() []string {
	return []string{
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", // RFC 1918
		"100.64.0.0/10",          // RFC 6598, carriers' NAT
		"fc00::/7",               // RFC 4193
		"127.0.0.0/8", "::1/128", // loopback
	}
}

// specialNetworks are IANA's other special-purpose networks: no server is in
// any of them, or only by way of a tunnel.
func specialNetworks() []string {
	return []string{
		"0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	}
}

// CheckBucketName accepts what S3 takes for the name of a bucket. Other forms
// that its clients take, such as an ARN, lead to other hosts than the endpoint.
//
// Errors are for the user, to be read after the field's name.
func CheckBucketName(name string) error {
	switch {
	case name == "":
		return errors.New("is required")
	case !bucketPattern().MatchString(name) || strings.Contains(name, ".."):
		return errors.New("must be 3 to 63 lower-case letters, digits, dots and hyphens")
	}
	return nil
}
