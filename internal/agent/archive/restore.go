package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// ErrRefused says that an archive holds what none of ours does: a path or a
// link that leads outside, something written through a symlink, a device, a
// name that appears twice. Nothing of it is to be trusted.
var ErrRefused = errors.New("the archive is refused")

// maxDepth is more levels than a path of Linux can name.
const maxDepth = 2048

// Options say how to restore.
type Options struct {
	// Owners sets the owners as archived, which only root can.
	Owners bool
	// KeepOutsideSymlinks makes symlinks that lead outside instead of refusing
	// them. They are never followed: nothing is written through any symlink.
	KeepOutsideSymlinks bool
}

// Restore extracts a tar stream into dir, which must exist and be empty, and
// which nobody else writes to meanwhile. Whatever the stream holds, nothing
// outside dir is touched. On an error dir holds a part of the archive.
func Restore(ctx context.Context, r io.Reader, dir string, o Options) (Report, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Report{}, fmt.Errorf("open the directory to restore into: %w", err)
	}
	e := &extractor{ctx: ctx, options: o, buffer: make([]byte, 256<<10)}
	top, err := newFrame(root, "")
	if err != nil {
		return Report{}, err
	}
	e.stack = []*frame{top}
	err = e.extract(tar.NewReader(r))
	return e.report, errors.Join(err, e.unwind())
}

type extractor struct {
	ctx     context.Context
	options Options
	stack   []*frame // the open directories from the top to the current one
	buffer  []byte
	report  Report
}

func (e *extractor) extract(r *tar.Reader) error {
	for {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		if err := e.entry(h, r); err != nil {
			return fmt.Errorf("restore %q: %w", h.Name, err)
		}
		e.report.Entries++
	}
}

func (e *extractor) entry(h *tar.Header, content io.Reader) error {
	name, err := safePath(h.Name)
	if err != nil {
		return err
	}
	if sparse(h) {
		// A few bytes could stand for any number of zeros.
		return refused("it is sparse")
	}
	if name == "." {
		if h.Typeflag != tar.TypeDir {
			return refused("the top of the archive is no directory")
		}
		e.stack[0].meta = metaOf(h)
		return nil
	}
	if h.Typeflag == tar.TypeDir {
		return e.directory(name, h)
	}
	if err := e.enter(path.Dir(name)); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return e.file(path.Base(name), h, content)
	case tar.TypeSymlink:
		return e.symlink(name, h)
	case tar.TypeLink:
		return e.hardLink(path.Base(name), h)
	default:
		return refused("it is neither file, directory nor link (type %q)", h.Typeflag)
	}
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// safePath cleans a name of the archive, or refuses it.
func safePath(name string) (string, error) {
	if strings.ContainsRune(name, 0) || strings.HasPrefix(name, "/") || name == "" {
		return "", refused("the path is absolute or empty")
	}
	elements := strings.Split(name, "/")
	for _, element := range elements {
		if element == ".." {
			return "", refused("the path leads outside")
		}
	}
	clean := path.Clean(name)
	if len(elements) > maxDepth || !filepath.IsLocal(clean) {
		return "", refused("the path is too deep or not local")
	}
	return clean, nil
}

func sparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// leadsOutside reports whether a symlink at name may leave the tree. Only
// leading ".." elements are counted: one behind a name could climb out of
// wherever another symlink of the archive leads.
func leadsOutside(name, target string) bool {
	if target == "" || strings.HasPrefix(target, "/") {
		return true
	}
	depth, descended := strings.Count(name, "/"), false
	for element := range strings.SplitSeq(target, "/") {
		switch element {
		case "", ".":
		case "..":
			depth--
			if descended || depth < 0 {
				return true
			}
		default:
			descended = true
		}
	}
	return false
}
