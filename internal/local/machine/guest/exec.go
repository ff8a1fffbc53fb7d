package guest

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
)

// waits runs a command and waits for it, from outside the guest's processes.
// nsenter itself would stop when its command is stopped, as a guest that shuts
// down does for a moment to all it has: nobody would then see the command's end,
// and without that the guest's first process can't end either.
const waits = `"$@"; exit $?`

// Command makes a command that runs in a guest as root, as from its console.
// It fails while the guest has no first process.
func (g *Guests) Command(ctx context.Context, id string, words ...string) (*exec.Cmd, error) {
	v := g.find(id)
	if v == nil {
		return nil, errors.New("there is no such server")
	}
	pid, err := initOf(v.group)
	if err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, "nsenter", append([]string{
		"--target=" + strconv.Itoa(pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wdns=/",
		"--no-fork", "--", "sh", "-c", waits, "sh",
	}, words...)...)
	c.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"}
	return c, nil
}
