package archive

import (
	"archive/tar"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// frame is an open directory of the tree being restored. Its metadata is set
// when it is left: before that, writing into it would change its time, and a
// read-only mode would forbid it.
type frame struct {
	name string
	root *os.Root
	file *os.File
	meta *metadata
}

type metadata struct {
	mode     int64
	uid, gid int
	owned    bool
	modified time.Time
}

func metaOf(h *tar.Header) *metadata {
	return &metadata{mode: h.Mode & 0o7777, uid: h.Uid, gid: h.Gid, owned: true, modified: h.ModTime}
}

func newFrame(root *os.Root, name string) (*frame, error) {
	file, err := root.Open(".")
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("open the directory %q: %w", name, err)
	}
	return &frame{name: name, root: root, file: file}, nil
}

func (f *frame) close(o Options) error {
	defer f.root.Close()
	defer f.file.Close()
	if f.meta == nil {
		return nil
	}
	// The owner first: changing it clears the set-id bits.
	if o.Owners && f.meta.owned {
		if err := f.file.Chown(f.meta.uid, f.meta.gid); err != nil {
			return fmt.Errorf("set the owner of the directory %q: %w", f.name, err)
		}
	}
	if err := f.file.Chmod(fileMode(f.meta.mode)); err != nil {
		return fmt.Errorf("set the mode of the directory %q: %w", f.name, err)
	}
	t := f.meta.modified
	if err := setTimes(int(f.file.Fd()), ".", t); err != nil {
		return fmt.Errorf("set the time of the directory %q: %w", f.name, err)
	}
	return nil
}

func (e *extractor) top() *frame { return e.stack[len(e.stack)-1] }

func (e *extractor) pop() error {
	f := e.top()
	e.stack = e.stack[:len(e.stack)-1]
	return f.close(e.options)
}

// unwind leaves every directory, whatever fails.
func (e *extractor) unwind() error {
	var errs []error
	for len(e.stack) > 0 {
		errs = append(errs, e.pop())
	}
	return errors.Join(errs...)
}

// enter makes dir the current directory. Every step must be a real directory;
// missing ones are made. The archive's order makes most calls free.
func (e *extractor) enter(dir string) error {
	var elements []string
	if dir != "." {
		elements = strings.Split(dir, "/")
	}
	same := 0
	for same < len(elements) && same+1 < len(e.stack) && e.stack[same+1].name == elements[same] {
		same++
	}
	for len(e.stack)-1 > same {
		if err := e.pop(); err != nil {
			return err
		}
	}
	for _, name := range elements[same:] {
		if err := e.push(name); err != nil {
			return err
		}
	}
	return nil
}

// push descends into a child of the current directory.
func (e *extractor) push(name string) error {
	parent := e.top()
	info, err := parent.root.Lstat(name)
	var kept *metadata
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := parent.root.Mkdir(name, 0o700); err != nil {
			return err
		}
		if err := parent.root.Chmod(name, 0o755); err != nil { // whatever the umask
			return err
		}
	case err != nil:
		return err
	case !info.IsDir():
		return refused("%q is not a directory: nothing is written through a link", name)
	default:
		// Visited before, and finished: what is written now must not show.
		_, _, mode := owner(info)
		kept = &metadata{mode: mode, modified: info.ModTime()}
		if mode&0o700 != 0o700 {
			if err := parent.root.Chmod(name, 0o700); err != nil {
				return err
			}
		}
	}
	root, err := parent.root.OpenRoot(name)
	if err != nil {
		return err
	}
	f, err := newFrame(root, name)
	if err != nil {
		return err
	}
	f.meta = kept
	e.stack = append(e.stack, f)
	return nil
}

// setTimes sets both times of name in an open directory, of a link itself.
func setTimes(directory int, name string, t time.Time) error {
	ts, err := unix.TimeToTimespec(t)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(directory, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}

// fileMode turns a mode's twelve bits into Go's.
func fileMode(bits int64) fs.FileMode {
	m := fs.FileMode(bits & 0o777)
	for bit, flag := range map[int64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if bits&bit != 0 {
			m |= flag
		}
	}
	return m
}
