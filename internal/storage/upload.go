package storage

import (
	"bytes"
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// backupIDKey is the object metadata that says which backup an object is. It
// is fixed when an upload starts, so that after a lost answer the object an
// upload became can be told from every other version of its key.
const backupIDKey = "dcm-backup-id"

// StartUpload begins a multipart upload whose parts carry SHA-256 checksums.
func (s *Storage) StartUpload(ctx context.Context, b dcm.Bucket, key string, id dcm.BackupID) (dcm.UploadRef, error) {
	const op = "start upload"
	client, err := s.client(op, b)
	if err != nil {
		return dcm.UploadRef{}, err
	}
	out, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket:            aws.String(b.Name),
		Key:               aws.String(key),
		ContentType:       aws.String("application/octet-stream"),
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
		Metadata:          map[string]string{backupIDKey: string(id)},
	})
	if err != nil {
		return dcm.UploadRef{}, failure(op, err)
	}
	return dcm.UploadRef{Key: key, UploadID: aws.ToString(out.UploadId), BackupID: id}, nil
}

// UploadPart sends a part whose content is at hand. Its SHA-256 goes along, so
// that the storage refuses what arrives otherwise.
func (s *Storage) UploadPart(ctx context.Context, b dcm.Bucket, u dcm.UploadRef, p dcm.PartSpec, body []byte) error {
	const op = "upload part"
	input, err := partInput(op, b, u, p)
	if err != nil {
		return err
	}
	if int64(len(body)) != p.SizeBytes {
		return mismatch(op, "part %d has %d bytes, not %d", p.Number, len(body), p.SizeBytes)
	}
	client, err := s.client(op, b)
	if err != nil {
		return err
	}
	input.Body = bytes.NewReader(body)
	if _, err := client.UploadPart(ctx, input); err != nil {
		return failure(op, err)
	}
	return nil
}

// AbortUpload ends an upload. One that no longer exists is success, and so is
// one in a tenant's own bucket that no longer does.
func (s *Storage) AbortUpload(ctx context.Context, b dcm.Bucket, u dcm.UploadRef) error {
	const op = "abort upload"
	client, err := s.client(op, b)
	if err != nil {
		return err
	}
	_, err = client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: aws.String(b.Name), Key: aws.String(u.Key), UploadId: aws.String(u.UploadID),
	})
	if bucketGone(b, err) {
		return nil
	}
	return absentIsFine(op, err)
}

// Put writes a small object. Its SHA-256 is part of the request's signature.
func (s *Storage) Put(ctx context.Context, b dcm.Bucket, key, contentType string, body []byte) error {
	const op = "put object"
	client, err := s.client(op, b)
	if err != nil {
		return err
	}
	_, err = client.PutObject(ctx, &s3.PutObjectInput{
		Bucket:      aws.String(b.Name),
		Key:         aws.String(key),
		ContentType: aws.String(contentType),
		Body:        bytes.NewReader(body),
	})
	if err != nil {
		return failure(op, err)
	}
	return nil
}
