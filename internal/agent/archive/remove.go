package archive

import (
	"io/fs"
	"os"
	"path/filepath"
)

// Remove deletes a tree, also one whose directories are read-only, as Go's
// module cache makes them. A tree that does not exist is success.
func Remove(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	// Symlinks are not followed: WalkDir doesn't descend into them, and only
	// directories are changed.
	_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(p, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}
