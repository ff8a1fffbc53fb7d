package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/s3"
)

const bucket = "backups"

// stack is a stand-in and a real SDK client for it.
type stack struct {
	*awss3.Client
	server *s3.Server
	url    string
	dir    string
}

func start(t testing.TB, minPartBytes int64) stack {
	t.Helper()
	dir := t.TempDir()
	server := s3.New(s3.Options{
		Keys: map[string]dcm.Secret{"AKIALOCAL": dcm.NewSecret("secret")}, Buckets: []string{bucket}, Dir: dir, MinPartBytes: minPartBytes,
	})
	front := httptest.NewServer(server)
	t.Cleanup(front.Close)
	return stack{Client: client(front.URL, "AKIALOCAL", "secret"), server: server, url: front.URL, dir: dir}
}

func client(url, key, secret string, options ...func(*awss3.Options)) *awss3.Client {
	return awss3.New(awss3.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(url), UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, nil
		}),
	}, options...)
}

func (s stack) put(t *testing.T, key, text string) string {
	t.Helper()
	out, err := s.PutObject(context.Background(), &awss3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: strings.NewReader(text)})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.VersionId)
}

func (s stack) get(key, version string) (string, error) {
	in := &awss3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)}
	if version != "" {
		in.VersionId = aws.String(version)
	}
	out, err := s.GetObject(context.Background(), in)
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	text, err := io.ReadAll(out.Body)
	return string(text), err
}

// files counts what is spooled.
func (s stack) files(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

func TestVersions(t *testing.T) {
	t.Parallel()
	s, ctx := start(t, 0), context.Background()
	first, second := s.put(t, "k", "one"), s.put(t, "k", "two")
	deleted, err := s.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	if err != nil || !aws.ToBool(deleted.DeleteMarker) {
		t.Fatalf("DeleteObject: %+v, %v", deleted, err)
	}
	if _, err := s.get("k", ""); code(err) != "NoSuchKey" {
		t.Errorf("a deleted key: got %v", err)
	}
	if _, err := s.get("k", *deleted.VersionId); code(err) != "MethodNotAllowed" {
		t.Errorf("a delete marker: got %v", err)
	}
	for version, want := range map[string]string{first: "one", second: "two"} {
		if got, err := s.get("k", version); got != want || err != nil {
			t.Errorf("version %s: got %q, %v", version, got, err)
		}
	}
	if n := len(s.server.Objects()); n != 0 {
		t.Errorf("%d objects show, of a deleted key", n)
	}
	for _, version := range []string{*deleted.VersionId, second} {
		if _, err := s.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), VersionId: aws.String(version)}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.get("k", ""); got != "one" || err != nil {
		t.Errorf("what is left: got %q, %v", got, err)
	}
	if _, err := s.get("k", second); code(err) != "NoSuchVersion" {
		t.Errorf("a version deleted: got %v", err)
	}
	if n := s.files(t); n != 1 {
		t.Errorf("%d files are spooled, for one object", n)
	}
}

func TestUnversionedBucket(t *testing.T) {
	t.Parallel()
	s, ctx := start(t, 0), context.Background()
	plain := aws.String("plain")
	if _, err := s.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: plain}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two"} {
		out, err := s.PutObject(ctx, &awss3.PutObjectInput{Bucket: plain, Key: aws.String("k"), Body: strings.NewReader(text)})
		if err != nil || out.VersionId != nil {
			t.Fatalf("PutObject: %+v, %v", out, err)
		}
	}
	listed, err := s.ListObjectVersions(ctx, &awss3.ListObjectVersionsInput{Bucket: plain})
	if err != nil || len(listed.Versions) != 1 || *listed.Versions[0].VersionId != "null" || *listed.Versions[0].Size != 3 {
		t.Fatalf("ListObjectVersions: %+v, %v", listed, err)
	}
	if _, err := s.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: plain, Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	if n := s.files(t); n != 0 {
		t.Errorf("%d files are spooled, for nothing", n)
	}
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	s, ctx := start(t, 0), context.Background()
	if _, err := s.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String(bucket)}); code(err) != "BucketAlreadyOwnedByYou" {
		t.Errorf("a bucket that exists: got %v", err)
	}
	if _, err := s.HeadBucket(ctx, &awss3.HeadBucketInput{Bucket: aws.String("none")}); code(err) != "NotFound" {
		t.Errorf("a bucket that does not: got %v", err)
	}
	versioning, err := s.GetBucketVersioning(ctx, &awss3.GetBucketVersioningInput{Bucket: aws.String(bucket)})
	if err != nil || versioning.Status != types.BucketVersioningStatusEnabled {
		t.Errorf("GetBucketVersioning: %+v, %v", versioning, err)
	}
	listed, err := s.ListBuckets(ctx, &awss3.ListBucketsInput{})
	if err != nil || len(listed.Buckets) != 1 || *listed.Buckets[0].Name != bucket {
		t.Errorf("ListBuckets: %+v, %v", listed, err)
	}
}

func TestObjectHeaders(t *testing.T) {
	t.Parallel()
	s, ctx := start(t, 0), context.Background()
	_, err := s.PutObject(ctx, &awss3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("a b/ü+c"), Body: strings.NewReader("0123456789"),
		ContentType: aws.String("application/json"), Metadata: map[string]string{"note": "kept"},
	})
	if err != nil {
		t.Fatal(err)
	}
	head, err := s.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("a b/ü+c")})
	if err != nil || *head.ContentLength != 10 || *head.ContentType != "application/json" || head.Metadata["note"] != "kept" {
		t.Errorf("HeadObject: %+v, %v", head, err)
	}
	part, err := s.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("a b/ü+c"), Range: aws.String("bytes=3-5")})
	if err != nil {
		t.Fatal(err)
	}
	defer part.Body.Close()
	if text, _ := io.ReadAll(part.Body); string(text) != "345" || *part.ContentRange != "bytes 3-5/10" {
		t.Errorf("a range: got %q of %s", text, *part.ContentRange)
	}
	if _, err := s.PutObject(ctx, &awss3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("a b/ü+c"), Body: strings.NewReader("x"), IfNoneMatch: aws.String("*"),
	}); code(err) != "PreconditionFailed" {
		t.Errorf("If-None-Match over an object: got %v", err)
	}
}

// TestReadSurvivesDeletion: who has begun to read a version reads it to its end.
func TestReadSurvivesDeletion(t *testing.T) {
	t.Parallel()
	s, ctx := start(t, 0), context.Background()
	want := strings.Repeat("x", 16<<20)
	version := s.put(t, "k", want)
	out, err := s.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if _, err := s.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), VersionId: aws.String(version)}); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(out.Body); err != nil || string(got) != want {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}

func TestPutWithoutRequest(t *testing.T) {
	t.Parallel()
	s := start(t, 0)
	if err := s.server.Put(bucket, "agents/agent", "application/octet-stream", bytes.NewReader([]byte("binary"))); err != nil {
		t.Fatal(err)
	}
	if got, err := s.get("agents/agent", ""); got != "binary" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if err := s.server.Put("none", "k", "", strings.NewReader("x")); err == nil {
		t.Error("a bucket that does not exist took an object")
	}
	if n := s.files(t); n != 1 {
		t.Errorf("%d files are spooled", n)
	}
}

// TestCloseLeavesNothing runs on a directory of the stand-in's own.
func TestCloseLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	server := s3.New(s3.Options{Buckets: []string{bucket}})
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("before anything is stored there is %v", entries)
	}
	if err := server.Put(bucket, "k", "", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
	if err := server.Put(bucket, "k", "", strings.NewReader("x")); err == nil {
		t.Error("a closed server stored an object")
	}
}

func TestWriteErrorAndOperation(t *testing.T) {
	t.Parallel()
	var operation string
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		operation = s3.Operation(r)
		s3.WriteError(w, r, "SlowDown")
	}))
	t.Cleanup(front.Close)
	c, ctx := client(front.URL, "k", "s"), context.Background()
	b, k, u := aws.String(bucket), aws.String("k"), aws.String("u")
	for want, call := range map[string]func() error{
		"UploadPart": func() error {
			_, err := c.UploadPart(ctx, &awss3.UploadPartInput{Bucket: b, Key: k, UploadId: u, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
			return err
		},
		"CompleteMultipartUpload": func() error {
			_, err := c.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{Bucket: b, Key: k, UploadId: u})
			return err
		},
		"ListObjectsV2": func() error {
			_, err := c.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: b})
			return err
		},
		"": func() error {
			_, err := c.GetObjectTagging(ctx, &awss3.GetObjectTaggingInput{Bucket: b, Key: k})
			return err
		},
	} {
		if err := call(); code(err) != "SlowDown" {
			t.Errorf("%s: got %v", want, err)
		}
		if operation != want {
			t.Errorf("the operation is %q, want %q", operation, want)
		}
	}
}

// later is a clock ahead of the machine's.
type later time.Duration

func (l later) Now() time.Time { return time.Now().Add(time.Duration(l)) }
