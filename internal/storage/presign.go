package storage

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// maxPresignLife is S3's limit: seven days.
const maxPresignLife = 7 * 24 * time.Hour

// PresignParts signs one PUT per part, valid from now by the Storage's clock.
// A URL made with a role's temporary credentials ends with them, if that is
// sooner. Content-Length is signed too, but not among the headers returned: a
// client sends it by itself.
func (s *Storage) PresignParts(ctx context.Context, b dcm.Bucket, u dcm.UploadRef, parts []dcm.PartSpec, life time.Duration) ([]dcm.PresignedPart, error) {
	const op = "presign parts"
	presigner, err := s.presigner(op, b, life)
	if err != nil {
		return nil, err
	}
	signed := make([]dcm.PresignedPart, 0, len(parts))
	for _, p := range parts {
		input, err := partInput(op, b, u, p)
		if err != nil {
			return nil, err
		}
		request, err := presigner.PresignUploadPart(ctx, input)
		if err != nil {
			return nil, failure(op, err)
		}
		signed = append(signed, dcm.PresignedPart{Number: p.Number, URL: request.URL, Headers: sendable(request.SignedHeader)})
	}
	return signed, nil
}

// PresignRead signs a GET of one version, or, with an empty versionID, of
// whatever is newest when the URL is used.
func (s *Storage) PresignRead(ctx context.Context, b dcm.Bucket, key, versionID string, life time.Duration) (dcm.Secret, error) {
	const op = "presign read"
	presigner, err := s.presigner(op, b, life)
	if err != nil {
		return dcm.Secret{}, err
	}
	input := &s3.GetObjectInput{Bucket: aws.String(b.Name), Key: aws.String(key)}
	if versionID != "" {
		input.VersionId = aws.String(versionID)
	}
	request, err := presigner.PresignGetObject(ctx, input)
	if err != nil {
		return dcm.Secret{}, failure(op, err)
	}
	return dcm.NewSecret(request.URL), nil
}

func (s *Storage) presigner(op string, b dcm.Bucket, life time.Duration) (*s3.PresignClient, error) {
	if life < time.Second || life > maxPresignLife {
		return nil, refuse(op, dcm.KindInvalid, "a presigned URL lives between a second and seven days")
	}
	client, err := s.client(op, b)
	if err != nil {
		return nil, err
	}
	return s3.NewPresignClient(client, s3.WithPresignExpires(life), func(o *s3.PresignOptions) {
		o.Presigner = newClockSigner(s.options.Clock)
	}), nil
}

func partInput(op string, b dcm.Bucket, u dcm.UploadRef, p dcm.PartSpec) (*s3.UploadPartInput, error) {
	if p.Number < 1 || p.Number > dcm.MaxBackupParts {
		return nil, refuse(op, dcm.KindInvalid, fmt.Sprintf("part %d: a part's number is between 1 and %d", p.Number, dcm.MaxBackupParts))
	}
	// The signature leaves out a length of 0, and would then allow any.
	if p.SizeBytes < 1 {
		return nil, refuse(op, dcm.KindInvalid, fmt.Sprintf("part %d is empty", p.Number))
	}
	sum, err := hex.DecodeString(p.SHA256)
	if err != nil || len(sum) != 32 {
		return nil, refuse(op, dcm.KindInvalid, fmt.Sprintf("part %d: its SHA-256 is not 64 hex digits", p.Number))
	}
	return &s3.UploadPartInput{
		Bucket:         aws.String(b.Name),
		Key:            aws.String(u.Key),
		UploadId:       aws.String(u.UploadID),
		PartNumber:     aws.Int32(int32(p.Number)),
		ContentLength:  aws.Int64(p.SizeBytes),
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum)),
	}, nil
}

// sendable leaves out what every HTTP client sends by itself.
func sendable(signed http.Header) map[string]string {
	headers := map[string]string{}
	for name := range signed {
		if name != "Host" && name != "Content-Length" {
			headers[name] = signed.Get(name)
		}
	}
	return headers
}
