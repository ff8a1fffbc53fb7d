package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
)

// baseline does the same with tar, pigz and age, if they are there.
func baseline(base, tree string, size int) error {
	for _, tool := range []string{"tar", "pigz", "age"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Printf("tar | pigz | age: not measured, %s is not on PATH\n", tool)
			return nil
		}
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	key, packed, restored := filepath.Join(base, "key"), filepath.Join(base, "packed"), filepath.Join(base, "unpacked")
	if err := os.WriteFile(key, []byte(identity.String()+"\n"), 0o600); err != nil {
		return err
	}
	if err := os.Mkdir(restored, 0o700); err != nil {
		return err
	}
	for _, job := range []struct{ what, script string }{
		{"tar | pigz | age", "tar -C '$tree' -cf - . | pigz | age -r $recipient > '$packed'"},
		{"age | pigz -d | tar", "age -d -i '$key' '$packed' | pigz -d | tar -C '$restored' -xf -"},
	} {
		script := strings.NewReplacer("$tree", tree, "$recipient", identity.Recipient().String(),
			"$packed", packed, "$key", key, "$restored", restored).Replace("set -o pipefail; " + job.script)
		began := time.Now()
		if out, err := exec.Command("bash", "-c", script).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", job.what, err, out)
		}
		fmt.Printf("%-24s %7.0f MB/s\n", job.what, result{Seconds: time.Since(began).Seconds()}.rate(size))
	}
	if info, err := os.Stat(packed); err == nil {
		fmt.Printf("%-24s %7.1f MiB\n", "tar | pigz | age: size", float64(info.Size())/(1<<20))
	}
	return nil
}
