package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// userDataCopies is where cloud-init keeps what user-data said, below the
// machine's root.
var userDataCopies = []string{
	"var/lib/cloud/instances/*/*", "var/lib/cloud/seed/*/*", "run/cloud-init/*.json",
}

// secrets matches what opens something: tokens, and what signs a URL.
var secrets = regexp.MustCompile(
	`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|X-Amz-(?:Signature|Security-Token|Credential)=[^&"'\\\s]+`)

// maxScrubbedBytes is far more than user-data can make any of the files.
const maxScrubbedBytes = 4 << 20

// scrub overwrites the secrets in cloud-init's copies of user-data, and drops
// the agent's URL. They are spent, or soon expire: but nobody who reads a disk
// should have to know that. Every file keeps its length, since one of them is
// a memory image that cloud-init reads again at the next boot.
func scrub(root, configDir string) error {
	var failed error
	for _, pattern := range userDataCopies {
		files, _ := filepath.Glob(filepath.Join(root, pattern)) // the patterns are good
		for _, path := range files {
			if err := scrubFile(path); err != nil {
				failed = errors.Join(failed, fmt.Errorf("scrub %s: %w", path, err))
			}
		}
	}
	urls, _ := filepath.Glob(filepath.Join(configDir, "agent-*.curl"))
	for _, path := range urls {
		failed = errors.Join(failed, os.Remove(path))
	}
	return failed
}

func scrubFile(path string) error {
	// A symbolic link's target is another of the files, or none of ours.
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxScrubbedBytes {
		return err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	found := secrets.FindAllIndex(content, -1)
	if len(found) == 0 {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	for _, at := range found {
		blank := make([]byte, at[1]-at[0])
		for i := range blank {
			blank[i] = 'x'
		}
		_, written := f.WriteAt(blank, int64(at[0]))
		err = errors.Join(err, written)
	}
	return errors.Join(err, f.Sync(), f.Close())
}
