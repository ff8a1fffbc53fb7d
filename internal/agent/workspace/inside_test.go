//go:build linux

package workspace_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/workspace"
)

// TestLoopbackOfAContainer reaches a server that listens on the loopback of
// another network namespace only, as many development servers do.
func TestLoopbackOfAContainer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make a network namespace")
	}
	script := `import http.server, os, subprocess
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
s = http.server.HTTPServer(("127.0.0.1", 3000), http.server.BaseHTTPRequestHandler)
print(os.getpid(), flush=True)
s.serve_forever()`
	server := exec.Command("unshare", "--net", "python3", "-c", script)
	out, err := server.StdoutPipe()
	must(t, err)
	if err := server.Start(); err != nil {
		t.Skip("needs unshare")
	}
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Skip("needs a network namespace, python3 and ip")
	}
	c := newContainer(t, nil)
	t.Setenv("PID_AND_IP", strings.TrimSpace(line)+" 127.0.0.2")
	_, err = c.Start(context.Background())
	must(t, err)
	conn, err := c.Dial(context.Background(), 3000)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	var _ workspace.Runtime = c
}
