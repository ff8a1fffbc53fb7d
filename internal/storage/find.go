package storage

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// unversioned is the id S3 lists for objects of a bucket without versions.
const unversioned = "null"

// versionOf returns "" for an object that has no version of its own, however
// the storage says so, so that its readers ask for no version.
func versionOf(id *string) string {
	if v := aws.ToString(id); v != unversioned {
		return v
	}
	return ""
}

// FindUploaded looks through the versions of the key, newest first, for the
// one whose metadata names the backup. A tenant's own bucket that is gone holds
// none.
func (s *Storage) FindUploaded(ctx context.Context, b dcm.Bucket, u dcm.UploadRef) (*dcm.StoredObject, error) {
	const op = "find upload"
	client, err := s.client(op, b)
	if err != nil {
		return nil, err
	}
	held, err := find(ctx, client, op, b, u)
	if bucketGone(b, err) {
		return nil, nil
	}
	if held == nil || err != nil {
		return nil, err
	}
	return &held.object, nil
}

func find(ctx context.Context, client *s3.Client, op string, b dcm.Bucket, u dcm.UploadRef) (*held, error) {
	pages := s3.NewListObjectVersionsPaginator(client, &s3.ListObjectVersionsInput{
		Bucket: aws.String(b.Name), Prefix: aws.String(u.Key),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if hasCode(err, "NotImplemented", "MethodNotAllowed") {
			return findAmong(ctx, client, op, b, u, []string{""})
		}
		if err != nil {
			return nil, failure(op, err)
		}
		versions, past := versionsOf(page.Versions, u.Key)
		held, err := findAmong(ctx, client, op, b, u, versions)
		if held != nil || err != nil || past {
			return held, err
		}
	}
	return nil, nil
}

// versionsOf returns the ids of the versions of exactly this key, and whether
// the list, which is sorted by key, has gone past it.
func versionsOf(listed []types.ObjectVersion, key string) (ids []string, past bool) {
	for _, v := range listed {
		if aws.ToString(v.Key) != key {
			past = true
			continue
		}
		ids = append(ids, versionOf(v.VersionId))
	}
	return ids, past
}

func findAmong(ctx context.Context, client *s3.Client, op string, b dcm.Bucket, u dcm.UploadRef, versions []string) (*held, error) {
	for _, version := range versions {
		held, err := head(ctx, client, b, u.Key, version)
		if err != nil {
			// A version can vanish between the list and the look.
			if e := failure(op, err); e.Kind != dcm.KindNotFound {
				return nil, e
			}
			continue
		}
		if held.backupID == u.BackupID {
			return &held, nil
		}
	}
	return nil, nil
}

// held is what the storage says it holds.
type held struct {
	object   dcm.StoredObject
	backupID dcm.BackupID
	// sha256 is the object's checksum in lower-case hex, "" if the storage
	// does not tell. composite says that it surely is over the parts'
	// digests; without that it is worth something only if it matches.
	sha256    string
	composite bool
}

// head reads what is known of an object, without its content.
func head(ctx context.Context, client *s3.Client, b dcm.Bucket, key, version string) (held, error) {
	input := &s3.HeadObjectInput{Bucket: aws.String(b.Name), Key: aws.String(key), ChecksumMode: types.ChecksumModeEnabled}
	if version != "" {
		input.VersionId = aws.String(version)
	}
	out, err := client.HeadObject(ctx, input)
	if err != nil {
		return held{}, err
	}
	if version == "" {
		version = versionOf(out.VersionId)
	}
	h := held{
		object:   dcm.StoredObject{Key: key, VersionID: version, SizeBytes: aws.ToInt64(out.ContentLength)},
		backupID: dcm.BackupID(out.Metadata[backupIDKey]),
	}
	h.sha256, h.composite = readChecksum(aws.ToString(out.ChecksumSHA256))
	return h, nil
}

// readChecksum reads base64, or base64-parts, which is a composite.
func readChecksum(checksum string) (sum string, composite bool) {
	text, _, composite := strings.Cut(checksum, "-")
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != sha256.Size {
		return "", false
	}
	return hex.EncodeToString(raw), composite
}
