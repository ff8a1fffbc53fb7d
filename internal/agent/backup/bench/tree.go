package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// makeTree makes a tree like a developer's: many small files of text, some
// larger ones that compress, and some that don't. It returns how many.
func makeTree(dir string, size int64) (files int, err error) {
	r := rand.New(rand.NewPCG(1, 2))
	noise := rand.NewChaCha8([32]byte{3})
	words := make([]string, 4096)
	for i := range words {
		words[i] = fmt.Sprintf("%x", r.Uint64())[:2+r.IntN(10)]
	}
	text := func(n int) []byte {
		b := make([]byte, 0, n+16)
		for len(b) < n {
			// Few words are frequent and most are rare, as in code.
			b = append(b, words[int(float64(len(words))*r.Float64()*r.Float64()*r.Float64())]...)
			b = append(b, " \n\t("[r.IntN(4)])
		}
		return b
	}
	for written := int64(0); written < size; files++ {
		var content []byte
		switch r.IntN(100) {
		case 0: // an archive, an image
			content = make([]byte, 4<<20)
			_, _ = noise.Read(content)
		case 1, 2: // a bundle, a log
			content = text(2 << 20)
		default: // a source
			content = text(500 + r.IntN(20_000))
		}
		sub := filepath.Join(dir, fmt.Sprintf("package-%03d", files/200), fmt.Sprintf("dir-%02d", files%20))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return files, err
		}
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("file-%06d", files)), content, 0o644); err != nil {
			return files, err
		}
		written += int64(len(content))
	}
	return files, nil
}
