package api_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// badSettings are the requests of TestBadSettings.
type badSettings struct {
	cases []bad
}

// add makes a case of a good body with one field replaced; nil leaves it out.
func (b *badSettings) add(method, path string, good map[string]any, name, field string, value any) {
	body := maps.Clone(good)
	if body[field] = value; value == nil {
		delete(body, field)
	}
	b.cases = append(b.cases, bad{method + " " + path + ": " + name, method, path, body, nil, dcm.CodeInvalid, field})
}

// TestBadSettings makes many bad requests for tenants' settings. Each is
// refused by field, nothing outside is called, and nothing is written.
func TestBadSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"ALLOW_PRIVATE_ENDPOINTS": "false"})
	w.bringAlong()
	var b badSettings
	w.badProfiles(&b)
	w.badQuotas(&b)
	w.badProviders(&b)
	w.badZones(&b)
	w.badBuckets(&b)
	user, admin := w.user("acme"), w.user("platform", dcm.PermissionPlatformAdmin)
	before := w.State()
	for _, c := range b.cases {
		t.Run(c.name, func(t *testing.T) {
			who := user
			if strings.HasPrefix(c.path, "/admin/") {
				who = admin
			}
			a := who.call(c.method, c.path, c.body, c.headers...)
			if a.problem.Code != c.code || a.problem.RequestID == "" || a.header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%d %s", a.status, a.body)
			}
			if !slices.ContainsFunc(a.problem.Errors, func(f dcm.FieldError) bool { return f.Field == c.field && f.Message != "" }) {
				t.Errorf("fields %v, want %s", a.problem.Errors, c.field)
			}
			for _, secret := range []string{ownToken, ownDNSToken, ownSecret} {
				if strings.Contains(string(a.body), secret) {
					t.Errorf("the answer repeats a secret: %s", a.body)
				}
			}
		})
	}
	t.Logf("%d cases", len(b.cases))
	after := w.State()
	for _, service := range []string{"hetzner", "cloudflare", "s3", "kms"} {
		if n := total(after.Calls[service]) - total(before.Calls[service]); n != 0 {
			t.Errorf("%d calls to %s", n, service)
		}
	}
	if left := withoutEvents(t, w.dump()); left != "[]" {
		t.Errorf("something was written: %s", left)
	}
	w.keepsSecret([]string{ownToken, ownDNSToken, ownSecret})
}

func (w *world) badProfiles(b *badSettings) {
	put := func(name, field string, value any) { b.add("PUT", "/tenant", map[string]any{}, name, field, value) }
	auth := func(name, blame string, value map[string]any) {
		put(name, "authConfig", value)
		b.cases[len(b.cases)-1].field = blame
	}
	put("name too long", "name", strings.Repeat("x", 101))
	put("name with a newline", "name", "a\nb")
	put("name written from right to left", "name", "a\u202eb")
	put("name with a zero-width space", "name", "ac\u200bme")
	put("name a number", "name", 7)
	put("email without a domain", "email", "ops@")
	put("email without an at", "email", "ops.acme.example")
	put("email with two ats", "email", "a@b@acme.example")
	put("email with a header", "email", "ops@acme.example\r\nBcc: all@acme.example")
	put("email with a name", "email", "Ops <ops@acme.example>")
	put("email in another script", "email", "ops@аcme.example")
	put("email with a Kelvin sign", "email", "ops@\u212aacme.example")
	put("email with two dots", "email", "a..b@acme.example")
	put("email too long", "email", "a@"+strings.Repeat("a.", 130)+"example")
	put("unknown field", "isAdmin", true)
	put("field in another case", "Name", "x")
	auth("auth without a provider", "authConfig.provider", map[string]any{})
	auth("auth provider unknown", "authConfig.provider", map[string]any{"provider": "myspace"})
	auth("auth unknown field", "authConfig.role", map[string]any{"provider": "email", "role": "admin"})
	auth("OIDC without an issuer", "authConfig.issuer", map[string]any{"provider": "oidc"})
	auth("OIDC issuer without TLS", "authConfig.issuer", map[string]any{"provider": "oidc", "issuer": "http://login.acme.example"})
	auth("OIDC issuer on loopback", "authConfig.issuer", map[string]any{"provider": "oidc", "issuer": "https://127.0.0.1"})
	auth("subject with a control character", "authConfig.subject", map[string]any{"provider": "email", "subject": "a\x00b"})
	auth("subject too long", "authConfig.subject", map[string]any{"provider": "email", "subject": strings.Repeat("s", 256)})
	b.cases = append(b.cases,
		bad{"body a list", "PUT", "/tenant", "[]", nil, dcm.CodeInvalid, "body"},
		bad{"body too large", "PUT", "/tenant", `{"name":"` + strings.Repeat("x", 65<<10) + `"}`, nil, dcm.CodeInvalid, "body"},
		bad{"name twice", "PUT", "/tenant", `{"name":"a","name":"b"}`, nil, dcm.CodeInvalid, "name"},
		bad{"parameter of GET /tenant", "GET", "/tenant?id=other", nil, nil, dcm.CodeInvalid, "id"},
	)
}

func (w *world) badQuotas(b *badSettings) {
	const path = "/admin/tenants/acme/quotas"
	good := map[string]any{"maxConcurrentVMs": 3}
	put := func(name, field string, value any) { b.add("PUT", path, good, name, field, value) }
	put("VMs missing", "maxConcurrentVMs", nil)
	put("VMs negative", "maxConcurrentVMs", -1)
	put("VMs a fraction", "maxConcurrentVMs", 1.5)
	put("VMs beyond measure", "maxConcurrentVMs", 1e30)
	put("VMs a string", "maxConcurrentVMs", "3")
	put("storage negative", "maxStorageGB", -5)
	put("storage of nothing", "maxStorageGB", 0)
	put("provider unknown", "allowedProviders", []string{"hetzner", "aws"})
	put("provider twice", "allowedProviders", []string{"hetzner", "hetzner"})
	put("provider empty", "allowedProviders", []string{""})
	put("providers a string", "allowedProviders", "hetzner")
	put("spend negative", "maxMonthlySpend", "-1")
	put("spend of nothing", "maxMonthlySpend", "0.00")
	put("spend a word", "maxMonthlySpend", "fifty")
	put("spend in hexadecimal", "maxMonthlySpend", "0x10")
	put("spend with an exponent", "maxMonthlySpend", "1e3")
	put("spend a fraction of two", "maxMonthlySpend", "1/3")
	put("spend with a currency", "maxMonthlySpend", "50 EUR")
	put("spend endless", "maxMonthlySpend", strings.Repeat("9", 5000))
	put("spend a boolean", "maxMonthlySpend", true)
	put("unknown field", "activeVMs", 0)
	for name, id := range map[string]string{
		"capitals": "ACME", "underscore": "a_b", "hyphen first": "-a", "too long": strings.Repeat("a", 33),
		"dot": "a.b", "another script": "%D0%B0cme", "star": "*", "separator": "a%23b",
	} {
		b.add("PUT", "/admin/tenants/"+id+"/quotas", good, "tenant id with "+name, "id", nil)
	}
}

func (w *world) badProviders(b *badSettings) {
	post := func(name, field string, value any) {
		b.add("POST", "/tenant/providers", w.providerBody(), name, field, value)
	}
	post("type missing", "type", nil)
	post("type unknown", "type", "aws")
	post("type in capitals", "type", "Hetzner")
	for _, known := range []string{"scaleway", "ovh", "digitalocean"} {
		post("type not offered: "+known, "type", known)
	}
	post("token missing", "apiToken", nil)
	post("token empty", "apiToken", "")
	post("token with a newline", "apiToken", ownToken+"\n")
	post("token with a header", "apiToken", ownToken+"\r\nX-Evil: 1")
	post("token with a space", "apiToken", "Bearer "+ownToken)
	post("token with a NUL", "apiToken", ownToken+"\x00")
	post("token in another script", "apiToken", "tоken")
	post("token too long", "apiToken", strings.Repeat("t", 4097))
	post("token a number", "apiToken", 12345)
	post("region nobody sells in", "region", "mars1")
	post("region with a slash", "region", "../fsn1")
	post("SSH key with a newline", "sshKeyId", "1\n2")
	post("SSH key too long", "sshKeyId", strings.Repeat("1", 65))
	post("project with a quote", "projectId", `a"b`)
	post("unknown field", "selfDestroy", "provider")
}

func (w *world) badZones(b *badSettings) {
	post := func(name, field string, value any) { b.add("POST", "/tenant/dns", w.dnsBody(), name, field, value) }
	post("type missing", "type", nil)
	post("type platform", "type", "platform")
	post("type unknown", "type", "route53")
	post("zone missing", "zoneId", nil)
	post("zone too short", "zoneId", "abc")
	post("zone with a path", "zoneId", "../../user/tokens/verify?aaaaaaaa")
	post("zone not hexadecimal", "zoneId", strings.Repeat("z", 32))
	post("zone a name", "zoneId", "acme.test")
	post("token missing", "apiToken", nil)
	post("token with a newline", "apiToken", ownDNSToken+"\n")
	post("token too long", "apiToken", strings.Repeat("t", 4097))
	post("domain missing", "baseDomain", nil)
	post("domain a single label", "baseDomain", "acme")
	post("domain with a scheme", "baseDomain", "https://acme.test")
	post("domain with a path", "baseDomain", "acme.test/x")
	post("domain with a wildcard", "baseDomain", "*.acme.test")
	post("domain with an underscore", "baseDomain", "_dev.acme.test")
	post("domain with a space", "baseDomain", "dev acme.test")
	post("domain with an empty label", "baseDomain", "dev..acme.test")
	post("domain with a dot at its end", "baseDomain", "acme.test.")
	post("domain with a hyphen first", "baseDomain", "-dev.acme.test")
	post("domain with a long label", "baseDomain", strings.Repeat("a", 64)+".acme.test")
	post("domain too long", "baseDomain", strings.Repeat("abcdefg.", 30)+"acme.test")
	post("domain an address", "baseDomain", "192.0.2.1")
	post("domain with a Cyrillic a", "baseDomain", "dev.аcme.test")
	post("domain with a full-width dot", "baseDomain", "dev。acme.test")
	post("domain with a Kelvin sign", "baseDomain", "dev.ac\u212ae.test")
	post("domain with a soft hyphen", "baseDomain", "dev.ac\u00adme.test")
	post("domain with a newline", "baseDomain", "dev.acme.test\n")
}

func (w *world) badBuckets(b *badSettings) {
	good := w.storageBody()
	good["endpoint"] = "https://s3.acme.example"
	post := func(name, field string, value any) { b.add("POST", "/tenant/storage", good, name, field, value) }
	post("type missing", "type", nil)
	post("type platform", "type", "platform")
	post("type unknown", "type", "gcs")
	for name, endpoint := range map[string]string{
		"empty": "", "plain HTTP": "http://s3.acme.example", "another scheme": "file:///etc/passwd", "gopher": "gopher://s3.acme.example",
		"loopback": "https://127.0.0.1", "loopback of IPv6": "https://[::1]:9000", "loopback by name": "https://localhost:9000",
		"metadata": "https://169.254.169.254/latest", "metadata by name": "https://metadata.google.internal",
		"metadata of IPv6": "https://[fd00:ec2::254]", "private": "https://10.0.0.1", "private, mapped": "https://[::ffff:192.168.0.1]",
		"this host": "https://0.0.0.0", "decimal": "https://2130706433", "hexadecimal": "https://0x7f000001", "octal": "https://0177.0.0.1",
		"short": "https://127.1", "credentials": "https://a:b@s3.acme.example", "hidden host": "https://s3.acme.example@127.0.0.1",
		"a query": "https://s3.acme.example?x=1", "a fragment": "https://s3.acme.example#x", "a newline": "https://s3.acme.example\n",
		"another script": "https://s3.аcme.example", "circled digits": "https://①②⑦.⓪.⓪.①", "port 0": "https://s3.acme.example:0",
		"port too high": "https://s3.acme.example:65536", "NAT64 of loopback": "https://[64:ff9b::7f00:1]", "too long": "https://" + strings.Repeat("a.", 200) + "example",
		"the cluster": "https://minio.default.svc.local", "no host": "https:///bucket", "multicast": "https://224.0.0.1",
	} {
		post("endpoint "+name, "endpoint", endpoint)
	}
	for name, bucket := range map[string]string{
		"empty": "", "too short": "ab", "too long": strings.Repeat("b", 64), "capitals": "Acme-Backups", "an underscore": "acme_backups",
		"two dots": "acme..backups", "an address": "192.168.5.4", "a hyphen first": "-acme", "a dot last": "acme.", "a dot beside a hyphen": "acme.-backups",
		"a slash": "acme/backups", "an ARN": "arn:aws:s3:eu-central-1:123456789012:accesspoint/x", "a reserved beginning": "xn--acme",
		"a reserved end": "acme-s3alias", "an express end": "acme--euc1-az1--x-s3", "another script": "аcme-backups", "a query": "acme?versioning",
	} {
		post("bucket "+name, "bucket", bucket)
	}
	post("region with a space", "region", "eu central 1")
	post("region with a host", "region", "eu.evil.example")
	post("key id missing", "accessKeyId", nil)
	post("key id with a slash", "accessKeyId", "AKIA/20261124/eu")
	post("key id with a newline", "accessKeyId", "AKIAACME\n")
	post("key id too long", "accessKeyId", strings.Repeat("A", 129))
	post("secret missing", "secretAccessKey", nil)
	post("secret with a line break", "secretAccessKey", ownSecret+"\r\n")
	post("secret too long", "secretAccessKey", strings.Repeat("s", 4097))
	post("secret an object", "secretAccessKey", map[string]any{"value": "x"})
	post("unknown field", "sessionToken", "x")
}
