package workspace_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/workspace"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	c := exec.Command("git", append([]string{"-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main",
		"-c", "user.name=T", "-c", "user.email=t@example.com"}, args...)...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func repository(t *testing.T) string {
	t.Helper()
	base := t.TempDir()
	inner, library, repo := filepath.Join(base, "inner"), filepath.Join(base, "library"), filepath.Join(base, "repo")
	for _, dir := range []string{inner, library, repo} {
		must(t, os.Mkdir(dir, 0o755))
		git(t, dir, "init", "--quiet")
		must(t, os.WriteFile(filepath.Join(dir, "name"), []byte(filepath.Base(dir)), 0o644))
		git(t, dir, "add", ".")
		git(t, dir, "commit", "--quiet", "-m", "first")
	}
	git(t, library, "submodule", "--quiet", "add", "file://"+inner, "inner")
	git(t, library, "commit", "--quiet", "-m", "inner")
	git(t, repo, "submodule", "--quiet", "add", "file://"+library, "lib")
	git(t, repo, "commit", "--quiet", "-m", "library")
	git(t, repo, "branch", "feature/x")
	return repo
}

func TestClone(t *testing.T) {
	t.Parallel()
	repo := repository(t)
	t.Run("with its submodules, however deep", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "clone")
		must(t, workspace.Clone(context.Background(), dcm.Repository{URL: "file://" + repo}, dir))
		for name, want := range map[string]string{"name": "repo", "lib/name": "library", "lib/inner/name": "inner"} {
			if b, err := os.ReadFile(filepath.Join(dir, name)); string(b) != want {
				t.Errorf("%s holds %q, %v", name, b, err)
			}
		}
	})
	t.Run("a branch, over what an earlier try left", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "left"), nil, 0o644))
		must(t, workspace.Clone(context.Background(), dcm.Repository{URL: "file://" + repo, Branch: "feature/x"}, dir))
		if head, err := os.ReadFile(filepath.Join(dir, ".git", "HEAD")); string(head) != "ref: refs/heads/feature/x\n" {
			t.Errorf("HEAD is %q, %v", head, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "left")); err == nil {
			t.Error("what was left is still there")
		}
	})
	t.Run("a branch or URL that looks like an option is none", func(t *testing.T) {
		t.Parallel()
		mark := filepath.Join(t.TempDir(), "mark")
		for _, r := range []dcm.Repository{
			{URL: "--upload-pack=touch " + mark}, {URL: "file://" + repo, Branch: "--upload-pack=touch " + mark}, {URL: "ext::sh -c touch% " + mark},
		} {
			if err := workspace.Clone(context.Background(), r, filepath.Join(t.TempDir(), "clone")); err == nil {
				t.Errorf("%+v was cloned", r)
			}
		}
		if _, err := os.Stat(mark); err == nil {
			t.Error("a command ran")
		}
	})
	t.Run("a failure in git's words, once", func(t *testing.T) {
		t.Parallel()
		err := workspace.Clone(context.Background(), dcm.Repository{URL: "file:///no/such/repo"}, filepath.Join(t.TempDir(), "clone"))
		e, ok := errors.AsType[*workspace.CloneError](err)
		if !ok || e.Passing || !strings.Contains(e.Words, "does not appear to be a git repository") {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("an end when the context ends", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := workspace.Clone(ctx, dcm.Repository{URL: "file://" + repo}, filepath.Join(t.TempDir(), "clone")); !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
	})
}

// TestCloneOverAFailingNetwork puts a git of its own on PATH.
func TestCloneOverAFailingNetwork(t *testing.T) {
	tools(t, map[string]string{"git": `
n=$(cat "$STATE/n" 2>/dev/null || echo 0); echo $((n+1)) > "$STATE/n"
env > "$STATE/env"
case "$MODE-$n" in
  recovers-0) echo "fatal: unable to access 'https://user:hunter2@example.com/r/': Could not resolve host: example.com" >&2; exit 128;;
  recovers-*) for last; do :; done; mkdir -p "$last"; echo ok > "$last/file";;
  *) echo "fatal: unable to access 'https://user:hunter2@example.com/r/': Failed to connect to example.com port 443" >&2; exit 128;;
esac
`})
	t.Run("that recovers", func(t *testing.T) {
		t.Setenv("MODE", "recovers")
		t.Setenv("STATE", t.TempDir())
		t.Setenv("GIT_DIR", "/elsewhere")
		dir := filepath.Join(t.TempDir(), "clone")
		must(t, workspace.Clone(context.Background(), dcm.Repository{URL: "https://example.com/r"}, dir))
		if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
			t.Error(err)
		}
		env, err := os.ReadFile(filepath.Join(os.Getenv("STATE"), "env"))
		must(t, err)
		if strings.Contains(string(env), "GIT_DIR") || !strings.Contains(string(env), "GIT_TERMINAL_PROMPT=0\n") {
			t.Errorf("git's environment is\n%s", env)
		}
	})
	t.Run("that does not, three times, and no password is told", func(t *testing.T) {
		t.Setenv("MODE", "fails")
		t.Setenv("STATE", t.TempDir())
		err := workspace.Clone(context.Background(), dcm.Repository{URL: "https://user:hunter2@example.com/r"}, filepath.Join(t.TempDir(), "clone"))
		e, ok := errors.AsType[*workspace.CloneError](err)
		if !ok || !e.Passing || strings.Contains(e.Words, "hunter2") || !strings.Contains(e.Words, "https://example.com/r/") {
			t.Errorf("the error is %v", err)
		}
		if n, _ := os.ReadFile(filepath.Join(os.Getenv("STATE"), "n")); strings.TrimSpace(string(n)) != "3" {
			t.Errorf("%s tries", n)
		}
	})
}

// tools puts scripts on PATH, before everything else.
func tools(t *testing.T, scripts map[string]string) {
	t.Helper()
	bin := t.TempDir()
	for name, body := range scripts {
		must(t, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+body), 0o755))
	}
	t.Setenv("PATH", fmt.Sprintf("%s:%s", bin, os.Getenv("PATH")))
}
