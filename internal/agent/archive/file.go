package archive

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// maxPendingLinks bounds the memory spent on hard links whose other names
// were not met yet. Beyond it a file is stored again under each name.
const maxPendingLinks = 1 << 16

type inode struct{ device, number uint64 }

// firstName is the name under which a file with several names was archived,
// and how many of its names were not met yet.
type firstName struct {
	path string
	left uint64
}

// file archives a regular file. Its header describes what was opened, not
// what was listed, so that an editor's rename over it does no harm.
func (a *writer) file(root *os.Root, name, path string) error {
	// O_NONBLOCK: should a FIFO have taken its place, opening must not hang.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("open %q: %w", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at %q: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		a.report.note(path, "skipped: it was replaced by a %s", kind(info.Mode()))
		return nil
	}
	if first := a.knownAs(info); first != "" {
		return a.header(info, tar.TypeLink, path, first)
	}
	if err := a.content(f, info, path); err != nil {
		return err
	}
	a.remember(info, path)
	return nil
}

// knownAs returns the name under which the same file was archived before; ""
// if it was not.
func (a *writer) knownAs(info fs.FileInfo) string {
	id, names := identity(info)
	first := a.links[id]
	if names < 2 || first == nil {
		return ""
	}
	if first.left--; first.left == 0 {
		delete(a.links, id)
	}
	return first.path
}

// remember notes the name of a file that has others.
func (a *writer) remember(info fs.FileInfo, path string) {
	id, names := identity(info)
	if names < 2 {
		return
	}
	if len(a.links) < maxPendingLinks {
		a.links[id] = &firstName{path: path, left: names - 1}
	} else {
		a.report.note(path, "too many hard links: its other names are stored as copies")
	}
}

func (a *writer) content(f *os.File, info fs.FileInfo, path string) error {
	h := newHeader(info, path)
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := a.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("archive %q: %w", path, err)
	}
	a.report.Entries++
	a.report.Bytes += h.Size
	left := h.Size
	for left > 0 {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		n, readErr := f.Read(a.buffer[:min(left, int64(len(a.buffer)))])
		if _, err := a.tar.Write(a.buffer[:n]); err != nil {
			return fmt.Errorf("archive %q: %w", path, err)
		}
		left -= int64(n)
		if errors.Is(readErr, io.EOF) {
			break
		}
		if readErr != nil {
			return fmt.Errorf("read %q: %w", path, readErr)
		}
	}
	if left > 0 {
		a.report.note(path, "shrank while it was read: padded with %d zero bytes", left)
		return a.pad(left, path)
	}
	if after, err := f.Stat(); err == nil && (after.Size() != info.Size() || !after.ModTime().Equal(info.ModTime())) {
		a.report.note(path, "changed while it was read")
	}
	return nil
}

// pad writes n zero bytes, so that the entry has the size its header says.
func (a *writer) pad(n int64, path string) error {
	clear(a.buffer)
	for n > 0 {
		k := min(n, int64(len(a.buffer)))
		if _, err := a.tar.Write(a.buffer[:k]); err != nil {
			return fmt.Errorf("archive %q: %w", path, err)
		}
		n -= k
	}
	return nil
}

// newHeader has everything that does not depend on the kind of entry. PAX
// carries nanoseconds and names of any length.
func newHeader(info fs.FileInfo, path string) *tar.Header {
	uid, gid, mode := owner(info)
	return &tar.Header{
		Name: path, Mode: mode, Uid: uid, Gid: gid,
		ModTime: info.ModTime().In(time.UTC), Format: tar.FormatPAX,
	}
}

// owner returns a file's owner, group and the mode's twelve bits.
func owner(info fs.FileInfo) (uid, gid int, mode int64) {
	s := info.Sys().(*syscall.Stat_t)
	return int(s.Uid), int(s.Gid), int64(s.Mode & 0o7777)
}

// identity says which file this is and how many names it has.
func identity(info fs.FileInfo) (inode, uint64) {
	s := info.Sys().(*syscall.Stat_t)
	// The fields' types differ between systems.
	return inode{uint64(s.Dev), uint64(s.Ino)}, uint64(s.Nlink) //nolint:unconvert
}
