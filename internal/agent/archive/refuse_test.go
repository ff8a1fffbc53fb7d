package archive_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/archive"
)

func pack(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content = "owned"
			h.Size = int64(len(content))
		}
		h.Mode = 0o755
		must(t, w.WriteHeader(&h))
		_, err := w.Write([]byte(content))
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

func evil(t testing.TB) map[string][]byte {
	file := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }
	dir := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeDir, Name: name} }
	link := func(name, to string) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
	}
	hard := func(name, to string) tar.Header {
		return tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: to}
	}
	return map[string][]byte{
		"an absolute path":                     pack(t, file("/tmp/evil")),
		"a path that climbs":                   pack(t, file("../evil")),
		"a path that climbs inside":            pack(t, dir("a"), file("a/../../evil")),
		"an absolute symlink":                  pack(t, link("l", "/etc")),
		"a symlink that climbs":                pack(t, link("l", "../outside")),
		"a symlink that climbs from below":     pack(t, dir("a"), link("a/l", "../../outside")),
		"a symlink that climbs through one":    pack(t, dir("a"), link("a/u", ".."), link("l", "a/u/../outside")),
		"a file through a symlink":             pack(t, dir("a"), link("l", "a"), file("l/evil")),
		"a directory through a symlink":        pack(t, dir("a"), link("l", "a"), dir("l/evil")),
		"a directory in place of a symlink":    pack(t, dir("a"), link("l", "a"), dir("l")),
		"a file in place of a symlink":         pack(t, file("a"), link("l", "a"), file("l")),
		"a hard link to outside":               pack(t, hard("h", "../outside/victim")),
		"an absolute hard link":                pack(t, hard("h", "/etc/passwd")),
		"a symlink that leads out as a link":   pack(t, file("x"), dir("a"), link("a/l", "../x"), hard("h", "a/l")),
		"a file through a symlink's link":      pack(t, dir("a"), link("l", "a"), hard("h", "l"), file("h/evil")),
		"a hard link through a symlink's link": pack(t, dir("a"), file("a/f"), link("l", "a"), hard("h", "l"), hard("i", "h/f")),
		"a hard link through a symlink":        pack(t, dir("a"), file("a/f"), link("l", "a"), hard("h", "l/f")),
		"a hard link to nothing":               pack(t, hard("h", "nothing")),
		"a hard link to a directory":           pack(t, dir("a"), hard("h", "a")),
		"a name twice":                         pack(t, file("a"), file("a")),
		"a file below a file":                  pack(t, file("a"), file("a/b")),
		"a block device":                       pack(t, tar.Header{Typeflag: tar.TypeBlock, Name: "d", Devmajor: 8}),
		"a character device":                   pack(t, tar.Header{Typeflag: tar.TypeChar, Name: "d", Devmajor: 1, Devminor: 3}),
		"a FIFO":                               pack(t, tar.Header{Typeflag: tar.TypeFifo, Name: "d"}),
		"a top that is a link":                 pack(t, link("./", "/etc")),
		"a path deeper than any":               pack(t, file(strings.Repeat("a/", 3000)+"f")),
		"a sparse file, a few bytes for a lot": sparseFile(t),
	}
}

// sparseFile is what GNU tar makes of a terabyte of nothing.
func sparseFile(t testing.TB) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	body := "1\n0\n0\n"
	body += strings.Repeat("\x00", 512-len(body))
	must(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "sparse", Size: int64(len(body)), Format: tar.FormatPAX,
		PAXRecords: map[string]string{"DCM.test.major": "1"}}))
	_, err := w.Write([]byte(body))
	must(t, err)
	must(t, w.Close())
	// archive/tar writes no such record itself: patch one of the same length in.
	out := bytes.Replace(b.Bytes(), []byte("DCM.test.major=1"), []byte("GNU.sparse.map=1"), 1)
	return out
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	for name, b := range evil(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			in, outside := filepath.Join(base, "in"), filepath.Join(base, "outside")
			must(t, os.Mkdir(in, 0o755))
			must(t, os.Mkdir(outside, 0o755))
			must(t, os.WriteFile(filepath.Join(outside, "victim"), []byte("untouched"), 0o644))
			before := describe(t, outside)
			_, err := archive.Restore(context.Background(), bytes.NewReader(b), in, archive.Options{})
			if !errors.Is(err, archive.ErrRefused) && name != "a sparse file, a few bytes for a lot" {
				t.Errorf("the error is %v, want a refusal", err)
			}
			if err == nil {
				t.Error("it was restored")
			}
			if after := describe(t, outside); after != before {
				t.Errorf("outside has become\n%s", after)
			}
		})
	}
}

func TestRestoreKeepsOutsideSymlinksIfAsked(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	in := filepath.Join(base, "in")
	must(t, os.Mkdir(in, 0o755))
	b := pack(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "python", Linkname: "/usr/bin/python3"})
	_, err := archive.Restore(context.Background(), bytes.NewReader(b), in, archive.Options{KeepOutsideSymlinks: true})
	must(t, err)
	if target, err := os.Readlink(filepath.Join(in, "python")); target != "/usr/bin/python3" {
		t.Errorf("the link leads to %q, %v", target, err)
	}

	t.Run("and still writes nothing through them", func(t *testing.T) {
		outside := filepath.Join(base, "outside")
		in := filepath.Join(base, "in2")
		must(t, errors.Join(os.Mkdir(outside, 0o755), os.Mkdir(in, 0o755)))
		b := pack(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "l", Linkname: outside},
			tar.Header{Typeflag: tar.TypeReg, Name: "l/evil"})
		_, err := archive.Restore(context.Background(), bytes.NewReader(b), in, archive.Options{KeepOutsideSymlinks: true})
		if !errors.Is(err, archive.ErrRefused) {
			t.Errorf("the error is %v, want a refusal", err)
		}
		if entries, _ := os.ReadDir(outside); len(entries) != 0 {
			t.Errorf("outside holds %v", entries)
		}
	})
}

func TestRestoreOfATornArchiveFails(t *testing.T) {
	t.Parallel()
	whole := pack(t, tar.Header{Typeflag: tar.TypeReg, Name: "a"}, tar.Header{Typeflag: tar.TypeReg, Name: "b"})
	_, err := archive.Restore(context.Background(), bytes.NewReader(whole[:514]), t.TempDir(), archive.Options{})
	if err == nil {
		t.Error("half an archive was restored without an error")
	}
}

// FuzzRestore restores arbitrary bytes and looks for anything outside.
func FuzzRestore(f *testing.F) {
	for name, b := range evil(f) {
		if strings.Contains(name, "deeper") {
			continue // its mutations would make thousands of directories each
		}
		f.Add(b, true)
		f.Add(b, false)
	}
	f.Fuzz(func(t *testing.T, b []byte, keep bool) {
		base := t.TempDir()
		in := filepath.Join(base, "deep", "in")
		must(t, os.MkdirAll(in, 0o755))
		must(t, os.WriteFile(filepath.Join(base, "victim"), []byte("untouched"), 0o644))
		must(t, os.WriteFile(filepath.Join(base, "deep", "victim"), []byte("untouched"), 0o644))
		_, _ = archive.Restore(context.Background(), bytes.NewReader(b), in, archive.Options{KeepOutsideSymlinks: keep})
		for _, dir := range []string{base, filepath.Join(base, "deep")} {
			entries, err := os.ReadDir(dir)
			must(t, err)
			victim, err := os.ReadFile(filepath.Join(dir, "victim"))
			if len(entries) != 2 || err != nil || string(victim) != "untouched" {
				t.Errorf("%s holds %v, its file %q", dir, entries, victim)
			}
		}
		must(t, archive.Remove(in))
	})
}
