package s3_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// upload starts an upload and sends parts, and returns its id and what a
// completion names.
func (s stack) upload(t *testing.T, key string, parts ...string) (*string, []types.CompletedPart) {
	t.Helper()
	ctx := context.Background()
	made, err := s.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{
		Bucket: aws.String(bucket), Key: aws.String(key), ChecksumAlgorithm: types.ChecksumAlgorithmSha256, Metadata: map[string]string{"id": "bk"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var completed []types.CompletedPart
	for i, text := range parts {
		out, err := s.UploadPart(ctx, &awss3.UploadPartInput{
			Bucket: aws.String(bucket), Key: aws.String(key), UploadId: made.UploadId, PartNumber: aws.Int32(int32(i + 1)),
			ChecksumAlgorithm: types.ChecksumAlgorithmSha256, Body: strings.NewReader(text),
		})
		if err != nil {
			t.Fatal(err)
		}
		completed = append(completed, types.CompletedPart{PartNumber: aws.Int32(int32(i + 1)), ETag: out.ETag, ChecksumSHA256: out.ChecksumSHA256})
	}
	return made.UploadId, completed
}

func (s stack) complete(key string, id *string, parts []types.CompletedPart, change ...func(*awss3.CompleteMultipartUploadInput)) (*awss3.CompleteMultipartUploadOutput, error) {
	in := &awss3.CompleteMultipartUploadInput{
		Bucket: aws.String(bucket), Key: aws.String(key), UploadId: id, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	}
	for _, f := range change {
		f(in)
	}
	return s.CompleteMultipartUpload(context.Background(), in)
}

func TestMultipart(t *testing.T) {
	t.Parallel()
	s := start(t, 1)
	id, parts := s.upload(t, "k", "one ", "two ", "three")
	if uploads := s.server.Uploads(); len(uploads) != 1 || uploads[0].Key != "k" || uploads[0].Parts != 3 || uploads[0].Size != 13 {
		t.Errorf("the uploads are %+v", uploads)
	}
	out, err := s.complete("k", id, parts[1:])
	if err != nil {
		t.Fatal(err)
	}
	if out.VersionId == nil || !strings.HasSuffix(*out.ChecksumSHA256, "-2") || out.ChecksumType != types.ChecksumTypeComposite {
		t.Errorf("CompleteMultipartUpload: %+v", out)
	}
	if got, err := s.get("k", *out.VersionId); got != "two three" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	head, err := s.HeadObject(context.Background(), &awss3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil || head.Metadata["id"] != "bk" || *head.ChecksumSHA256 != *out.ChecksumSHA256 {
		t.Errorf("HeadObject: %+v, %v", head, err)
	}
	if n := s.files(t); n != 2 {
		t.Errorf("%d files are spooled, for two parts", n)
	}
	if _, err := s.complete("k", id, parts); code(err) != "NoSuchUpload" {
		t.Errorf("completing again: got %v", err)
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	s, ctx := start(t, 1), context.Background()
	id, _ := s.upload(t, "k", "one", "two")
	in := &awss3.AbortMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("k"), UploadId: id}
	if _, err := s.AbortMultipartUpload(ctx, in); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AbortMultipartUpload(ctx, in); code(err) != "NoSuchUpload" {
		t.Errorf("aborting again: got %v", err)
	}
	if n := s.files(t); n != 0 || len(s.server.Uploads()) != 0 {
		t.Errorf("%d files are spooled, and %v", n, s.server.Uploads())
	}
}

func TestCompletionRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, 4)
	id, parts := s.upload(t, "k", "four", "5five", "6", "more")
	with := func(i int, change func(*types.CompletedPart)) []types.CompletedPart {
		changed := slices.Clone(parts[:2])
		change(&changed[i])
		return changed
	}
	for name, c := range map[string]struct {
		code   string
		parts  []types.CompletedPart
		change func(*awss3.CompleteMultipartUploadInput)
	}{
		"no parts":            {code: "MalformedXML"},
		"out of order":        {code: "InvalidPartOrder", parts: []types.CompletedPart{parts[1], parts[0]}},
		"twice the same":      {code: "InvalidPartOrder", parts: []types.CompletedPart{parts[0], parts[0]}},
		"a small part":        {code: "EntityTooSmall", parts: parts},
		"an unknown part":     {code: "InvalidPart", parts: with(1, func(p *types.CompletedPart) { p.PartNumber = aws.Int32(9) })},
		"another ETag":        {code: "InvalidPart", parts: with(0, func(p *types.CompletedPart) { p.ETag = aws.String(`"x"`) })},
		"another checksum":    {code: "InvalidPart", parts: with(0, func(p *types.CompletedPart) { p.ChecksumSHA256 = parts[1].ChecksumSHA256 })},
		"no checksum":         {code: "InvalidRequest", parts: with(0, func(p *types.CompletedPart) { p.ChecksumSHA256 = nil })},
		"another size":        {code: "InvalidRequest", parts: parts[:2], change: func(in *awss3.CompleteMultipartUploadInput) { in.MpuObjectSize = aws.Int64(1) }},
		"another whole":       {code: "BadDigest", parts: parts[:2], change: func(in *awss3.CompleteMultipartUploadInput) { in.ChecksumSHA256 = aws.String("AAAA-2") }},
		"a condition on ETag": {code: "NotImplemented", parts: parts[:2], change: func(in *awss3.CompleteMultipartUploadInput) { in.IfMatch = aws.String(`"x"`) }},
	} {
		change := c.change
		if change == nil {
			change = func(*awss3.CompleteMultipartUploadInput) {}
		}
		if _, err := s.complete("k", id, c.parts, change); code(err) != c.code {
			t.Errorf("%s: got %v, want %s", name, err, c.code)
		}
	}
	if _, err := s.complete("k", id, parts[:3]); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// TestConditionalCompletion: If-None-Match is judged at the completion, and a
// refused one leaves the upload to be completed otherwise.
func TestConditionalCompletion(t *testing.T) {
	t.Parallel()
	s := start(t, 1)
	absent := func(in *awss3.CompleteMultipartUploadInput) { in.IfNoneMatch = aws.String("*") }
	first, parts := s.upload(t, "k", "one")
	second, others := s.upload(t, "k", "two")
	if _, err := s.complete("k", first, parts, absent); err != nil {
		t.Fatal(err)
	}
	if _, err := s.complete("k", second, others, absent); code(err) != "PreconditionFailed" {
		t.Errorf("over an object: got %v", err)
	}
	if got, err := s.get("k", ""); got != "one" || err != nil {
		t.Errorf("the object: got %q, %v", got, err)
	}
	if _, err := s.complete("k", second, others); err != nil {
		t.Errorf("without the condition: %v", err)
	}
}

func TestPartRefusals(t *testing.T) {
	t.Parallel()
	s, ctx := start(t, 1), context.Background()
	id, _ := s.upload(t, "k")
	send := func(change func(*awss3.UploadPartInput)) error {
		in := &awss3.UploadPartInput{
			Bucket: aws.String(bucket), Key: aws.String("k"), UploadId: id, PartNumber: aws.Int32(1),
			ChecksumAlgorithm: types.ChecksumAlgorithmSha256, Body: strings.NewReader("text"),
		}
		change(in)
		_, err := s.UploadPart(ctx, in)
		return err
	}
	for want, change := range map[string]func(*awss3.UploadPartInput){
		"InvalidArgument": func(in *awss3.UploadPartInput) { in.PartNumber = aws.Int32(10001) },
		"NoSuchUpload":    func(in *awss3.UploadPartInput) { in.Key = aws.String("other") },
		"BadDigest": func(in *awss3.UploadPartInput) {
			in.ChecksumSHA256 = aws.String("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
		},
		"InvalidRequest": func(in *awss3.UploadPartInput) { in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32 },
		"NotImplemented": func(in *awss3.UploadPartInput) { in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc64nvme },
	} {
		if err := send(change); code(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if n := s.files(t); n != 0 {
		t.Errorf("%d files are spooled, of refused parts", n)
	}
}
