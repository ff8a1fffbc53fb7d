package local

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed all:sample
var sample embed.FS

// sampleRepository makes a bare git repository at dir/sample.git and returns
// its URL.
func sampleRepository(ctx context.Context, dir string) (string, error) {
	tree := filepath.Join(dir, "sample")
	if err := writeSample(tree); err != nil {
		return "", fmt.Errorf("write the sample repository: %w", err)
	}
	bare := filepath.Join(dir, "sample.git")
	for _, arguments := range [][]string{
		{"init", "--quiet", "--initial-branch=main", tree},
		{"-C", tree, "add", "--all"},
		{"-C", tree, "commit", "--quiet", "--message=A small web server to try things with"},
		{"clone", "--quiet", "--bare", tree, bare},
	} {
		if err := git(ctx, arguments...); err != nil {
			return "", fmt.Errorf("make the sample repository: %w", err)
		}
	}
	return "file://" + bare, os.RemoveAll(tree)
}

func writeSample(tree string) error {
	files, err := fs.Sub(sample, "sample")
	if err != nil {
		return err
	}
	if err := os.CopyFS(tree, files); err != nil {
		return err
	}
	// Neither modes nor links survive embedding.
	if err := os.Chmod(filepath.Join(tree, "server.sh"), 0o755); err != nil {
		return err
	}
	return os.Symlink("public/index.html", filepath.Join(tree, "index.html"))
}

// git runs git without the user's configuration.
func git(ctx context.Context, arguments ...string) error {
	cmd := exec.CommandContext(ctx, "git", arguments...)
	cmd.Env = append(os.Environ(),
		"GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=devcontainer-manager", "GIT_AUTHOR_EMAIL=sample@localhost",
		"GIT_COMMITTER_NAME=devcontainer-manager", "GIT_COMMITTER_EMAIL=sample@localhost",
	)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w: %s", arguments[0], err, strings.TrimSpace(string(out)))
	}
	return nil
}
