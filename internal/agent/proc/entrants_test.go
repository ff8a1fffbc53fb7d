//go:build linux

package proc_test

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/proc"
)

// TestEntrants has a shell put into a process namespace, and start another
// process there.
func TestEntrants(t *testing.T) {
	t.Parallel()
	mark := proc.TerminalVariable + "=" + t.Name() + strconv.Itoa(os.Getpid())
	c := exec.Command("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child",
		"sh", "-c", "sleep 1000 & echo begun; read line; kill $!")
	c.Env = append(os.Environ(), mark)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Skipf("there is no unshare: %v", err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Skipf("no namespace can be made here: %q, %v", line, err)
	}
	found := proc.Entrants(mark)
	if len(found) != 1 || found[0] == c.Process.Pid {
		t.Fatalf("there are %v", found)
	}
	words, err := os.ReadFile("/proc/" + strconv.Itoa(found[0]) + "/cmdline")
	if err != nil || !strings.HasPrefix(string(words), "sh\x00") {
		t.Errorf("it is %q, %v", words, err)
	}
	if others := proc.Entrants(mark + "x"); len(others) != 0 {
		t.Errorf("another mark finds %v", others)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
}
