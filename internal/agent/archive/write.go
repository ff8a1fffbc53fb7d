package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// Write archives dir and everything below it to w. What vanishes meanwhile is
// left out with a note; a file that shrinks or grows is padded or cut to the
// size it had, with a note. It never follows a symlink out of dir, even one
// that replaces a directory while it runs. What can't be read fails the whole
// archive: an incomplete backup must not pass for a complete one.
func Write(ctx context.Context, w io.Writer, dir string) (Report, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Report{}, fmt.Errorf("open the tree: %w", err)
	}
	defer root.Close()
	a := &writer{
		ctx: ctx, tar: tar.NewWriter(w), links: map[inode]*firstName{},
		buffer: make([]byte, 256<<10),
	}
	info, err := root.Lstat(".")
	if err != nil {
		return a.report, fmt.Errorf("read the tree: %w", err)
	}
	if err := a.header(info, tar.TypeDir, "./", ""); err != nil {
		return a.report, err
	}
	if err := a.directory(root, ""); err != nil {
		return a.report, err
	}
	if err := a.tar.Close(); err != nil {
		return a.report, fmt.Errorf("finish the archive: %w", err)
	}
	return a.report, nil
}

type writer struct {
	ctx    context.Context
	tar    *tar.Writer
	links  map[inode]*firstName
	buffer []byte
	report Report
}

// directory archives what is in root, whose path in the archive is prefix:
// empty, or ending in a slash.
func (a *writer) directory(root *os.Root, prefix string) error {
	names, err := list(root)
	if err != nil {
		return fmt.Errorf("list %q: %w", "./"+prefix, err)
	}
	for _, name := range names {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		err := a.entry(root, name, prefix+name)
		if vanished(err) {
			a.report.note(prefix+name, "vanished while it was read")
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func list(root *os.Root) ([]string, error) {
	f, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

// vanished reports whether an entry is no longer what it was when listed.
func vanished(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP)
}

func (a *writer) entry(root *os.Root, name, path string) error {
	info, err := root.Lstat(name)
	if err != nil {
		return fmt.Errorf("look at %q: %w", path, err)
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		return a.subdirectory(root, info, name, path)
	case fs.ModeSymlink:
		target, err := root.Readlink(name)
		if err != nil {
			return fmt.Errorf("read the link %q: %w", path, err)
		}
		return a.symlink(info, path, target)
	case 0:
		return a.file(root, name, path)
	default:
		a.report.note(path, "skipped: it is a %s", kind(info.Mode()))
		return nil
	}
}

func kind(m fs.FileMode) string {
	switch {
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeNamedPipe != 0:
		return "FIFO"
	default:
		return "device"
	}
}

func (a *writer) subdirectory(root *os.Root, info fs.FileInfo, name, path string) error {
	sub, err := root.OpenRoot(name)
	if err != nil {
		return fmt.Errorf("open the directory %q: %w", path, err)
	}
	defer sub.Close()
	if err := a.header(info, tar.TypeDir, path+"/", ""); err != nil {
		return err
	}
	return a.directory(sub, path+"/")
}

// symlink archives a link, which may have several names like a file.
func (a *writer) symlink(info fs.FileInfo, path, target string) error {
	if first := a.knownAs(info); first != "" {
		return a.header(info, tar.TypeLink, path, first)
	}
	if err := a.header(info, tar.TypeSymlink, path, target); err != nil {
		return err
	}
	a.remember(info, path)
	return nil
}

// header writes an entry without content.
func (a *writer) header(info fs.FileInfo, kind byte, path, target string) error {
	h := newHeader(info, path)
	h.Typeflag, h.Linkname = kind, target
	if err := a.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("archive %q: %w", path, err)
	}
	a.report.Entries++
	return nil
}
