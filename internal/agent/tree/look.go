// Package tree tells whether a directory tree has changed, by its metadata
// alone: no file is read.
package tree

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// racyWithin is how fine the kernel's clock for files may be: a change within
// it could leave no trace.
const racyWithin = 20 * time.Millisecond

// racyAhead is how far a change time may lie in the future and still be of a
// moment ago. One beyond it is from before the machine's clock was set back: a
// change from now on has another time, and is noticed.
const racyAhead = time.Minute

// Look is a tree at one moment. Two looks with the same digest saw the same
// tree. An empty digest equals nothing: the tree was changing just then.
type Look struct {
	// All covers everything.
	All string
	// Work leaves out what is in .git directories, which editors touch by
	// themselves, looking and not working.
	Work string
}

// Same reports whether nothing changed between two digests.
func Same(a, b string) bool { return a != "" && a == b }

// Take looks at the tree now. It notices every change of content, since that
// changes a file's change time, which nobody can set.
func Take(ctx context.Context, dir string) (Look, error) { return takeAt(ctx, dir, time.Now()) }

func takeAt(ctx context.Context, dir string, now time.Time) (Look, error) {
	l := looker{
		ctx: ctx, all: sha256.New(), work: sha256.New(),
		racyFrom: now.Add(-racyWithin).UnixNano(), racyTo: now.Add(racyAhead).UnixNano(),
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return Look{}, fmt.Errorf("look at the workspace: %w", err)
	}
	l.entry(".", info, false)
	if err := l.directory(dir, ".", false); err != nil {
		return Look{}, fmt.Errorf("look at the workspace: %w", err)
	}
	return l.look(), nil
}

// TakeSettled is Take, repeated for a moment if the tree has only just changed.
func TakeSettled(ctx context.Context, dir string) (Look, error) {
	for range 5 {
		look, err := Take(ctx, dir)
		if err != nil || look.All != "" {
			return look, err
		}
		select {
		case <-time.After(racyWithin + 5*time.Millisecond):
		case <-ctx.Done():
			return Look{}, ctx.Err()
		}
	}
	return Take(ctx, dir)
}

type looker struct {
	ctx       context.Context
	all, work hash.Hash
	buffer    []byte
	// A change time between the two may be that of a change still going on.
	racyFrom, racyTo int64
	allRacy          bool
	workRacy         bool
}

func (l *looker) look() Look {
	var look Look
	if !l.allRacy {
		look.All = hex.EncodeToString(l.all.Sum(nil))
	}
	if !l.workRacy {
		look.Work = hex.EncodeToString(l.work.Sum(nil))
	}
	return look
}

func (l *looker) directory(dir, name string, inGit bool) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !gone(err) {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if gone(err) {
			continue
		}
		if err != nil {
			return err
		}
		child := name + "/" + e.Name()
		git := inGit || e.IsDir() && e.Name() == ".git"
		l.entry(child, info, git)
		if e.IsDir() {
			if err := l.directory(filepath.Join(dir, e.Name()), child, git); err != nil {
				return err
			}
		}
	}
	return nil
}

// gone: what vanished is not there; what may not be read can't be told from it.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}

func (l *looker) entry(name string, info fs.FileInfo, git bool) {
	changed, number := changeTime(info)
	b := append(l.buffer[:0], name...)
	b = append(b, 0)
	for _, n := range []uint64{uint64(info.Mode()), uint64(info.Size()), uint64(changed), number} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	l.buffer = b
	racy := changed >= l.racyFrom && changed <= l.racyTo
	l.all.Write(b)
	l.allRacy = l.allRacy || racy
	if !git {
		l.work.Write(b)
		l.workRacy = l.workRacy || racy
	}
}
