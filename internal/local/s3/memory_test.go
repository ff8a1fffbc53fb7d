package s3_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// zeros reads as n bytes.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestMemoryStaysFlat counts every byte allocated while an object goes in and
// out again: a small part of its size. It is not parallel, so that nothing
// else allocates meanwhile.
func TestMemoryStaysFlat(t *testing.T) {
	s := start(t, 0)
	const size = 64 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := s.server.Put(bucket, "big", "", zeros(size)); err != nil {
		t.Fatal(err)
	}
	out, err := s.GetObject(context.Background(), &awss3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("big")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if n, err := io.Copy(io.Discard, out.Body); n != size || err != nil {
		t.Fatalf("read %d bytes, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > size/8 {
		t.Errorf("%d bytes were allocated for an object of %d", grown, size)
	}
}

// BenchmarkUploadPart sends parts of the agent's size.
func BenchmarkUploadPart(b *testing.B) {
	s := start(b, 0)
	part := strings.Repeat("x", 8<<20)
	sum := sha256.Sum256([]byte(part))
	checksum := aws.String(base64.StdEncoding.EncodeToString(sum[:]))
	made, err := s.CreateMultipartUpload(context.Background(), &awss3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("k"), ChecksumAlgorithm: "SHA256"})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(part)))
	for b.Loop() {
		_, err := s.UploadPart(context.Background(), &awss3.UploadPartInput{
			Bucket: aws.String(bucket), Key: aws.String("k"), UploadId: made.UploadId, PartNumber: aws.Int32(1),
			ChecksumSHA256: checksum, Body: strings.NewReader(part),
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
