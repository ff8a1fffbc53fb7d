package layout_test

import (
	"slices"
	"strings"
	"testing"
)

// rule says what the packages at or below a path may import of this module.
// The first rule that fits a package decides.
type rule struct {
	path string
	may  []string
	// onlyStandard forbids third-party packages as well.
	onlyStandard bool
}

// rules are the layers, from the inside out. Every package may import those
// at or below its own rule's path.
var rules = []rule{
	{path: "internal/dcm", onlyStandard: true},
	{path: "internal/lifecycle", may: []string{"internal/dcm"}, onlyStandard: true},
	{path: "internal/tenancy", may: []string{"internal/dcm"}, onlyStandard: true},
	{path: "internal/sweep", may: []string{"internal/dcm"}, onlyStandard: true},

	// Adapters know the domain, and never each other.
	{path: "internal/store", may: []string{"internal/dcm"}},
	{path: "internal/envelope", may: []string{"internal/dcm"}},
	{path: "internal/token", may: []string{"internal/dcm"}},
	{path: "internal/storage", may: []string{"internal/dcm"}},
	{path: "internal/provider/hetzner", may: []string{"internal/dcm"}},
	{path: "internal/dns/cloudflare", may: []string{"internal/dcm"}},
	// Suites reach for the local stack's faults; nothing but tests reaches for them.
	{path: "internal/provider/providertest", may: []string{"internal/dcm", "internal/local/wire"}},
	{path: "internal/dns/dnstest", may: []string{"internal/dcm", "internal/local/wire"}},
	{path: "cloudinit/agent", may: []string{"internal/dcm", "internal/agent"}},
	{path: "cloudinit", may: []string{"internal/dcm"}},

	{path: "internal/httpapi", may: []string{"internal/dcm"}},
	{path: "internal/api", may: []string{"internal/dcm", "internal/lifecycle", "internal/tenancy", "internal/httpapi"}},
	{path: "internal/app", may: []string{
		"internal/dcm", "internal/lifecycle", "internal/tenancy", "internal/sweep", "internal/httpapi", "internal/api",
		"internal/store", "internal/envelope", "internal/token", "internal/storage", "internal/provider", "internal/dns", "cloudinit",
	}},
	{path: "functions", may: []string{"internal/app", "internal/api", "internal/sweep"}},

	{path: "internal/agent", may: []string{"internal/dcm"}},

	{path: "internal/layout"},
	{path: "internal/sam"},
	{path: "internal/bench", may: []string{"internal", "functions"}},
	// The local stack is built from everything; nothing is built from it.
	{path: "internal/local", may: []string{"internal", "cloudinit", "functions"}},
	{path: "infra", may: []string{"internal", "cloudinit"}},
}

func TestWhoMayImportWhom(t *testing.T) {
	t.Parallel()
	for _, p := range mustList(t) {
		i := slices.IndexFunc(rules, func(r rule) bool { return within(p.path, r.path) })
		if i < 0 {
			t.Errorf("%s has no rule: say in this test what it may import", p.path)
			continue
		}
		r := rules[i]
		for _, imported := range p.imports {
			own, ours := strings.CutPrefix(imported, module+"/")
			switch {
			case ours && !within(own, r.path) && !slices.ContainsFunc(r.may, func(m string) bool { return within(own, m) }):
				t.Errorf("%s must not import %s", p.path, own)
			case !ours && r.onlyStandard && strings.Contains(strings.Split(imported, "/")[0], "."):
				t.Errorf("%s must import the standard library only, not %s", p.path, imported)
			}
		}
	}
}

// The local stack and its tools never reach a VM or a Lambda.
func TestProductionLinksNothingLocal(t *testing.T) {
	t.Parallel()
	for _, p := range mustList(t) {
		if !within(p.path, "functions") && !within(p.path, "cloudinit") {
			continue
		}
		for _, dep := range p.links {
			own := strings.TrimPrefix(dep, module+"/")
			for _, forbidden := range []string{"internal/local", "internal/sam"} {
				if within(own, forbidden) {
					t.Errorf("%s links %s", p.path, own)
				}
			}
		}
	}
}

func TestAgentLinksNoAWS(t *testing.T) {
	t.Parallel()
	for _, p := range mustList(t) {
		if within(p.path, "internal/agent") || within(p.path, "cloudinit/agent") {
			for _, dep := range p.links {
				if strings.HasPrefix(dep, "github.com/aws/") {
					t.Errorf("%s links %s", p.path, dep)
				}
			}
		}
	}
}

// within reports whether path is base or lies below it.
func within(path, base string) bool {
	return path == base || strings.HasPrefix(path, base+"/")
}
