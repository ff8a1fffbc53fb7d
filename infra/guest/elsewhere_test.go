package guest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/machine/guest"
)

// away is the address of whoever is elsewhere.
const away = "172.31.1.2"

// plugIn runs there: once the cable has come, it takes its end, and then its place.
// There are no addresses that the kernel makes itself, seconds later.
const plugIn = `read -r _ && ip -batch - <<. && exec "$@"
link set lo up
link set away addrgenmode none
address add ` + away + `/32 dev away
link set away up
route add ` + guest.Address + `/32 dev away
.`

// elsewhere runs a program on a network of its own with a cable to ours, where
// those of guests come and go: a browser that sees this gives up its connections.
func (w *world) elsewhere(ctx context.Context, environment []string, words ...string) (string, error) {
	w.t.Helper()
	c := exec.CommandContext(ctx, "sh", append([]string{"-c", plugIn, "elsewhere"}, words...)...)
	var said bytes.Buffer
	c.Env, c.Stdout, c.Stderr = environment, &said, &said
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	c.WaitDelay = 10 * time.Second // for what it leaves behind, if it is killed
	start, err := c.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	lay := exec.Command("ip", "-batch", "-")
	lay.Stdin = strings.NewReader(fmt.Sprintf("link add elsewhere type veth peer name away netns %d\n"+
		"address add %s/32 dev elsewhere\nlink set elsewhere up\nroute add %s/32 dev elsewhere\n", c.Process.Pid, guest.Address, away))
	out, err := lay.CombinedOutput()
	if err != nil {
		w.t.Errorf("ip: %v: %s", err, out)
	} else if _, err := io.WriteString(start, "\n"); err != nil {
		w.t.Error(err)
	}
	_ = start.Close() // without a word before, that ends it
	err = c.Wait()
	return said.String(), err
}
