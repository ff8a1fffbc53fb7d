package dcm_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func rules() dcm.LaunchRules {
	return dcm.LaunchRules{
		DefaultProvider: "hetzner",
		Catalogue: dcm.SizeCatalogue{"hetzner": {
			dcm.SizeSmall:  {{ServerType: "cx23", Location: "fsn1"}, {ServerType: "cx23", Location: "nbg1"}},
			dcm.SizeMedium: {{ServerType: "cx33", Location: "fsn1"}},
		}},
	}
}

func valid() dcm.LaunchRequest {
	return dcm.LaunchRequest{Name: "api fix", RepoURL: "https://github.com/acme/api", Size: "small"}
}

func number(n int) *int { return &n }

func TestLaunchFillsInDefaults(t *testing.T) {
	t.Parallel()
	l, err := valid().Validate(rules())
	if err != nil {
		t.Fatal(err)
	}
	if l.Provider != "hetzner" || len(l.Offers) != 2 {
		t.Errorf("provider %q with offers %v", l.Provider, l.Offers)
	}
	if l.IdleTimeout != 30*time.Minute || l.MaxLifetime != 12*time.Hour {
		t.Errorf("idle %v, lifetime %v", l.IdleTimeout, l.MaxLifetime)
	}
}

func TestLaunchRegionNarrowsOffers(t *testing.T) {
	t.Parallel()
	r := valid()
	r.Region = "nbg1"
	l, err := r.Validate(rules())
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Offers) != 1 || l.Offers[0].Location != "nbg1" {
		t.Errorf("offers %v", l.Offers)
	}
}

func TestLaunchNamesEveryWrongField(t *testing.T) {
	t.Parallel()
	r := dcm.LaunchRequest{
		Name: "a\x00b", RepoURL: "http://x", Branch: "a..b", Size: "huge", Provider: "aws",
		WorkspaceID: "nope", SSHPublicKey: "x", IdleTimeoutMinutes: number(1), MaxLifetimeMinutes: number(1),
	}
	_, err := r.Validate(rules())
	got := fieldsOf(t, err)
	want := []string{"branch", "idleTimeoutMinutes", "maxLifetimeMinutes", "name", "provider", "repoUrl", "size", "sshPublicKey", "workspaceId"}
	if !slices.Equal(got, want) {
		t.Errorf("fields %v, want %v", got, want)
	}
}

func TestLaunchRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*dcm.LaunchRequest)
		field  string
	}{
		"no name":                {func(r *dcm.LaunchRequest) { r.Name = "" }, "name"},
		"blank name":             {func(r *dcm.LaunchRequest) { r.Name = "  " }, "name"},
		"long name":              {func(r *dcm.LaunchRequest) { r.Name = strings.Repeat("x", 64) }, "name"},
		"bidi override":          {func(r *dcm.LaunchRequest) { r.Name = "a\u202eb" }, "name"},
		"zero width":             {func(r *dcm.LaunchRequest) { r.Name = "a\u200bb" }, "name"},
		"newline":                {func(r *dcm.LaunchRequest) { r.Name = "a\nb" }, "name"},
		"no repository":          {func(r *dcm.LaunchRequest) { r.RepoURL = "" }, "repoUrl"},
		"no size":                {func(r *dcm.LaunchRequest) { r.Size = "" }, "size"},
		"size not sold":          {func(r *dcm.LaunchRequest) { r.Size = "large" }, "size"},
		"region not sold":        {func(r *dcm.LaunchRequest) { r.Region = "hel1" }, "region"},
		"idle too long":          {func(r *dcm.LaunchRequest) { r.IdleTimeoutMinutes = number(1441) }, "idleTimeoutMinutes"},
		"idle negative":          {func(r *dcm.LaunchRequest) { r.IdleTimeoutMinutes = number(-1) }, "idleTimeoutMinutes"},
		"lifetime too long":      {func(r *dcm.LaunchRequest) { r.MaxLifetimeMinutes = number(10081) }, "maxLifetimeMinutes"},
		"another's workspace id": {func(r *dcm.LaunchRequest) { r.WorkspaceID = "vm-aaaaaaaaaa" }, "workspaceId"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := valid()
			c.change(&r)
			_, err := r.Validate(rules())
			if got := fieldsOf(t, err); !slices.Equal(got, []string{c.field}) {
				t.Errorf("fields %v, want %s", got, c.field)
			}
		})
	}
}

func TestResumeNeedsNoRepository(t *testing.T) {
	t.Parallel()
	r := dcm.LaunchRequest{Name: "again", Size: "small", WorkspaceID: "ws-abcdefghjk"}
	if _, err := r.Validate(rules()); err != nil {
		t.Fatal(err)
	}
}

func TestRepoURLs(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"https://github.com/acme/api", "https://git.example.com:8443/a/b.git", "ssh://git@github.com/acme/api.git",
		"ssh://git@host.example:2222/x", "git@github.com:acme/api.git", "https://8.8.8.8/x",
	} {
		if err := dcm.CheckRepoURL(good, false); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "github.com/acme/api", "http://github.com/acme/api", "git://github.com/a/b", "ext::sh -c x", "file:///etc",
		"https://user:token@github.com/a/b", "https://token@github.com/a/b", "ssh://git:pw@host/x", "https://github.com",
		"https://github.com/", "https://github.com/a?x=1", "https://github.com/a#x", "https:///a", "https://-x/a",
		"--upload-pack=x", "git@host:-x", "-x@host:a", "https://localhost/a", "https://127.0.0.1/a", "https://[::1]/a",
		"https://169.254.169.254/latest", "https://10.0.0.1/a", "https://192.168.1.1/a", "https://2130706433/a",
		"https://0x7f000001/a", "https://127.1/a", "https://metadata.google.internal/a", "https://[::ffff:127.0.0.1]/a",
		"https://github.com/a\nb", "https://github.com/a b", "https://gïthub.com/a", "https://github.com/$(x)",
		"https://x.localhost/a", "https://github.com:0/a/b", "https://github.com:99999/a", "https://github.com/a%0ab", "https://github.com/../../x", "git@169.254.169.254:a", "https://0.0.0.0/a", "https://github.com/" + strings.Repeat("a", 512),
	} {
		if err := dcm.CheckRepoURL(bad, false); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if err := dcm.CheckRepoURL("file:///srv/sample.git", true); err != nil {
		t.Errorf("file URL in the local stack: %v", err)
	}
}

func TestBranches(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"main", "feature/x", "v1.2", "ünïcode", "a-b_c"} {
		if err := dcm.CheckBranch(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"-x", "--upload-pack=x", "/a", "a/", "a//b", "a..b", "a b", "a~b", "a^b", "a:b", "a?b", "a*b", "a[b", "a\\b",
		"a.", ".a", "a/.b", "a.lock", "a.lock/b", "@", "a@{b", "a\x7fb", "a\nb", strings.Repeat("a", 256),
	} {
		if err := dcm.CheckBranch(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestSSHPublicKeys(t *testing.T) {
	t.Parallel()
	const ed25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGm1vEbPo0bQ6y0m3g0oH5vQm2Jm0Yg0mQ9c7q0y1m2n"
	for _, good := range []string{ed25519, ed25519 + " me@laptop"} {
		if err := dcm.CheckSSHPublicKey(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"x", "ssh-ed25519", "ssh-dss AAAA", "ssh-ed25519 !!!!", "ssh-rsa " + strings.Fields(ed25519)[1],
		ed25519 + "\nssh-ed25519 AAAA", "-----BEGIN OPENSSH PRIVATE KEY-----", `command="x" ` + ed25519,
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGm1", ed25519 + " " + strings.Repeat("c", 4096),
	} {
		if err := dcm.CheckSSHPublicKey(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func FuzzCheckRepoURL(f *testing.F) {
	f.Add("https://github.com/acme/api")
	f.Add("git@github.com:acme/api.git")
	f.Fuzz(func(t *testing.T, raw string) {
		if dcm.CheckRepoURL(raw, false) != nil {
			return
		}
		if strings.HasPrefix(raw, "-") || strings.ContainsAny(raw, " \n\r\t\x00'\"`;|<>\\") {
			t.Errorf("%q was accepted", raw)
		}
	})
}

func FuzzCheckSSHPublicKey(f *testing.F) {
	f.Add("ssh-ed25519 AAAA")
	f.Fuzz(func(t *testing.T, line string) {
		if dcm.CheckSSHPublicKey(line) == nil && strings.ContainsAny(line, "\n\r\x00") {
			t.Errorf("%q was accepted", line)
		}
	})
}

func fieldsOf(t *testing.T, err error) []string {
	t.Helper()
	e, ok := errors.AsType[*dcm.Error](err)
	if !ok || e.Code != dcm.CodeInvalid {
		t.Fatalf("error %v, want code invalid", err)
	}
	var names []string
	for _, f := range e.Fields {
		names = append(names, f.Field)
	}
	slices.Sort(names)
	return names
}
