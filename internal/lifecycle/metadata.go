package lifecycle

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// metadata is metadata.json: what a backup is, for people and for disaster
// recovery. The record is the truth.
func metadata(k dcm.Backup, more map[string]any) ([]byte, error) {
	fields := map[string]any{
		"format": "tar+gzip+age", "backupId": k.ID, "generation": k.Generation, "keyVersion": k.KeyVersion,
		"key": k.Key, "versionId": k.VersionID, "size": k.SizeBytes, "sha256": k.SHA256, "takenAt": k.TakenAt,
	}
	maps.Copy(fields, more)
	body, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("describe backup %s: %w", k.ID, err)
	}
	return body, nil
}
