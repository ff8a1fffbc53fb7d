package s3_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestPages lists everything in pages of two, which must amount to the whole.
func TestPages(t *testing.T) {
	t.Parallel()
	s, ctx := start(t, 1), context.Background()
	var versions, keys, uploads []string
	for _, key := range []string{"a/1", "a/2", "a/3", "b/1"} {
		keys = append(keys, key)
		var mine []string
		for i := range 3 {
			mine = append(mine, key+"@"+s.put(t, key, fmt.Sprint(i)))
			id, _ := s.upload(t, key)
			uploads = append(uploads, key+"@"+*id)
		}
		slices.Reverse(mine)
		versions = append(versions, mine...)
	}
	slices.Sort(uploads)
	for _, size := range []int32{1, 2, 5, 1000} {
		expect(t, "keys", s.keys(ctx, t, "", size), keys)
		expect(t, "keys with a prefix", s.keys(ctx, t, "a/", size), keys[:3])
		expect(t, "versions", s.versions(ctx, t, "", size), versions)
		expect(t, "versions with a prefix", s.versions(ctx, t, "a/2", size), versions[3:6])
		expect(t, "uploads", s.uploads(ctx, t, "", size), uploads)
		expect(t, "uploads with a prefix", s.uploads(ctx, t, "b/", size), uploads[9:])
	}
}

func (s stack) keys(ctx context.Context, t *testing.T, prefix string, size int32) (found []string) {
	t.Helper()
	pages := awss3.NewListObjectsV2Paginator(s.Client, &awss3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String(prefix), MaxKeys: aws.Int32(size)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			found = append(found, *o.Key)
		}
	}
	return found
}

func (s stack) versions(ctx context.Context, t *testing.T, prefix string, size int32) (found []string) {
	t.Helper()
	pages := awss3.NewListObjectVersionsPaginator(s.Client, &awss3.ListObjectVersionsInput{Bucket: aws.String(bucket), Prefix: aws.String(prefix), MaxKeys: aws.Int32(size)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Versions {
			found = append(found, *v.Key+"@"+*v.VersionId)
		}
	}
	return found
}

func (s stack) uploads(ctx context.Context, t *testing.T, prefix string, size int32) (found []string) {
	t.Helper()
	pages := awss3.NewListMultipartUploadsPaginator(s.Client, &awss3.ListMultipartUploadsInput{Bucket: aws.String(bucket), Prefix: aws.String(prefix), MaxUploads: aws.Int32(size)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Uploads {
			found = append(found, *u.Key+"@"+*u.UploadId)
		}
	}
	return found
}

func expect(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}
