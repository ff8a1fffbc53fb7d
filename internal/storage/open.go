package storage

import (
	"context"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Open reads one version, or, with an empty versionID, the newest. What was
// promised and does not come is an error, never an early end. What was in a
// tenant's own bucket that is gone is not found.
func (s *Storage) Open(ctx context.Context, b dcm.Bucket, key, versionID string) (io.ReadCloser, error) {
	const op = "read object"
	client, err := s.client(op, b)
	if err != nil {
		return nil, err
	}
	input := &s3.GetObjectInput{Bucket: aws.String(b.Name), Key: aws.String(key)}
	if versionID != "" {
		input.VersionId = aws.String(versionID)
	}
	out, err := client.GetObject(ctx, input)
	if err != nil {
		return nil, failureIn(b, op, err)
	}
	return &stream{ReadCloser: out.Body, op: op}, nil
}

// stream says in our words why a read failed.
type stream struct {
	io.ReadCloser
	op string
}

// Read reads on. Every error but io.EOF is a *dcm.ProviderError.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		return n, failure(s.op, err)
	}
	return n, err
}
