package hetzner_test

import (
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

func TestSelector(t *testing.T) {
	t.Parallel()
	labels := map[string]string{"env": "prod", "tenant-id": "acme", "empty": "", "example.com/tier": "web"}
	for text, want := range map[string]bool{
		"": true, " ": true,
		"env==prod": true, "env=prod": true, "env==dev": false, "env = prod": true,
		"env!=dev": true, "env!=prod": false, "absent!=x": true, "absent==x": false,
		"env": true, "!env": false, "absent": false, "!absent": true, "! absent": true,
		"empty": true, "empty=": true, "empty==x": false, "absent=": false,
		"env in (dev,prod)": true, "env in (dev)": false, "env notin (dev)": true, "absent notin (dev)": true, "absent in (dev)": false,
		"env==prod,tenant-id==acme": true, "env==prod,tenant-id==other": false,
		"env in (dev, prod),!absent,tenant-id": true,
		"example.com/tier==web":                true,
	} {
		selector, err := hetzner.ParseSelector(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := selector.Matches(labels); got != want {
			t.Errorf("%q matches: %v, want %v", text, got, want)
		}
	}
}

func TestBadSelectors(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		",", "env==prod,", "==prod", "env==a b", "!", "env in", "env in ()x", "env on (a)", "in (a)", "env in (a b)",
		"-env", "env==-x", "a/b/c", "env===prod", "env==(prod)", "(env)",
	} {
		if selector, err := hetzner.ParseSelector(text); err == nil {
			t.Errorf("%q is read as %+v", text, selector)
		}
	}
}

// FuzzParseSelector: whatever is read is made of valid labels, and a
// requirement and its opposite never both hold.
func FuzzParseSelector(f *testing.F) {
	for _, seed := range []string{"", "a", "!a", "a=b", "a==b,c!=d", "a in (b,c)", "a notin (b),!c", "a in (", "x),y(", "a=b=c", "é=1"} {
		f.Add(seed, "a", "b")
	}
	f.Fuzz(func(t *testing.T, text, key, value string) {
		selector, err := hetzner.ParseSelector(text)
		if err != nil {
			if selector != nil {
				t.Errorf("%q: %+v came with %v", text, selector, err)
			}
			return
		}
		labels := map[string]string{key: value}
		for _, r := range selector {
			if r.Key == "" {
				t.Errorf("%q asks for a label without a key", text)
			}
			opposite := r
			opposite.Not = !r.Not
			if (hetzner.Selector{r}).Matches(labels) == (hetzner.Selector{opposite}).Matches(labels) {
				t.Errorf("%q: %+v and its opposite agree on %v", text, r, labels)
			}
			if again := (hetzner.Selector{r, r}); again.Matches(labels) != (hetzner.Selector{r}).Matches(labels) {
				t.Errorf("%q: twice %+v differs", text, r)
			}
		}
	})
}
