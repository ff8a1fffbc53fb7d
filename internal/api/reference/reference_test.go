package reference_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api/reference"
)

var update = flag.Bool("update", false, "make openapi.json anew")

func TestTheDocumentIsTheYAML(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../infra/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var node yaml.Node
	if err := yaml.Unmarshal(text, &node); err != nil {
		t.Fatal(err)
	}
	var raw, want bytes.Buffer
	if err := writeJSON(&raw, node.Content[0]); err != nil {
		t.Fatal(err)
	}
	if err := json.Indent(&want, raw.Bytes(), "", " "); err != nil {
		t.Fatal(err)
	}
	want.WriteByte('\n')
	if *update {
		if err := os.WriteFile("openapi.json", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if reference.Document() != want.String() {
		t.Error("openapi.json is not what infra/openapi.yaml says: go generate ./internal/api/reference")
	}
}

// writeJSON keeps the order of the YAML: readers see it.
func writeJSON(b *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i < len(n.Content); i += 2 {
			if i > 0 {
				b.WriteByte(',')
			}
			name, err := json.Marshal(n.Content[i].Value)
			if err != nil {
				return err
			}
			b.Write(append(name, ':'))
			if err := writeJSON(b, n.Content[i+1]); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, child := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeJSON(b, child); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case yaml.ScalarNode:
		var v any
		if err := n.Decode(&v); err != nil {
			return err
		}
		if v == nil {
			return fmt.Errorf("line %d: a null: a text with a comma that is not in quotes?", n.Line)
		}
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		b.Write(text)
	default:
		return fmt.Errorf("line %d: an alias: write it out, or use $ref", n.Line)
	}
	return nil
}

func TestThePageReachesNothing(t *testing.T) {
	t.Parallel()
	html, policy := reference.Page()
	if strings.Contains(html, "{{") {
		t.Error("a part of the page is missing")
	}
	for _, never := range []string{":url(", " url(", `src="`, `src='`, "@import", "fetch(", "XMLHttpRequest", "innerHTML", "eval(", " style=", " onclick="} {
		if strings.Contains(html, never) {
			t.Errorf("the page holds %s", never)
		}
	}
	for _, link := range strings.Split(html, `href="`)[1:] {
		if target, _, _ := strings.Cut(link, `"`); strings.Contains(target, "//") {
			t.Errorf("the page links %s", target)
		}
	}
	if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") || strings.Count(policy, "'sha256-") != 2 {
		t.Errorf("policy %q", policy)
	}
	document, _, _ := strings.Cut(html[strings.Index(html, `id="document">`)+len(`id="document">`):], "</script>")
	var v struct{ OpenAPI string }
	if err := json.Unmarshal([]byte(document), &v); err != nil || v.OpenAPI != "3.1.0" {
		t.Errorf("the page's document: %v, %q", err, v.OpenAPI)
	}
}
