package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/cloudinit"
)

// parse reads user-data as strictly as it can: a key that is not known here is
// an error.
func parse(userData string) (cloudinit.Document, error) {
	var d cloudinit.Document
	body, ok := strings.CutPrefix(userData, cloudinit.Header)
	if !ok {
		return d, errors.New("user-data does not begin with #cloud-config")
	}
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return d, fmt.Errorf("read user-data: %w", err)
	}
	if decoder.More() {
		return d, errors.New("read user-data: something follows the document")
	}
	return d, nil
}

// mode checks that a file can be written here as cloud-init would, and returns
// its mode.
func mode(f cloudinit.File) (fs.FileMode, error) {
	if !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path {
		return 0, fmt.Errorf("write_files: path %q is not absolute and clean", f.Path)
	}
	if f.Owner != "root:root" {
		return 0, fmt.Errorf("write_files: %s is for %q, and there is only root", f.Path, f.Owner)
	}
	m, err := strconv.ParseUint(f.Permissions, 8, 12)
	if err != nil {
		return 0, fmt.Errorf("write_files: permissions of %s: %w", f.Path, err)
	}
	return fs.FileMode(m).Perm(), nil
}

// unitsToStart reads runcmd, of which only systemctl is known, and returns the
// units it starts, in order.
func unitsToStart(commands [][]string) ([]string, error) {
	var units []string
	for _, c := range commands {
		switch text := strings.Join(c, " "); {
		case strings.HasPrefix(text, "systemctl enable ") && len(c) > 2 && c[2] != "--now":
		case strings.HasPrefix(text, "systemctl start --no-block "):
			units = append(units, c[3:]...)
		default:
			return nil, fmt.Errorf("runcmd: %q is not understood", c)
		}
	}
	return units, nil
}

// unit is what is used of a systemd unit.
type unit struct {
	before  []string // ExecStartPre
	start   string   // ExecStart
	restart string   // Restart
	pause   string   // RestartSec
}

func parseUnit(text string) unit {
	var u unit
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "ExecStartPre":
			// "+" lifts the unit's sandbox, and here there is none.
			u.before = append(u.before, strings.TrimPrefix(value, "+"))
		case "ExecStart":
			u.start = value
		case "Restart":
			u.restart = value
		case "RestartSec":
			u.pause = value
		}
	}
	return u
}
