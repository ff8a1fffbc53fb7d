package storage

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// CompleteUpload compares what arrived with what was announced, completes the
// upload, and reads back what the storage then holds. An upload that is gone
// may have been completed by an earlier call whose answer was lost: its object
// is looked for by its backup id.
func (s *Storage) CompleteUpload(ctx context.Context, b dcm.Bucket, u dcm.UploadRef, totals dcm.UploadTotals) (dcm.StoredObject, error) {
	const op = "complete upload"
	client, err := s.client(op, b)
	if err != nil {
		return dcm.StoredObject{}, err
	}
	parts, err := listParts(ctx, client, op, b, u)
	if dcm.KindOf(err) == dcm.KindNotFound {
		return s.completedBefore(ctx, b, u, totals)
	}
	if err != nil {
		return dcm.StoredObject{}, err
	}
	if err := compare(op, parts, totals); err != nil {
		return dcm.StoredObject{}, err
	}
	out, err := client.CompleteMultipartUpload(ctx, completion(b, u, parts))
	if err != nil {
		e := failure(op, err)
		if e.Kind == dcm.KindNotFound {
			return s.completedBefore(ctx, b, u, totals)
		}
		return dcm.StoredObject{}, e
	}
	return readBack(ctx, client, op, b, u, versionOf(out.VersionId), totals)
}

// completedBefore answers for an upload that no longer exists.
func (s *Storage) completedBefore(ctx context.Context, b dcm.Bucket, u dcm.UploadRef, totals dcm.UploadTotals) (dcm.StoredObject, error) {
	const op = "complete upload"
	object, err := s.FindUploaded(ctx, b, u)
	if err != nil {
		return dcm.StoredObject{}, err
	}
	if object == nil {
		return dcm.StoredObject{}, refuse(op, dcm.KindNotFound, "the storage knows neither this upload nor a backup it became")
	}
	if object.SizeBytes != totals.SizeBytes {
		return dcm.StoredObject{}, mismatch(op, "the backup was completed with %d bytes, not %d", object.SizeBytes, totals.SizeBytes)
	}
	return *object, nil
}

// listParts reads every page: 1,000 parts each.
func listParts(ctx context.Context, client *s3.Client, op string, b dcm.Bucket, u dcm.UploadRef) ([]types.Part, error) {
	var parts []types.Part
	pages := s3.NewListPartsPaginator(client, &s3.ListPartsInput{
		Bucket: aws.String(b.Name), Key: aws.String(u.Key), UploadId: aws.String(u.UploadID),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failure(op, err)
		}
		parts = append(parts, page.Parts...)
	}
	return parts, nil
}

// compare refuses parts that do not amount to totals. The parts' checksums
// are the storage's own: it computed them over what it stored.
func compare(op string, parts []types.Part, totals dcm.UploadTotals) error {
	if len(parts) != totals.Parts || len(parts) == 0 {
		return mismatch(op, "%d parts arrived, not %d", len(parts), totals.Parts)
	}
	var size int64
	composite := sha256.New()
	for i, p := range parts {
		if number := int(aws.ToInt32(p.PartNumber)); number != i+1 {
			return mismatch(op, "part %d is missing", i+1)
		}
		sum, err := base64.StdEncoding.DecodeString(aws.ToString(p.ChecksumSHA256))
		if err != nil || len(sum) != sha256.Size {
			return mismatch(op, "the storage keeps no SHA-256 of part %d, so the backup can't be verified", i+1)
		}
		composite.Write(sum)
		size += aws.ToInt64(p.Size)
	}
	if size != totals.SizeBytes {
		return mismatch(op, "%d bytes arrived, not %d", size, totals.SizeBytes)
	}
	if hex.EncodeToString(composite.Sum(nil)) != totals.PartsSHA256 {
		return mismatch(op, "the SHA-256 of what arrived is not the one announced")
	}
	return nil
}

func mismatch(op, format string, args ...any) error {
	return refuse(op, dcm.KindInvalid, fmt.Sprintf(format, args...))
}

func completion(b dcm.Bucket, u dcm.UploadRef, parts []types.Part) *s3.CompleteMultipartUploadInput {
	completed := make([]types.CompletedPart, len(parts))
	for i, p := range parts {
		completed[i] = types.CompletedPart{PartNumber: p.PartNumber, ETag: p.ETag, ChecksumSHA256: p.ChecksumSHA256}
	}
	return &s3.CompleteMultipartUploadInput{
		Bucket: aws.String(b.Name), Key: aws.String(u.Key), UploadId: aws.String(u.UploadID),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: completed},
	}
}

// readBack asks the storage what it holds now.
func readBack(ctx context.Context, client *s3.Client, op string, b dcm.Bucket, u dcm.UploadRef, version string, totals dcm.UploadTotals) (dcm.StoredObject, error) {
	object, id, err := head(ctx, client, b, u.Key, version)
	if err != nil {
		e := failure(op, err)
		if e.Kind == dcm.KindNotFound {
			e.Kind, e.Message = dcm.KindUnavailable, "the storage does not show the completed backup yet"
		}
		return dcm.StoredObject{}, e
	}
	if object.SizeBytes != totals.SizeBytes || id != u.BackupID {
		return dcm.StoredObject{}, mismatch(op, "the storage holds something else than what was uploaded (%d bytes, not %d)", object.SizeBytes, totals.SizeBytes)
	}
	return object, nil
}
