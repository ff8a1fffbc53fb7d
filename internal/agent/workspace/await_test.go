package workspace_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/workspace"
)

// TestAwaitEngine: what is being installed is waited for, and what is missing
// afterwards is named.
func TestAwaitEngine(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	// machine is one whose only programs are these.
	machine := func(t *testing.T, programs map[string]string) (bin, log string) {
		t.Helper()
		bin, log = t.TempDir(), filepath.Join(t.TempDir(), "calls")
		t.Setenv("PATH", bin)
		for name, body := range programs {
			must(t, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\necho \""+name+" $*\" >>"+log+"\n"+body+"\n"), 0o755))
		}
		return bin, log
	}
	install := func(bin string, names ...string) string {
		script := ""
		for _, name := range names {
			script += "echo '#!/bin/sh' >" + bin + "/" + name + "; /bin/chmod +x " + bin + "/" + name + "\n"
		}
		return script
	}
	t.Run("what is on its way is waited for", func(t *testing.T) {
		bin, log := machine(t, nil)
		must(t, os.WriteFile(bin+"/systemctl", []byte("#!/bin/sh\necho \"$*\" >>"+log+"\n"+install(bin, "docker", "devcontainer")), 0o755))
		if err := workspace.AwaitEngine(t.Context(), workspace.EngineUnit, quiet); err != nil {
			t.Fatal(err)
		}
		if b, _ := os.ReadFile(log); string(b) != "start dcm-devcontainer.service\n" {
			t.Errorf("it called systemctl %q", b)
		}
	})
	t.Run("what failed and is there all the same is used", func(t *testing.T) {
		machine(t, map[string]string{"docker": "", "devcontainer": "", "systemctl": "exit 1"})
		if err := workspace.AwaitEngine(t.Context(), workspace.EngineUnit, quiet); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("what could not be installed is named", func(t *testing.T) {
		machine(t, map[string]string{"docker": "", "systemctl": "exit 1"})
		err := workspace.AwaitEngine(t.Context(), workspace.EngineUnit, quiet)
		if err == nil || !strings.Contains(err.Error(), "lacks devcontainer") {
			t.Errorf("%v", err)
		}
	})
	t.Run("where nobody installs anything, nobody is asked", func(t *testing.T) {
		_, log := machine(t, map[string]string{"docker": "", "devcontainer": "", "systemctl": ""})
		must(t, workspace.AwaitEngine(t.Context(), "", quiet))
		if _, err := os.Stat(log); err == nil {
			t.Error("systemctl was called")
		}
	})
	t.Run("a stop ends the wait", func(t *testing.T) {
		machine(t, map[string]string{"systemctl": "exec /bin/sleep 600"})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := workspace.AwaitEngine(ctx, workspace.EngineUnit, quiet); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}
