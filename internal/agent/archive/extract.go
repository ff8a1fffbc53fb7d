package archive

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

func (e *extractor) directory(name string, h *tar.Header) error {
	if err := e.enter(name); err != nil {
		return err
	}
	e.top().meta = metaOf(h)
	return nil
}

// file makes a regular file. O_EXCL refuses a second one of the same name,
// and with it anything that lies there already, such as a link.
func (e *extractor) file(name string, h *tar.Header, content io.Reader) error {
	dir := e.top()
	f, err := dir.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return twice(err)
	}
	err = e.fill(f, h, content)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return setTimes(int(dir.file.Fd()), name, h.ModTime)
}

func (e *extractor) fill(f *os.File, h *tar.Header, content io.Reader) error {
	n, err := io.CopyBuffer(onlyWriter{f}, onlyReader{e.ctx, content}, e.buffer)
	e.report.Bytes += n
	if err != nil {
		return err
	}
	if e.options.Owners {
		if err := f.Chown(h.Uid, h.Gid); err != nil {
			return err
		}
	}
	return f.Chmod(fileMode(h.Mode))
}

func (e *extractor) symlink(name string, h *tar.Header) error {
	if strings.ContainsRune(h.Linkname, 0) || h.Linkname == "" {
		return refused("the link's target is no path")
	}
	if leadsOutside(name, h.Linkname) && !e.options.KeepOutsideSymlinks {
		return refused("the link leads outside, to %q", h.Linkname)
	}
	dir, base := e.top(), path.Base(name)
	if err := dir.root.Symlink(h.Linkname, base); err != nil {
		return twice(err)
	}
	if e.options.Owners {
		if err := dir.root.Lchown(base, h.Uid, h.Gid); err != nil {
			return err
		}
	}
	return setTimes(int(dir.file.Fd()), base, h.ModTime)
}

// hardLink gives a file or symlink that the archive made before another name.
func (e *extractor) hardLink(name string, h *tar.Header) error {
	target, err := safePath(h.Linkname)
	if err != nil {
		return fmt.Errorf("the link's target: %w", err)
	}
	// Link needs both names under one root: the top one.
	var full strings.Builder
	for _, f := range e.stack[1:] {
		full.WriteString(f.name + "/")
	}
	full.WriteString(name)
	if err := e.linkable(target, full.String()); err != nil {
		return err
	}
	if err := e.stack[0].root.Link(target, full.String()); err != nil {
		return twice(err)
	}
	return nil
}

// linkable checks that no step to target is a symlink. Target itself may be
// one, which Link does not follow; but under its other name it leads elsewhere.
func (e *extractor) linkable(target, name string) error {
	elements := strings.Split(target, "/")
	for i := range elements {
		info, err := e.stack[0].root.Lstat(strings.Join(elements[:i+1], "/"))
		if errors.Is(err, fs.ErrNotExist) {
			return refused("the link's target %q is not in the archive", target)
		}
		if err != nil {
			return err
		}
		last := i == len(elements)-1
		switch {
		case last && info.Mode()&fs.ModeSymlink != 0:
			return e.symlinkAs(target, name)
		case last && !info.Mode().IsRegular(), !last && !info.IsDir():
			return refused("the link leads to %q, which is no file", target)
		}
	}
	return nil
}

// symlinkAs checks where a symlink that is there leads under another name.
func (e *extractor) symlinkAs(target, name string) error {
	to, err := e.stack[0].root.Readlink(target)
	if err != nil {
		return err
	}
	if leadsOutside(name, to) && !e.options.KeepOutsideSymlinks {
		return refused("the link leads outside, to %q", to)
	}
	return nil
}

// twice turns "exists" into a refusal.
func twice(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return refused("the name appears twice")
	}
	return err
}

// onlyWriter hides ReadFrom, which would copy with a buffer of its own.
type onlyWriter struct{ io.Writer }

// onlyReader hides WriteTo and ends with its context.
type onlyReader struct {
	ctx interface{ Err() error }
	io.Reader
}

func (r onlyReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
