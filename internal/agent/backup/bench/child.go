package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/agenttest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/backup"
	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/control"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// result is what a child measured of itself.
type result struct {
	Seconds float64
	PeakMiB float64
}

func (r result) rate(mib int) float64 { return float64(mib) * (1 << 20) / 1e6 / r.Seconds }

// inChild runs one job of the agent in a process of its own.
func inChild(job, url, dir string, from ...dcm.Restore) (r result, err error) {
	input, err := json.Marshal(from)
	if err != nil {
		return r, err
	}
	c := exec.Command(os.Args[0], "-child", job, url, dir)
	c.Stdin, c.Stderr = bytes.NewReader(input), os.Stderr
	out, err := c.Output()
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(out, &r)
}

func runChild(job string, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("a child needs a URL and a directory, not %v", args)
	}
	agent.BoundMemory()
	var from []dcm.Restore
	if err := json.NewDecoder(os.Stdin).Decode(&from); err != nil {
		return err
	}
	began := time.Now()
	var err error
	switch job {
	case "save":
		saver := backup.Saver{
			Control: control.New(args[0], agenttest.VM, "bench", dcm.NewSecret(agenttest.FirstVMToken)),
			HTTP:    backup.NewTransferClient(),
		}
		_, err = saver.Save(context.Background(), args[1], 0)
	case "restore":
		r := backup.Restorer{HTTP: backup.NewTransferClient()}
		_, err = r.Restore(context.Background(), from[0], args[1])
	default:
		err = fmt.Errorf("there is no job %q", job)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result{Seconds: time.Since(began).Seconds(), PeakMiB: peakMiB()})
}

// peakMiB is the most memory that this process ever held; 0 where Linux's
// /proc is missing.
func peakMiB() float64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		var kib float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kib); n == 1 {
			return kib / 1024
		}
	}
	return 0
}
