package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The stand-ins: a deployed stack, and a go that shows what it was given.
const (
	fakeAWS = `#!/bin/sh
case "$*" in
sts*) ;;
*"Stacks[0].Parameters"*) printf 'Installation\tprod\nServerImage\tubuntu-24.04\nDefaultImage\tmcr.example.com/base:ubuntu\nHcloudSshKeyId\t\n'
	printf 'HcloudTokenParameter\t/dcm/hcloud\nAgentKeyPrefix\tagent/1-2/\nAgentSha256Amd64\taa\nAgentSha256Arm64\tbb\n' ;;
*Outputs*) echo the-bucket ;;
"s3 presign"*) echo "https://signed.example.com/$*" | tr ' ' '_' ;;
"ssm get-parameter"*/dcm/hcloud*) echo the-token ;;
"configure get region") echo eu-central-1 ;;
"configure export-credentials"*) echo 'export AWS_ACCESS_KEY_ID=id'; echo 'export AWS_SECRET_ACCESS_KEY=key' ;;
*) echo "nobody expected aws $*" >&2; exit 1 ;;
esac
`
	fakeGo = "#!/bin/sh\necho \"go $*\"\nenv\n"
)

// TestScript: what make image takes from a stack is what the command reads.
func TestScript(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	bin := t.TempDir()
	for name, body := range map[string]string{"aws": fakeAWS, "go": fakeGo} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(body), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (string, error) {
		c := exec.CommandContext(t.Context(), bash, append([]string{"../../.ci/image.sh"}, args...)...)
		c.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
		out, err := c.CombinedOutput()
		return string(out), err
	}
	out, err := run("production", "-fresh", "-architectures", "arm64", "build")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		"go run ./infra/image -fresh -architectures arm64 build", "HCLOUD_TOKEN=the-token", "INSTALLATION=prod", "SERVER_IMAGE=ubuntu-24.04",
		"BASE_IMAGE=mcr.example.com/base:ubuntu", "HCLOUD_SSH_KEY_ID=", "AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=key",
		"AGENT_SHA256_AMD64=aa", "AGENT_SHA256_ARM64=bb",
		"AGENT_URL_ARM64=https://signed.example.com/s3_presign_--expires-in_7200_s3://the-bucket/agent/1-2/dcm-agent-linux-arm64",
	} {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("it lacks %s:\n%s", want, out)
		}
	}
	if out, err := run("nowhere", "list"); err == nil || !strings.Contains(out, "no profile nowhere") {
		t.Errorf("%v: %s", err, out)
	}
}
