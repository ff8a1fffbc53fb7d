package layout_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What talks to a provider, and so may link its client. Binary weight is cold
// start: hcloud-go alone adds 12 MB.
var callProviders = []string{"sweep-orphans", "sweep-vms", "tenant-provider-add", "vms-cleanup", "vms-create", "vms-delete"}

func TestWhatAFunctionLinks(t *testing.T) {
	t.Parallel()
	var linkHetzner []string
	for _, p := range mustList(t) {
		name, ok := strings.CutPrefix(p.path, "functions/")
		if !ok {
			continue
		}
		for _, dep := range p.links {
			switch {
			case slices.Contains([]string{"text/template", "html/template", "net/rpc"}, dep):
				t.Errorf("%s links %s, which costs megabytes", name, dep)
			case dep == "github.com/cloudflare/cloudflare-go/v7":
				t.Errorf("%s links the Cloudflare root client (10 MB); its dns subpackage suffices", name)
			case dep == "github.com/aws/aws-sdk-go-v2/config":
				t.Errorf("%s loads the SDK's default configuration, which slows every cold start", name)
			case dep == "github.com/hetznercloud/hcloud-go/v2/hcloud":
				linkHetzner = append(linkHetzner, name)
			}
		}
	}
	slices.Sort(linkHetzner)
	if !slices.Equal(linkHetzner, callProviders) {
		t.Errorf("hcloud-go is linked by %v, want %v", linkHetzner, callProviders)
	}
}

func TestMainsAreShort(t *testing.T) {
	t.Parallel()
	mains, err := filepath.Glob(filepath.Join(root, "functions", "*", "main.go"))
	if err != nil || len(mains) == 0 {
		t.Fatalf("no mains found: %v", err)
	}
	for _, path := range mains {
		if lines := mustLines(t, path); lines >= 30 {
			t.Errorf("%s has %d lines; a main wires and starts, in under 30", path, lines)
		}
	}
}

// Sizes are told, not enforced: the median of our files should stay between 90
// and 150 lines, and the 90th percentile under 500.
func TestFileSizes(t *testing.T) {
	t.Parallel()
	var sizes []int
	for _, p := range mustList(t) {
		for _, f := range p.files {
			sizes = append(sizes, mustLines(t, f))
		}
	}
	slices.Sort(sizes)
	t.Logf("%d files: median %d lines, 90th percentile %d, longest %d",
		len(sizes), sizes[len(sizes)/2], sizes[len(sizes)*9/10], sizes[len(sizes)-1])
}

func mustLines(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(text, []byte("\n"))
}
