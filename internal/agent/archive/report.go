// Package archive turns a directory into a tar stream and back.
//
// Kept: modes, owners, modification times to the nanosecond, symlinks, hard
// links, empty directories, names of any length and encoding. The order is
// deterministic. Not kept: extended attributes, access times, and what is no
// file: sockets, FIFOs, devices. Memory does not grow with the size of the
// tree, only with its depth and its widest directory.
package archive

import "fmt"

// maxNotes bounds a report's memory: further notes are only counted.
const maxNotes = 100

// Report says what became of a tree.
type Report struct {
	// Entries and Bytes count what was archived or restored.
	Entries, Bytes int64
	// Notes name what could not be kept as it was; at most 100 of them.
	Notes []Note
	// Noted counts all notes.
	Noted int
}

// Note is one thing that could not be kept as it was.
type Note struct{ Path, What string }

// String renders the note for a log.
func (n Note) String() string { return n.Path + ": " + n.What }

func (r *Report) note(path, format string, args ...any) {
	r.Noted++
	if len(r.Notes) < maxNotes {
		r.Notes = append(r.Notes, Note{Path: path, What: fmt.Sprintf(format, args...)})
	}
}
