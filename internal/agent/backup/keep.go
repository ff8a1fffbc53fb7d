package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/pgzip"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/archive"
)

// Keep writes dir to a file on this machine, as a tar.gz for its owner alone. The
// file appears whole or not at all.
func Keep(ctx context.Context, dir, path string) error {
	part := path + ".part"
	file, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("make the file: %w", err)
	}
	_, err = compress(ctx, file, dir)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the file: %w", err), os.Remove(part))
	}
	return nil
}

// compress writes dir to w: archived and compressed.
func compress(ctx context.Context, w io.Writer, dir string) (archive.Report, error) {
	packed, err := pgzip.NewWriterLevel(w, gzipLevel)
	if err != nil {
		return archive.Report{}, fmt.Errorf("begin to compress: %w", err)
	}
	if err := packed.SetConcurrency(gzipBlockBytes, gzipBlocks); err != nil {
		return archive.Report{}, fmt.Errorf("begin to compress: %w", err)
	}
	report, err := archive.Write(ctx, packed, dir)
	// Closing ends the compressor's goroutines also after a failure.
	return report, errors.Join(err, packed.Close())
}
