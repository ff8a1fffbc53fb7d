package guest

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
)

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
		"--target=" + strconv.Itoa(pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wdns=/", "--",
	}, words...)...)
	c.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"}
	return c, nil
}
