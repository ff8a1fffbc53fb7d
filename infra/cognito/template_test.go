package cognito_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/devcontainer-manager/devcontainer-manager/infra/cognito"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sam"
)

const template = "../cognito.yaml"

// resources are the template's, as far as these tests ask.
type resources map[string]struct {
	Type       string `yaml:"Type"`
	Properties struct {
		GroupName       string   `yaml:"GroupName"`
		WriteAttributes []string `yaml:"WriteAttributes"`
		LambdaConfig    struct {
			PreTokenGenerationConfig map[string]yaml.Node `yaml:"PreTokenGenerationConfig"`
		} `yaml:"LambdaConfig"`
	} `yaml:"Properties"`
}

func mustResources(t *testing.T) resources {
	t.Helper()
	text, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Resources resources `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &parsed); err != nil {
		t.Fatal(err)
	}
	return parsed.Resources
}

func TestTheFunctionIsTheTemplates(t *testing.T) {
	t.Parallel()
	parsed, err := sam.Load(template, sam.Options{Parameters: map[string]string{"DomainPrefix": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed.Functions) != 1 {
		t.Fatalf("%d functions", len(parsed.Functions))
	}
	f := parsed.Functions[0]
	if f.Name != "auth-pre-token" || f.LogicalID != "AuthPreTokenFunction" || f.Architecture != "arm64" || len(f.Environment) != 0 || len(f.Statements) != 0 {
		t.Errorf("the function is %+v", f)
	}
	if _, err := os.Stat("../" + f.Dir + "/main.go"); err != nil {
		t.Error(err)
	}
	// Version 1 events reach no access token.
	trigger := mustResources(t)["UserPool"].Properties.LambdaConfig.PreTokenGenerationConfig
	if version := trigger["LambdaVersion"].Value; version != "V2_0" {
		t.Errorf("the trigger's version is %q", version)
	}
}

func TestEveryPermissionHasAGroup(t *testing.T) {
	t.Parallel()
	var groups, want []string
	for _, r := range mustResources(t) {
		if r.Type == "AWS::Cognito::UserPoolGroup" {
			groups = append(groups, strings.TrimPrefix(r.Properties.GroupName, cognito.PermissionPrefix))
		}
	}
	for _, p := range dcm.Permissions {
		want = append(want, string(p))
	}
	slices.Sort(groups)
	slices.Sort(want)
	if !slices.Equal(groups, want) {
		t.Errorf("groups for %v, want %v", groups, want)
	}
}

// A user writes nothing that says who it is to us: groups are out of its reach,
// and no attribute of its own making is in the pool.
func TestUsersWriteNothingThatCounts(t *testing.T) {
	t.Parallel()
	clients := 0
	for name, r := range mustResources(t) {
		if r.Type != "AWS::Cognito::UserPoolClient" {
			continue
		}
		clients++
		if got := r.Properties.WriteAttributes; !slices.Equal(got, []string{"email", "name"}) {
			t.Errorf("%s may write %v", name, got)
		}
	}
	if clients != 1 {
		t.Errorf("%d clients", clients)
	}
}
