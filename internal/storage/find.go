package storage

import (
	"context"

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
// one whose metadata names the backup.
func (s *Storage) FindUploaded(ctx context.Context, b dcm.Bucket, u dcm.UploadRef) (*dcm.StoredObject, error) {
	const op = "find upload"
	client, err := s.client(op, b)
	if err != nil {
		return nil, err
	}
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
		object, err := findAmong(ctx, client, op, b, u, versions)
		if object != nil || err != nil || past {
			return object, err
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

func findAmong(ctx context.Context, client *s3.Client, op string, b dcm.Bucket, u dcm.UploadRef, versions []string) (*dcm.StoredObject, error) {
	for _, version := range versions {
		object, id, err := head(ctx, client, b, u.Key, version)
		if err != nil {
			// A version can vanish between the list and the look.
			if e := failure(op, err); e.Kind != dcm.KindNotFound {
				return nil, e
			}
			continue
		}
		if id == u.BackupID {
			return &object, nil
		}
	}
	return nil, nil
}

// head reads an object's size and backup id, without its content.
func head(ctx context.Context, client *s3.Client, b dcm.Bucket, key, version string) (dcm.StoredObject, dcm.BackupID, error) {
	input := &s3.HeadObjectInput{Bucket: aws.String(b.Name), Key: aws.String(key)}
	if version != "" {
		input.VersionId = aws.String(version)
	}
	out, err := client.HeadObject(ctx, input)
	if err != nil {
		return dcm.StoredObject{}, "", err
	}
	object := dcm.StoredObject{Key: key, VersionID: version, SizeBytes: aws.ToInt64(out.ContentLength)}
	return object, dcm.BackupID(out.Metadata[backupIDKey]), nil
}
