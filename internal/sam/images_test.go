package sam_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sam"
)

// The function that launches VMs reads the record that make image writes, and no
// other function does.
func TestWhoReadsTheRecordOfImages(t *testing.T) {
	t.Parallel()
	template := mustProject(t)
	for _, f := range template.Functions {
		name := f.Environment["SERVER_IMAGES_PARAMETER"]
		want := ""
		if f.Name == "vms-create" {
			want = dcm.ImageRecordParameter(f.Environment["INSTALLATION"])
		}
		if name != want {
			t.Errorf("%s reads images from %q, want %q", f.Name, name, want)
		}
		allowed := f.Allows(sam.Access{
			Action:   "ssm:GetParameter",
			Resource: "arn:aws:ssm:eu-central-1:000000000000:parameter" + dcm.ImageRecordParameter(f.Environment["INSTALLATION"]),
		})
		if allowed != (want != "") {
			t.Errorf("%s may read it: %v", f.Name, allowed)
		}
	}
}

// A parameter that a role may read and the boundary of all roles has not, is one
// that nobody can read.
func TestTheBoundaryHasEveryParameter(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	before, boundary, _ := strings.Cut(string(text), "\n  FunctionBoundary:\n")
	boundary, _, _ = strings.Cut(boundary, "\n  # ---")
	parameters := 0
	for line := range strings.Lines(before) {
		if _, arn, ok := strings.Cut(strings.TrimSpace(line), "!Sub "); ok && strings.Contains(arn, ":ssm:") {
			parameters++
			if !strings.Contains(boundary, arn+"\n") {
				t.Errorf("the boundary lacks %s", arn)
			}
		}
	}
	if parameters < 3 {
		t.Errorf("only %d parameters were found", parameters)
	}
}
