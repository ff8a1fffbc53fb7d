package storage

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// clockSigner signs on the injected clock rather than on the machine's, so
// that URLs expire when that clock says so.
type clockSigner struct {
	signer *v4.Signer
	clock  dcm.Clock
}

var (
	_ s3.HTTPSignerV4    = clockSigner{}
	_ s3.HTTPPresignerV4 = clockSigner{}
)

func newClockSigner(clock dcm.Clock) clockSigner {
	return clockSigner{
		// S3 alone signs the path as it is sent, not escaped a second time.
		signer: v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }),
		clock:  clock,
	}
}

// SignHTTP keeps the SDK's correction of a skewed machine clock, which is in
// at. Another clock than the machine's is nobody's but ours to correct: the SDK
// would take what it was advanced by for skew, and count it twice.
func (s clockSigner) SignHTTP(ctx context.Context, c aws.Credentials, r *http.Request, payloadHash, service, region string, at time.Time, options ...func(*v4.SignerOptions)) error {
	if _, machine := s.clock.(dcm.SystemClock); !machine {
		at = s.clock.Now()
	}
	return s.signer.SignHTTP(ctx, c, r, payloadHash, service, region, at, options...)
}

// PresignHTTP leaves every header a header. The SDK could move x-amz-* headers
// into the query, where S3 ignores a checksum, while it refuses an x-amz-*
// header that was not signed: the body would be unchecked, or every upload
// refused.
func (s clockSigner) PresignHTTP(ctx context.Context, c aws.Credentials, r *http.Request, payloadHash, service, region string, _ time.Time, options ...func(*v4.SignerOptions)) (string, http.Header, error) {
	options = append(options, func(o *v4.SignerOptions) { o.DisableHeaderHoisting = true })
	return s.signer.PresignHTTP(ctx, c, r, payloadHash, service, region, s.clock.Now(), options...)
}
