package dcm_test

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// goodEndpoints pass with and without private ones.
func goodEndpoints() []string {
	return []string{
		"https://fsn1.your-objectstorage.com", "https://s3.eu-central-1.amazonaws.com/", "https://s3.nl-ams.scw.cloud:443",
		"https://S3.Example.COM", "https://abc.supabase.co/storage/v1/s3", "https://minio.example.com:9000/",
		"https://1.1.1.1", "https://8.8.8.8:8443", "https://[2606:4700:4700::1111]", "https://[2606:4700:4700::1111]:8443/s3",
		"https://[64:ff9b::8.8.8.8]", "https://xn--bcher-kva.example", "https://1.2.3.4.example.com", "https://0x7f.example.com",
	}
}

// neverEndpoints pass neither with nor without.
func neverEndpoints() map[string]string {
	return map[string]string{
		"nothing":                    "",
		"no scheme":                  "s3.example.com",
		"no scheme but slashes":      "//s3.example.com",
		"no host":                    "https://",
		"a port only":                "https://:443",
		"ftp":                        "ftp://s3.example.com",
		"file":                       "file:///etc/passwd",
		"gopher":                     "gopher://s3.example.com:70/_x",
		"javascript":                 "javascript:alert(1)",
		"an opaque URL":              "https:s3.example.com",
		"one slash":                  "https:/s3.example.com",
		"three slashes":              "https:///s3.example.com",
		"upper-case scheme":          "HTTPS://s3.example.com",
		"leading space":              " https://s3.example.com",
		"trailing newline":           "https://s3.example.com\n",
		"a CRLF":                     "https://s3.example.com\r\nX-Evil: 1",
		"a NUL":                      "https://s3.example.com\x00.evil.example",
		"a tab":                      "https://s3.exa\tmple.com",
		"a user":                     "https://user@s3.example.com",
		"user and password":          "https://user:password@s3.example.com",
		"an empty user":              "https://@s3.example.com",
		"a host as user":             "https://s3.example.com@169.254.169.254",
		"a backslash":                `https://s3.example.com\@127.0.0.1`,
		"a query":                    "https://s3.example.com?x=1",
		"an empty query":             "https://s3.example.com?",
		"a fragment":                 "https://s3.example.com#x",
		"a fragment before a user":   "https://s3.example.com#@127.0.0.1/",
		"port 0":                     "https://s3.example.com:0",
		"port 65536":                 "https://s3.example.com:65536",
		"a port beyond any":          "https://s3.example.com:99999999999999999999",
		"a negative port":            "https://s3.example.com:-1",
		"a port with a zero":         "https://s3.example.com:0443",
		"an empty port":              "https://s3.example.com:",
		"two ports":                  "https://s3.example.com:443:22",
		"a port in words":            "https://s3.example.com:https",
		"a trailing dot":             "https://s3.example.com.",
		"an address and a dot":       "https://127.0.0.1.",
		"two dots":                   "https://s3..example.com",
		"a leading dot":              "https://.example.com",
		"a leading hyphen":           "https://-s3.example.com",
		"an underscore":              "https://s3_x.example.com",
		"a star":                     "https://*.example.com",
		"a long label":               "https://" + strings.Repeat("a", 64) + ".example.com",
		"a long name":                "https://" + strings.Repeat("a.", 127) + "example.com",
		"a long path":                "https://s3.example.com/" + strings.Repeat("a", 300),
		"decimal":                    "https://2130706433",
		"hexadecimal":                "https://0x7f000001",
		"octal":                      "https://017700000001",
		"octal parts":                "https://0177.0.0.1",
		"hexadecimal parts":          "https://0x7f.0x0.0x0.0x1",
		"hexadecimal last":           "https://127.0.0.0x1",
		"two parts":                  "https://127.1",
		"three parts":                "https://169.254.43518",
		"leading zeros":              "https://127.000.000.001",
		"five parts":                 "https://127.0.0.0.1",
		"a part too large":           "https://127.0.0.256",
		"percent-encoded":            "https://127.0.0.%31",
		"percent-encoded dots":       "https://127%2e0%2e0%2e1",
		"full-width digits":          "https://１２７.0.0.1",
		"circled digits":             "https://①②⑦.⓪.⓪.①",
		"an ideographic dot":         "https://127。0。0。1",
		"a full-width dot":           "https://s3．example．com",
		"a Cyrillic homograph":       "https://s3.аmazonaws.com",
		"a soft hyphen":              "https://s3.exam\u00adple.com",
		"a zero-width space":         "https://local\u200bhost",
		"metadata":                   "https://169.254.169.254",
		"metadata of ECS":            "https://169.254.170.2/v2/credentials",
		"metadata of Scaleway":       "https://169.254.42.42",
		"metadata of Alibaba":        "https://100.100.100.200",
		"metadata of Oracle":         "https://192.0.0.192",
		"metadata of Azure":          "https://168.63.129.16",
		"metadata, IPv6":             "https://[fd00:ec2::254]",
		"metadata of Google, IPv6":   "https://[fd20:ce::254]",
		"metadata, mapped":           "https://[::ffff:169.254.169.254]",
		"metadata, mapped, hex":      "https://[::ffff:a9fe:a9fe]",
		"metadata, compatible":       "https://[::169.254.169.254]",
		"metadata, NAT64":            "https://[64:ff9b::a9fe:a9fe]",
		"metadata, local NAT64":      "https://[64:ff9b:1::a9fe:a9fe]",
		"metadata, 6to4":             "https://[2002:a9fe:a9fe::1]",
		"Teredo":                     "https://[2001:0:a9fe:a9fe::1]",
		"link-local":                 "https://[fe80::1]",
		"link-local with a zone":     "https://[fe80::1%25eth0]",
		"a zone on a global address": "https://[2606:4700::1%25eth0]",
		"a bare zone":                "https://[fe80::1%eth0]",
		"site-local":                 "https://[fec0::1]",
		"unspecified":                "https://0.0.0.0",
		"this network":               "https://0.1.2.3",
		"unspecified, IPv6":          "https://[::]",
		"multicast":                  "https://224.0.0.1",
		"multicast, IPv6":            "https://[ff02::1]",
		"broadcast":                  "https://255.255.255.255",
		"reserved":                   "https://240.0.0.1",
		"benchmarking":               "https://198.18.0.1",
		"documentation":              "https://192.0.2.1",
		"documentation, IPv6":        "https://[2001:db8::1]",
		"IPv6 without brackets":      "https://::1",
		"IPv4 in brackets":           "https://[127.0.0.1]",
		"an unclosed bracket":        "https://[::1",
		"a name in brackets":         "https://[localhost]",
		"a path that climbs":         "https://s3.example.com/a/../b",
		"a path of dots":             "https://s3.example.com/..",
		"a double slash":             "https://s3.example.com//admin",
		"a path parameter":           "https://s3.example.com/a;b",
		"an at sign in the path":     "https://s3.example.com/@127.0.0.1",
		"a template":                 "https://${HOST}",
	}
}

// privateEndpoints pass only where private ones are allowed.
func privateEndpoints() map[string]string {
	return map[string]string{
		"plain http":             "http://s3.example.com",
		"http and a port":        "http://minio.corp:9000",
		"loopback":               "https://127.0.0.1",
		"another loopback":       "https://127.255.255.254:9000",
		"loopback, http":         "http://127.0.0.1:9000",
		"loopback, IPv6":         "https://[::1]",
		"loopback, long":         "https://[0:0:0:0:0:0:0:1]",
		"loopback, mapped":       "https://[::ffff:127.0.0.1]",
		"loopback, mapped, hex":  "https://[::ffff:7f00:1]",
		"loopback, NAT64":        "https://[64:ff9b::7f00:1]",
		"RFC 1918, 10":           "https://10.0.0.1",
		"RFC 1918, 172":          "https://172.31.255.255",
		"RFC 1918, 192":          "https://192.168.1.1",
		"RFC 1918, mapped":       "https://[::ffff:10.0.0.1]",
		"RFC 1918, NAT64":        "https://[64:ff9b::192.168.1.1]",
		"carriers' NAT":          "https://100.64.0.1",
		"carriers' NAT, the end": "https://100.127.255.255",
		"unique local":           "https://[fc00::1]",
		"unique local, fd":       "https://[fdff::1]",
		"localhost":              "https://localhost",
		"LOCALHOST":              "https://LOCALHOST:443",
		"under localhost":        "https://s3.localhost",
		"localhost.localdomain":  "https://localhost.localdomain",
		"a bare name":            "https://minio",
		"Google's metadata":      "https://metadata.google.internal",
		"Amazon's own names":     "https://ip-10-0-0-1.ec2.internal",
		"mDNS":                   "https://nas.local",
		"a home network":         "https://nas.home.arpa",
		"a company's":            "https://s3.corp",
	}
}

func TestCheckEndpoint(t *testing.T) {
	t.Parallel()
	for _, raw := range goodEndpoints() {
		for _, private := range []bool{false, true} {
			if err := dcm.CheckEndpoint(raw, private); err != nil {
				t.Errorf("%s (private %v): %v", raw, private, err)
			}
		}
	}
	refused := func(name, raw string, private bool) {
		t.Helper()
		switch err := dcm.CheckEndpoint(raw, private); {
		case err == nil:
			t.Errorf("%s: %q passes (private %v)", name, raw, private)
		case raw != "" && len(raw) > 9 && strings.Contains(err.Error(), raw):
			t.Errorf("%s: the message repeats the input: %v", name, err)
		}
	}
	for name, raw := range neverEndpoints() {
		refused(name, raw, false)
		refused(name, raw, true)
	}
	for name, raw := range privateEndpoints() {
		refused(name, raw, false)
		if err := dcm.CheckEndpoint(raw, true); err != nil {
			t.Errorf("%s: %q with private ones allowed: %v", name, raw, err)
		}
	}
}

func TestCheckAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct{ public, private bool }{
		"1.1.1.1": {true, true}, "2a01:4f8::1": {true, true}, "::ffff:1.1.1.1": {true, true}, "64:ff9b::101:101": {true, true},
		"100.63.255.255": {true, true}, "100.128.0.0": {true, true}, "172.15.255.255": {true, true}, "172.32.0.0": {true, true},
		"9.255.255.255": {true, true}, "11.0.0.0": {true, true}, "169.253.0.1": {true, true}, "192.167.0.1": {true, true},
		"223.255.255.255": {true, true}, "2001:200::1": {true, true}, "3ffe::1": {true, true},
		"127.0.0.1": {false, true}, "::1": {false, true}, "::ffff:10.1.2.3": {false, true}, "fd12::1": {false, true},
		"169.254.0.1": {}, "fe80::1": {}, "fe80::1%eth0": {}, "1.1.1.1%x": {}, "0.0.0.0": {}, "::": {}, "ff05::1": {}, "239.1.1.1": {},
		"::1.1.1.1": {}, "2002:101:101::": {}, "2001::1": {}, "64:ff9b::": {}, "64:ff9b::a9fe:a9fe": {}, "1fff::1": {}, "4000::1": {},
		"::ffff:0:127.0.0.1": {}, "100::1": {},
	} {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			ip = netip.Addr{} // "1.1.1.1%x" is no address at all
		}
		if got := dcm.CheckAddress(ip, false) == nil; got != want.public {
			t.Errorf("%s passes: %v", text, got)
		}
		if got := dcm.CheckAddress(ip, true) == nil; got != want.private {
			t.Errorf("%s passes with private ones allowed: %v", text, got)
		}
	}
}

func TestCheckBucketName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"abc", "my-backups", "backups.example.com", strings.Repeat("a", 63)} {
		if err := dcm.CheckBucketName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{
		"", "a", "ab", strings.Repeat("a", 64), "Backups", "-abc", "abc-", ".abc", "a..b", "a/b", "a/../b", "a b", "a?b", "a#b", "bücher",
		"arn:aws:s3:eu-central-1:123456789012:accesspoint/x", "abc\n", "a%2fb", "a@b.example",
	} {
		if err := dcm.CheckBucketName(name); err == nil {
			t.Errorf("%q passes", name)
		}
	}
}

// FuzzCheckEndpoint: what passes is read by net/url as one plain thing, and
// names no local address that a parser could find in it.
func FuzzCheckEndpoint(f *testing.F) {
	for _, raw := range goodEndpoints() {
		f.Add(raw)
	}
	for _, raw := range neverEndpoints() {
		f.Add(raw)
	}
	for _, raw := range privateEndpoints() {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if dcm.CheckEndpoint(raw, false) != nil {
			return
		}
		if dcm.CheckEndpoint(raw, true) != nil {
			t.Errorf("%q passes only where private endpoints do not", raw)
		}
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" || u.Hostname() == "" {
			t.Fatalf("%q is read as %#v, %v", raw, u, err)
		}
		if again := u.String(); again != raw {
			t.Errorf("%q is sent to %q", raw, again)
		}
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && (!ip.IsGlobalUnicast() || ip.IsPrivate() || ip.Zone() != "") {
			t.Errorf("%q names a local address", raw)
		}
	})
}
