package storage

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// maxListed is how many unfinished uploads of a tenant's own bucket are looked
// through: one that lists without end takes no more memory than that.
const maxListed = 10_000

// ListUploads lists unfinished uploads: one call per 1000. What a service lists
// against the question is left out: whatever is returned may be aborted.
// KindNotFound if it is a tenant's own bucket, and gone.
func (s *Storage) ListUploads(ctx context.Context, b dcm.Bucket, prefix string) ([]dcm.StoredUpload, error) {
	const op = "list uploads"
	client, err := s.client(op, b)
	if err != nil {
		return nil, err
	}
	input := &s3.ListMultipartUploadsInput{Bucket: aws.String(b.Name)}
	if prefix != "" {
		input.Prefix = aws.String(prefix)
	}
	found := []dcm.StoredUpload{}
	pages := s3.NewListMultipartUploadsPaginator(client, input)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failureIn(b, op, err)
		}
		if aws.ToBool(page.IsTruncated) && aws.ToString(page.NextKeyMarker) == "" {
			return nil, refuse(op, dcm.KindUnavailable, "the storage's list of uploads is not whole")
		}
		if len(found) > maxListed && s.foreign(b) {
			return nil, refuse(op, dcm.KindUnavailable, "the storage's list of uploads is too long to be looked through")
		}
		for _, u := range page.Uploads {
			if strings.HasPrefix(aws.ToString(u.Key), prefix) {
				found = append(found, dcm.StoredUpload{
					Key: aws.ToString(u.Key), UploadID: aws.ToString(u.UploadId), StartedAt: aws.ToTime(u.Initiated),
				})
			}
		}
	}
	return found, nil
}
