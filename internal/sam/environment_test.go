package sam_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Variables that internal/app reads and the template must not set: Lambda sets
// them, or they exist only in the local stack and in tests.
var notInTemplate = []string{
	"ALLOW_FILE_REPOSITORIES",
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION",
	"AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SSM",
	"AWS_LAMBDA_FUNCTION_NAME",
	"HCLOUD_ENDPOINT", "CLOUDFLARE_ENDPOINT",
	"HCLOUD_TOKEN", "CLOUDFLARE_TOKEN", "ACME_CUSTOMERS",
	"URL_SCHEME", "URL_PORT",
}

// What app reads is what the template sets: a setting nobody reads, or one
// nobody can set, is a mistake.
func TestEnvironmentIsWhatAppReads(t *testing.T) {
	t.Parallel()
	read := variablesIn(t, filepath.Join(root, "internal", "app"))
	set := map[string]bool{}
	for _, f := range mustProject(t).Functions {
		for name := range f.Environment {
			set[name] = true
		}
	}
	for name := range read {
		if !set[name] && !slices.Contains(notInTemplate, name) {
			t.Errorf("internal/app reads %s, which template.yaml does not set", name)
		}
	}
	for name := range set {
		if !read[name] {
			t.Errorf("template.yaml sets %s, which internal/app does not read", name)
		}
		if slices.Contains(notInTemplate, name) {
			t.Errorf("template.yaml sets %s, which belongs to the local stack or to Lambda", name)
		}
	}
	t.Logf("%d variables: %v", len(read), slices.Sorted(maps.Keys(read)))
}

var variableName = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$|^(INSTALLATION|SIZES|CURRENCY)$`)

// variablesIn finds every string constant below dir that looks like an
// environment variable's name.
func variablesIn(t *testing.T, dir string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if s, err := strconv.Unquote(l.Value); err == nil && variableName.MatchString(s) {
					found[s] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
