package storage

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const (
	// deleteBatch is how many objects one request deletes: S3's limit.
	deleteBatch = 1000
	// gatherLimit is how many versions are listed before they are deleted.
	gatherLimit = 10 * deleteBatch
)

// DeleteAll deletes until a look at everything under the prefix finds nothing.
// The prefix ends with "/": without it, it would be that of other names too. A
// tenant's own bucket that is gone holds nothing.
//
// Some services list unfinished uploads only by their whole key. What they
// keep to themselves is not found here, and goes with their own expiry.
func (s *Storage) DeleteAll(ctx context.Context, b dcm.Bucket, prefix string) error {
	const op = "delete objects"
	if len(prefix) < 2 || !strings.HasSuffix(prefix, "/") {
		return refuse(op, dcm.KindInvalid, "what is deleted as a whole has a prefix that ends with /")
	}
	client, err := s.client(op, b)
	if err != nil {
		return err
	}
	e := eraser{client: client, op: op, bucket: b.Name, prefix: prefix}
	e.ours = func(key *string) bool { return strings.HasPrefix(aws.ToString(key), prefix) }
	for {
		uploads, err := e.abortUploads(ctx)
		if err != nil {
			return leftOf(b, err)
		}
		objects, err := e.deleteObjects(ctx)
		if err != nil {
			return leftOf(b, err)
		}
		if !uploads && !objects {
			return nil
		}
	}
}

// AbortUploads ends uploads until none of the key's is listed any more. There is
// none in a tenant's own bucket that is gone.
func (s *Storage) AbortUploads(ctx context.Context, b dcm.Bucket, key string) error {
	const op = "abort uploads"
	client, err := s.client(op, b)
	if err != nil {
		return err
	}
	e := eraser{client: client, op: op, bucket: b.Name, prefix: key}
	e.ours = func(listed *string) bool { return aws.ToString(listed) == key }
	for {
		if found, err := e.abortUploads(ctx); err != nil || !found {
			return leftOf(b, err)
		}
	}
}

// leftOf is what is left of a deletion's error: with a tenant's own bucket, all
// that was to be deleted is gone.
func leftOf(b dcm.Bucket, err error) error {
	if bucketGone(b, err) {
		return nil
	}
	return err
}

// eraser is one deletion. Nothing that a service lists against the question
// is touched: one that ignores the prefix would lose everything.
type eraser struct {
	client *s3.Client
	op     string
	bucket string
	prefix string
	// ours says what is to be deleted of what is listed with the prefix.
	ours func(key *string) bool
	// lastUpload and lastObject were the first that the last look found.
	lastUpload string
	lastObject string
}

func (e *eraser) abortUploads(ctx context.Context) (found bool, err error) {
	uploads, err := e.uploads(ctx)
	if err != nil || len(uploads) == 0 {
		return false, err
	}
	first := aws.ToString(uploads[0].Key) + "\x00" + aws.ToString(uploads[0].UploadId)
	if first == e.lastUpload {
		return false, e.stays()
	}
	e.lastUpload = first
	for _, u := range uploads {
		_, err := e.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &e.bucket, Key: u.Key, UploadId: u.UploadId})
		if f := absentIsFine(e.op, err); f != nil {
			return false, f
		}
	}
	return true, nil
}

func (e *eraser) uploads(ctx context.Context) ([]types.MultipartUpload, error) {
	var found []types.MultipartUpload
	pages := s3.NewListMultipartUploadsPaginator(e.client, &s3.ListMultipartUploadsInput{Bucket: &e.bucket, Prefix: &e.prefix})
	for pages.HasMorePages() && len(found) < gatherLimit {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failure(e.op, err)
		}
		for _, u := range page.Uploads {
			if e.ours(u.Key) {
				found = append(found, u)
			}
		}
	}
	return found, nil
}

func (e *eraser) deleteObjects(ctx context.Context) (found bool, err error) {
	objects, err := e.versions(ctx)
	if hasCode(err, "NotImplemented", "MethodNotAllowed") {
		objects, err = e.objects(ctx)
	}
	if err != nil {
		return false, failure(e.op, err)
	}
	if len(objects) == 0 {
		return false, nil
	}
	first := aws.ToString(objects[0].Key) + "\x00" + aws.ToString(objects[0].VersionId)
	if first == e.lastObject {
		return false, e.stays()
	}
	e.lastObject = first
	for start := 0; start < len(objects); start += deleteBatch {
		if err := e.deleteBatch(ctx, objects[start:min(start+deleteBatch, len(objects))]); err != nil {
			return false, err
		}
	}
	return true, nil
}

// stays is for what is listed after it was deleted.
func (e *eraser) stays() error {
	return refuse(e.op, dcm.KindUnavailable, "the storage still shows what it said was deleted")
}

// versions lists every version and delete marker. Its error is the SDK's.
func (e *eraser) versions(ctx context.Context) ([]types.ObjectIdentifier, error) {
	var found []types.ObjectIdentifier
	add := func(key, version *string) {
		if e.ours(key) {
			found = append(found, types.ObjectIdentifier{Key: key, VersionId: version})
		}
	}
	pages := s3.NewListObjectVersionsPaginator(e.client, &s3.ListObjectVersionsInput{Bucket: &e.bucket, Prefix: &e.prefix})
	for pages.HasMorePages() && len(found) < gatherLimit {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, v := range page.Versions {
			add(v.Key, v.VersionId)
		}
		for _, m := range page.DeleteMarkers {
			add(m.Key, m.VersionId)
		}
	}
	return found, nil
}

// objects lists what there is where there are no versions. Its error is the
// SDK's.
func (e *eraser) objects(ctx context.Context) ([]types.ObjectIdentifier, error) {
	var found []types.ObjectIdentifier
	pages := s3.NewListObjectsV2Paginator(e.client, &s3.ListObjectsV2Input{Bucket: &e.bucket, Prefix: &e.prefix})
	for pages.HasMorePages() && len(found) < gatherLimit {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			if e.ours(o.Key) {
				found = append(found, types.ObjectIdentifier{Key: o.Key})
			}
		}
	}
	return found, nil
}

// deleteBatch deletes with one request, or, at a service that does not take
// that or its checksum, one by one.
func (e *eraser) deleteBatch(ctx context.Context, objects []types.ObjectIdentifier) error {
	out, err := e.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &e.bucket, Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)},
	})
	if err != nil {
		f := failure(e.op, err)
		if f.Kind != dcm.KindInvalid || hasCode(err, "NoSuchBucket") {
			return f
		}
		return e.deleteEach(ctx, objects)
	}
	for _, refused := range out.Errors {
		kind, message := classify(aws.ToString(refused.Code), 0)
		if kind != dcm.KindNotFound {
			return refuse(e.op, kind, message)
		}
	}
	return nil
}

func (e *eraser) deleteEach(ctx context.Context, objects []types.ObjectIdentifier) error {
	for _, o := range objects {
		_, err := e.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &e.bucket, Key: o.Key, VersionId: o.VersionId})
		if f := absentIsFine(e.op, err); f != nil {
			return f
		}
	}
	return nil
}

// absentIsFine is what is left of an error if what is not there is deleted.
func absentIsFine(op string, err error) error {
	if err == nil {
		return nil
	}
	if f := failure(op, err); f.Kind != dcm.KindNotFound {
		return f
	}
	return nil
}

// DeleteVersion deletes one version. An empty versionID is the object of a
// bucket without versions, whichever upload wrote it last: its caller knows
// that none came after the one that it means. None is left in a tenant's own
// bucket that is gone.
func (s *Storage) DeleteVersion(ctx context.Context, b dcm.Bucket, key, versionID string) error {
	const op = "delete version"
	client, err := s.client(op, b)
	if err != nil {
		return err
	}
	input := &s3.DeleteObjectInput{Bucket: aws.String(b.Name), Key: aws.String(key)}
	if versionID == "" {
		newest, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: input.Bucket, Key: input.Key})
		if err != nil {
			return absentIsFine(op, err)
		}
		if newest.VersionId != nil {
			// The bucket has had versions since. There a deletion that names
			// none would only hide the newest, which is another one.
			versionID = unversioned
		}
	}
	if versionID != "" {
		input.VersionId = aws.String(versionID)
	}
	_, err = client.DeleteObject(ctx, input)
	if bucketGone(b, err) || hasCode(err, "InvalidArgument") && gone(ctx, client, b, key, versionID) {
		return nil
	}
	return absentIsFine(op, err)
}

// gone reports whether a version can't be looked at either. Some services call
// the id of one that was deleted invalid.
func gone(ctx context.Context, client *s3.Client, b dcm.Bucket, key, versionID string) bool {
	if versionID == "" {
		return false
	}
	_, err := head(ctx, client, b, key, versionID)
	if err == nil {
		return false
	}
	kind := failure("", err).Kind
	return kind == dcm.KindNotFound || kind == dcm.KindInvalid
}
