// Command bench measures the agent's backup and restore beside
// tar | pigz | age on the same tree, and the agent's peak memory:
//
//	go run ./internal/agent/backup/bench [-mib 2048] [-dir DIR]
//
// The agent runs in a process of its own, so that its memory is its own. The
// control plane and the storage are stand-ins in this process, on disk.
package main

import (
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/agenttest"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// memoryTargetMiB is what the agent may use, whatever the size.
const memoryTargetMiB = 64

func main() {
	size := flag.Int("mib", 2048, "size of the tree in MiB")
	dir := flag.String("dir", "", "where to work (default a temporary directory)")
	child := flag.String("child", "", "internal: what the child does")
	flag.Parse()
	var err error
	if *child != "" {
		err = runChild(*child, flag.Args())
	} else {
		err = run(*size, *dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(size int, parent string) error {
	base, err := os.MkdirTemp(parent, "dcm-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(base)
	tree, objects := filepath.Join(base, "tree"), filepath.Join(base, "objects")
	if err := os.Mkdir(objects, 0o700); err != nil {
		return err
	}
	files, err := makeTree(tree, int64(size)<<20)
	if err != nil {
		return fmt.Errorf("make the tree: %w", err)
	}
	fmt.Printf("tree: %d MiB in %d files\n", size, files)

	plane, err := agenttest.New(objects)
	if err != nil {
		return err
	}
	server := httptest.NewServer(plane)
	defer server.Close()
	plane.URL, plane.PartBytes = server.URL, dcm.BackupPartBytes

	saved, err := inChild("save", plane.URL, tree)
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	packed := plane.Restore().Size
	restored, err := inChild("restore", plane.URL, filepath.Join(base, "restored"), *plane.Restore())
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	print := func(what string, r result) {
		fmt.Printf("%-24s %7.0f MB/s  peak memory %5.1f MiB (target: under %d)\n", what, r.rate(size), r.PeakMiB, memoryTargetMiB)
	}
	print("agent: backup", saved)
	print("agent: restore", restored)
	fmt.Printf("%-24s %7.1f MiB\n", "agent: backup's size", float64(packed)/(1<<20))
	return baseline(base, tree, size)
}
