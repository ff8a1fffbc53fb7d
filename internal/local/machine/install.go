package machine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// attempts is how often a download is tried. The installer on a VM tries
// longer; here nothing needs time to come up.
const attempts = 5

var errDigest = errors.New("the agent has another digest")

// install does what the installer on a VM does: it puts the agent for this
// architecture at target, from the URL and with the digest that the files in
// config give.
func (m *Machines) install(ctx context.Context, config, target string) error {
	if _, err := os.Stat(target); err == nil {
		return nil // the disk was kept while the server was off; the agent has dropped its URL
	}
	url, err := m.curlURL(config)
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	digest, err := os.ReadFile(filepath.Join(config, "agent-"+m.options.Architecture+".sha256"))
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return fmt.Errorf("install: %w", err)
	}
	pause := 50 * time.Millisecond
	for attempt := 1; ; attempt++ {
		if err = download(ctx, url, target, strings.TrimSpace(string(digest))); err == nil {
			return nil
		}
		if attempt == attempts {
			return fmt.Errorf("install: %w", err)
		}
		if dcm.Sleep(ctx, pause) != nil {
			return fmt.Errorf("install: %w", err)
		}
		pause *= 2
	}
}

// curlURL reads the URL from a curl configuration: url = "…".
func (m *Machines) curlURL(config string) (dcm.Secret, error) {
	text, err := os.ReadFile(filepath.Join(config, "agent-"+m.options.Architecture+".curl"))
	if err != nil {
		return dcm.Secret{}, err
	}
	url, ok := strings.CutPrefix(string(text), `url = "`)
	url, ok2 := strings.CutSuffix(url, "\"\n")
	if !ok || !ok2 || strings.ContainsAny(url, "\"\\\n") {
		return dcm.Secret{}, errors.New("the curl configuration is not one URL")
	}
	return dcm.NewSecret(url), nil
}

func download(ctx context.Context, url dcm.Secret, target, digest string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url.Reveal(), nil)
	if err != nil {
		return errors.New("the agent's URL is not a URL") // err shows it
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		return fmt.Errorf("download the agent: %w", errors.Unwrap(err)) // the outer error shows the URL
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("download the agent: %s", answer.Status)
	}
	file, err := os.CreateTemp(filepath.Dir(target), "download-")
	if err != nil {
		return fmt.Errorf("download the agent: %w", err)
	}
	defer os.Remove(file.Name()) // fails once it was renamed
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(file, sum), answer.Body)
	if err = errors.Join(err, file.Chmod(0o755), file.Close()); err != nil {
		return fmt.Errorf("download the agent: %w", err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != digest {
		return errDigest
	}
	return os.Rename(file.Name(), target)
}
