package backup

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// flush writes everything of dir's filesystem to the disk.
func flush(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}
