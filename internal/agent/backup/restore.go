package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"filippo.io/age"
	"github.com/klauspost/pgzip"

	"github.com/devcontainer-manager/devcontainer-manager/internal/agent/archive"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Restorer brings backups back.
type Restorer struct {
	HTTP   *http.Client
	Tuning Tuning
	// Durable makes a restored tree reach the disk before it appears, so that
	// a machine that crashes right after never saves a torn tree.
	Durable bool
}

// Restore makes dir, which must not exist or be empty, from a backup. Until
// size, SHA-256 and every byte's authenticity are verified nothing appears
// there; after an error nothing has. ErrDamaged: the backup is not what was
// recorded; archive.ErrRefused: it holds what none of ours does.
func (r *Restorer) Restore(ctx context.Context, from dcm.Restore, dir string) (archive.Report, error) {
	staging, err := Stage(dir)
	if err != nil {
		return archive.Report{}, err
	}
	report, err := r.unpack(ctx, from, staging)
	if err == nil {
		err = Publish(staging, dir, r.Durable)
	}
	if err != nil {
		return report, errors.Join(err, archive.Remove(staging))
	}
	return report, nil
}

// unpack makes the tree in staging and verifies the whole stream.
func (r *Restorer) unpack(ctx context.Context, from dcm.Restore, staging string) (archive.Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	identities, err := age.ParseIdentities(strings.NewReader(strings.Join(from.Identities, "\n")))
	if err != nil {
		// The error may quote the key.
		return archive.Report{}, errors.New("the backup's keys can't be read")
	}
	source := &download{ctx: ctx, http: r.HTTP, tuning: r.Tuning, url: from.URL, size: from.Size}
	defer source.Close()
	sum := sha256.New()
	stream := io.TeeReader(source, sum)
	report, err := extract(ctx, cancel, stream, identities, staging)
	if err != nil {
		return report, err
	}
	// What follows the last byte of the archive counts for the digest as well.
	if _, err := io.Copy(io.Discard, stream); err != nil {
		return report, fmt.Errorf("read the backup's end: %w", err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); source.offset != from.Size || got != from.SHA256 {
		return report, fmt.Errorf("%w: its SHA-256 is %s instead of %s", ErrDamaged, got, from.SHA256)
	}
	return report, nil
}

// extract ends with end what it still reads when it fails.
func extract(ctx context.Context, end func(), stream io.Reader, identities []age.Identity, staging string) (report archive.Report, err error) {
	plain, err := age.Decrypt(stream, identities...)
	if err != nil {
		return archive.Report{}, damaged("decrypt", err)
	}
	decrypted := readAhead(ctx, plain)
	defer decrypted.Close()
	unpacked, err := pgzip.NewReaderN(decrypted, gzipBlockBytes, gzipBlocks)
	if err != nil {
		end()
		return archive.Report{}, damaged("decompress", err)
	}
	defer unpacked.Close()
	defer func() {
		if err != nil {
			end() // a download that waits for the network would hold up Close
		}
	}()
	report, err = archive.Restore(ctx, unpacked, staging, archive.Options{
		Owners: os.Geteuid() == 0,
		// A virtual environment's python leads to /usr/bin: it is the user's
		// work, made by the user, and comes back as it was. Nothing follows it.
		KeepOutsideSymlinks: true,
	})
	if err != nil {
		return report, damaged("unpack", err)
	}
	// To the end of both layers: only there gzip's checksum and age's last
	// chunk are verified.
	for _, layer := range []io.Reader{unpacked, decrypted} {
		if _, err := io.Copy(io.Discard, layer); err != nil {
			return report, damaged("verify", err)
		}
	}
	return report, nil
}

// damaged marks errors that no repetition mends. A broken connection, an end
// of the context and a full disk are not among them.
func damaged(doing string, err error) error {
	_, system := errors.AsType[*fs.PathError](err)
	if isStorage(err) || system || errors.Is(err, context.Canceled) || errors.Is(err, ErrDamaged) {
		return fmt.Errorf("%s the backup: %w", doing, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrDamaged, doing, err)
}
