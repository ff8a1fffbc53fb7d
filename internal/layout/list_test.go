package layout_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/devcontainer-manager/devcontainer-manager"
)

// listed is one package of this module. Tests don't count: they may import
// what they like.
type listed struct {
	path    string // below the module
	imports []string
	links   []string // everything that it, or what it imports, imports
	files   []string
}

// list asks the go command once, with the tags of a deployment.
var list = sync.OnceValues(func() ([]listed, error) {
	c := exec.Command("go", "list", "-deps=false", "-tags", "lambda.norpc",
		"-json=ImportPath,Imports,Deps,Dir,GoFiles", "./...")
	c.Dir = root
	c.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	out, err := c.Output()
	if err != nil {
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, e.Stderr)
		}
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath, Dir        string
			Imports, Deps, GoFiles []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("read go list: %w", err)
		}
		l := listed{path: strings.TrimPrefix(p.ImportPath, module+"/"), imports: p.Imports, links: p.Deps}
		for _, f := range p.GoFiles {
			l.files = append(l.files, filepath.Join(p.Dir, f))
		}
		packages = append(packages, l)
	}
})

func mustList(t *testing.T) []listed {
	t.Helper()
	packages, err := list()
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) == 0 {
		t.Fatal("go list found no package")
	}
	return packages
}
