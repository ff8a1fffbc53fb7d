package machine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/cloudinit"
)

const (
	unitDirectory = "/etc/systemd/system/"
	metadata      = "/usr/local/lib/dcm/metadata"
	packages      = "/usr/local/lib/dcm/packages"
	devcontainer  = "/usr/local/lib/dcm/devcontainer"
	installer     = "/usr/local/lib/dcm/install"
)

// prepare writes the disk, does everything that comes before the agent, and
// returns the agent's unit.
func (m *Machines) prepare(ctx context.Context, v *server) (service, error) {
	d, err := parse(v.info.UserData)
	if err != nil {
		return service{}, err
	}
	if err := writeFiles(v.root(), d.WriteFiles); err != nil {
		return service{}, err
	}
	units, err := unitsToStart(d.RunCmd)
	if err != nil {
		return service{}, err
	}
	var agent service
	for _, name := range units {
		found, err := m.startUnit(ctx, v, name)
		if err != nil {
			return service{}, fmt.Errorf("%s: %w", name, err)
		}
		if found.command != nil {
			agent = found
		}
	}
	if agent.command == nil {
		return service{}, fmt.Errorf("user-data starts no %s", cloudinit.AgentUnit)
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

// service is the agent's unit: program and arguments, and how long after a
// failure it is started again, 0 for never.
type service struct {
	command []string
	restart time.Duration
}

// startUnit runs what a unit runs, and returns the unit if that is the agent.
func (m *Machines) startUnit(ctx context.Context, v *server, name string) (service, error) {
	text, err := os.ReadFile(filepath.Join(v.root(), unitDirectory, name))
	if err != nil {
		return service{}, fmt.Errorf("read the unit: %w", err)
	}
	u := parseUnit(string(text))
	for _, line := range u.before {
		if err := m.oneShot(ctx, v, line); err != nil {
			return service{}, err
		}
	}
	words := strings.Fields(u.start)
	if len(words) == 0 || words[0] != cloudinit.AgentPath {
		return service{}, m.oneShot(ctx, v, u.start)
	}
	return service{command: m.agentCommand(v, words), restart: u.restart}, nil
}

// oneShot does what a script of ours does. The scripts themselves need root, a
// network of their own and curl.
func (m *Machines) oneShot(ctx context.Context, v *server, line string) error {
	words := strings.Fields(line)
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
	for _, word := range words[1:] {
		if strings.HasPrefix(word, "/") {
			word = filepath.Join(v.root(), word)
		}
		command = append(command, word)
	}
	return command
}
