package s3

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// spool keeps content in files of one private directory.
type spool struct {
	mu  sync.Mutex
	dir string
	// made is the directory once it exists; own says that we made it.
	made   string
	own    bool
	closed bool
}

// blob is a run of bytes in a file.
type blob struct {
	path string
	size int64
}

// create opens a new file for writing.
func (s *spool) create() (*os.File, error) {
	dir, err := s.directory()
	if err != nil {
		return nil, err
	}
	return os.CreateTemp(dir, "blob-")
}

func (s *spool) directory() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", os.ErrClosed
	}
	if s.made != "" {
		return s.made, nil
	}
	if s.dir != "" {
		if err := os.MkdirAll(s.dir, 0o700); err != nil {
			return "", fmt.Errorf("make the spool directory: %w", err)
		}
		s.made = s.dir
		return s.made, nil
	}
	dir, err := os.MkdirTemp("", "dcm-s3-")
	if err != nil {
		return "", fmt.Errorf("make the spool directory: %w", err)
	}
	s.made, s.own = dir, true
	return s.made, nil
}

// remove deletes the directory if it is our own.
func (s *spool) remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if !s.own || s.made == "" {
		return nil
	}
	return os.RemoveAll(s.made)
}

// drop deletes content nobody refers to any more. A failure leaves a file that
// Close removes.
func drop(blobs []blob) {
	for _, b := range blobs {
		_ = os.Remove(b.path)
	}
}

// blobReader reads blobs one after the other, and seeks in them.
type blobReader struct {
	blobs  []blob
	size   int64
	offset int64
	// file is the open blob, which begins at start and ends at end.
	file       *os.File
	start, end int64
}

func newBlobReader(blobs []blob) *blobReader {
	r := &blobReader{blobs: blobs}
	for _, b := range blobs {
		r.size += b.size
	}
	return r
}

// Read reads from the blob that holds the offset, up to its end.
func (r *blobReader) Read(p []byte) (int, error) {
	if r.offset >= r.size {
		return 0, io.EOF
	}
	if r.file == nil || r.offset < r.start || r.offset >= r.end {
		if err := r.open(); err != nil {
			return 0, err
		}
	}
	if left := r.end - r.offset; int64(len(p)) > left {
		p = p[:left]
	}
	n, err := r.file.ReadAt(p, r.offset-r.start)
	r.offset += int64(n)
	if n > 0 {
		return n, nil
	}
	return 0, err
}

func (r *blobReader) open() error {
	_ = r.Close()
	r.start = 0
	for _, b := range r.blobs {
		r.end = r.start + b.size
		if r.offset < r.end {
			file, err := os.Open(b.path)
			r.file = file
			return err
		}
		r.start = r.end
	}
	return io.EOF
}

// Seek moves the offset.
func (r *blobReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.offset
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek to %d", offset)
	}
	r.offset = offset
	return offset, nil
}

// Close closes the open blob.
func (r *blobReader) Close() error {
	if r.file == nil {
		return nil
	}
	file := r.file
	r.file = nil
	return file.Close()
}
