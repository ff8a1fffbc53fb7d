package tree

import (
	"io/fs"
	"syscall"
)

// changeTime returns a file's change time in nanoseconds, and its number.
func changeTime(info fs.FileInfo) (int64, uint64) {
	s := info.Sys().(*syscall.Stat_t)
	return s.Ctim.Nano(), s.Ino
}
