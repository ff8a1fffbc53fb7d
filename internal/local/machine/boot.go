package machine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/cloudinit"
)

const (
	unitDirectory = "/etc/systemd/system/"
	metadata      = "/usr/local/lib/dcm/metadata"
	packages      = "/usr/local/lib/dcm/packages"
	devcontainer  = "/usr/local/lib/dcm/devcontainer"
	lock          = "/usr/bin/flock"
	installer     = "/usr/local/lib/dcm/install"
)

// prepare writes the disk, does everything that comes before the agent, and
// returns the agent's unit. A disk from before the server was switched off is
// as it was then: cloud-init writes files at a server's first boot only.
func (m *Machines) prepare(ctx context.Context, v *server) (agentUnit, error) {
	d, err := parse(v.info.UserData)
	if err != nil {
		return agentUnit{}, err
	}
	if _, err := os.Stat(v.bootedFile()); err != nil {
		if err := writeFiles(v.root(), d.WriteFiles); err != nil {
			return agentUnit{}, err
		}
		if err := os.WriteFile(v.bootedFile(), nil, 0o600); err != nil {
			return agentUnit{}, fmt.Errorf("note the first boot: %w", err)
		}
	}
	units, err := unitsToStart(d.RunCmd)
	if err != nil {
		return agentUnit{}, err
	}
	var agent agentUnit
	for _, name := range units {
		u, err := m.startUnit(ctx, v, name)
		if err != nil {
			return agentUnit{}, fmt.Errorf("%s: %w", name, err)
		}
		if u.command != nil {
			agent = u
		}
	}
	if agent.command == nil {
		return agentUnit{}, fmt.Errorf("user-data starts no %s", cloudinit.AgentUnit)
	}
	return agent, nil
}

func writeFiles(root string, files []cloudinit.File) error {
	for _, f := range files {
		permissions, err := mode(f)
		if err != nil {
			return err
		}
		path := filepath.Join(root, f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write_files: %w", err)
		}
		if err := os.WriteFile(path, []byte(f.Content), permissions); err != nil {
			return fmt.Errorf("write_files: %w", err)
		}
		// The umask had its say on creation only.
		if err := os.Chmod(path, permissions); err != nil {
			return fmt.Errorf("write_files: %w", err)
		}
	}
	return nil
}

// startUnit runs what a unit runs. If that is the agent, it is not started but
// returned.
func (m *Machines) startUnit(ctx context.Context, v *server, name string) (agentUnit, error) {
	text, err := os.ReadFile(filepath.Join(v.root(), unitDirectory, name))
	if err != nil {
		return agentUnit{}, fmt.Errorf("read the unit: %w", err)
	}
	u := parseUnit(string(text))
	for _, line := range u.before {
		if err := m.oneShot(ctx, v, line); err != nil {
			return agentUnit{}, err
		}
	}
	words := strings.Fields(u.start)
	if len(words) == 0 || words[0] != cloudinit.AgentPath {
		return agentUnit{}, m.oneShot(ctx, v, u.start)
	}
	return u.agent(m.agentCommand(v, words))
}

// oneShot does what a script of ours does. The scripts themselves need root, a
// network of their own and curl.
func (m *Machines) oneShot(ctx context.Context, v *server, line string) error {
	words := strings.Fields(line)
	if len(words) > 2 && words[0] == lock {
		words = words[2:] // nobody else is at it here
		line = strings.Join(words, " ")
	}
	if len(words) == 0 {
		return fmt.Errorf("the unit starts nothing")
	}
	info, err := os.Stat(filepath.Join(v.root(), words[0]))
	if err != nil || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("%s is not there to be run", words[0])
	}
	switch {
	case line == metadata, line == packages, line == devcontainer:
		// There are no metadata addresses here, and nothing is installed on the
		// machine of whoever runs this.
		return nil
	case words[0] == installer && len(words) == 3:
		return m.install(ctx, filepath.Join(v.root(), words[1]), filepath.Join(v.root(), words[2]))
	}
	return fmt.Errorf("%q is not understood", line)
}

// agentCommand moves the paths of a command line under the server's root, and
// adds what makes the agent keep to it.
func (m *Machines) agentCommand(v *server, words []string) []string {
	command := []string{filepath.Join(v.root(), words[0]), "--root", v.root(), "--listen", "127.0.0.1:0", "--port-file", v.portFile()}
	if m.options.TLS {
		command = append(command, "--tls")
	}
	for _, word := range words[1:] {
		if strings.HasPrefix(word, "/") {
			word = filepath.Join(v.root(), word)
		}
		command = append(command, word)
	}
	return command
}
