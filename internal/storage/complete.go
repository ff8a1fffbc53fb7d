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
//
// Some services list no checksums of parts, but do tell that of the completed
// object. There a wrong digest is KindInvalid only after the completion, and
// the object stays, as a version nobody acknowledges.
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
	verified, err := compare(op, parts, totals)
	if err != nil {
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
	version := versionOf(out.VersionId)
	held, err := readBack(ctx, client, op, b, u.Key, version)
	if err != nil {
		return dcm.StoredObject{}, err
	}
	if version == "" && held.backupID != u.BackupID {
		// Some services leave the version out of a repeated completion's
		// answer, and meanwhile a newer one came.
		return s.completedBefore(ctx, b, u, totals)
	}
	return confirm(op, held, u, totals, verified)
}

// completedBefore answers for an upload that no longer exists.
func (s *Storage) completedBefore(ctx context.Context, b dcm.Bucket, u dcm.UploadRef, totals dcm.UploadTotals) (dcm.StoredObject, error) {
	const op = "complete upload"
	client, err := s.client(op, b)
	if err != nil {
		return dcm.StoredObject{}, err
	}
	held, err := find(ctx, client, op, b, u)
	if err != nil {
		return dcm.StoredObject{}, err
	}
	if held == nil {
		return dcm.StoredObject{}, refuse(op, dcm.KindNotFound, "the storage knows neither this upload nor a backup it became")
	}
	// Where the storage tells no digest of the whole, its parts' were compared
	// before it was completed.
	return confirm(op, *held, u, totals, held.sha256 == "")
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
		if parts = append(parts, page.Parts...); len(parts) > dcm.MaxBackupParts {
			return nil, refuse(op, dcm.KindInvalid, "the storage lists more parts than an upload can have")
		}
	}
	return parts, nil
}

// compare refuses parts that do not amount to totals. The parts' checksums
// are the storage's own: it computed them over what it stored. verified is
// false if it lists none, so that the digest has yet to be compared.
func compare(op string, parts []types.Part, totals dcm.UploadTotals) (verified bool, err error) {
	if len(parts) != totals.Parts || len(parts) == 0 {
		return false, mismatch(op, "%d parts arrived, not %d", len(parts), totals.Parts)
	}
	var size int64
	for i, p := range parts {
		if number := int(aws.ToInt32(p.PartNumber)); number != i+1 {
			return false, mismatch(op, "part %d is missing", i+1)
		}
		size += aws.ToInt64(p.Size)
	}
	if size != totals.SizeBytes {
		return false, mismatch(op, "%d bytes arrived, not %d", size, totals.SizeBytes)
	}
	sum, ok := composite(parts)
	if ok && sum != totals.PartsSHA256 {
		return false, wrongDigest(op)
	}
	return ok, nil
}

// composite is the SHA-256 of the parts' SHA-256 digests, in lower-case hex.
func composite(parts []types.Part) (sum string, ok bool) {
	sums := sha256.New()
	for _, p := range parts {
		sum, err := base64.StdEncoding.DecodeString(aws.ToString(p.ChecksumSHA256))
		if err != nil || len(sum) != sha256.Size {
			return "", false
		}
		sums.Write(sum)
	}
	return hex.EncodeToString(sums.Sum(nil)), true
}

func wrongDigest(op string) error {
	return mismatch(op, "the SHA-256 of what arrived is not the one announced")
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
func readBack(ctx context.Context, client *s3.Client, op string, b dcm.Bucket, key, version string) (held, error) {
	h, err := head(ctx, client, b, key, version)
	if err != nil {
		e := failure(op, err)
		if e.Kind == dcm.KindNotFound {
			e.Kind, e.Message = dcm.KindUnavailable, "the storage does not show the completed backup yet"
		}
		return held{}, e
	}
	return h, nil
}

// confirm compares what the storage holds with what it should. verified says
// that the parts' digests were compared before.
func confirm(op string, h held, u dcm.UploadRef, totals dcm.UploadTotals, verified bool) (dcm.StoredObject, error) {
	switch {
	case h.backupID != u.BackupID:
		return dcm.StoredObject{}, mismatch(op, "the storage holds another backup than the one that was uploaded")
	case h.object.SizeBytes != totals.SizeBytes:
		return dcm.StoredObject{}, mismatch(op, "the storage holds %d bytes, not %d", h.object.SizeBytes, totals.SizeBytes)
	case h.composite && h.sha256 != totals.PartsSHA256:
		return dcm.StoredObject{}, wrongDigest(op)
	case !verified && h.sha256 != totals.PartsSHA256:
		return dcm.StoredObject{}, mismatch(op, "the storage does not confirm the SHA-256 of what arrived")
	}
	return h.object, nil
}
