package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/archive"
)

// Stage makes a place of its own beside dir, where a tree is made before it
// appears as dir by one rename. No two are the same: a program that outlived
// an agent which was killed still writes to its own, where it does no harm.
func Stage(dir string) (string, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("make a place for the workspace: %w", err)
	}
	staging, err := os.MkdirTemp(filepath.Dir(dir), stages(dir))
	if err != nil {
		return "", fmt.Errorf("make a place for the workspace: %w", err)
	}
	return staging, nil
}

func stages(dir string) string { return "." + filepath.Base(dir) + ".incoming-*" }

// ClearStages removes what earlier tries left beside dir. What lies there is
// never anybody's work.
func ClearStages(dir string) error {
	left, err := fs.Glob(os.DirFS(filepath.Dir(dir)), stages(dir))
	for _, name := range left {
		err = errors.Join(err, archive.Remove(filepath.Join(filepath.Dir(dir), name)))
	}
	return err
}

// Publish renames staging to dir, which must not exist or be empty. With
// durable, the tree is on the disk before and the name after.
func Publish(staging, dir string, durable bool) error {
	if durable {
		if err := flush(staging); err != nil {
			return fmt.Errorf("write the workspace to disk: %w", err)
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make room for the workspace: %w", err)
	}
	if err := os.Rename(staging, dir); err != nil {
		return fmt.Errorf("put the workspace in place: %w", err)
	}
	if durable {
		return flushDirectory(filepath.Dir(dir))
	}
	return nil
}

func flushDirectory(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
