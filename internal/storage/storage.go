// Package storage keeps backups in S3 and in services that speak its
// protocol.
//
// No storage credential leaves the control plane: a VM gets presigned URLs,
// each good for one part of one upload, with one content, or for reading one
// version of one object. What a VM uploaded is never believed: before an
// upload is completed its parts are listed, and their count, size and
// SHA-256 compared with what was announced.
//
// A bucket at an endpoint that a tenant chose is reached through a client of
// its own, which connects to no address inside our own network.
package storage

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Options configure a Storage.
type Options struct {
	// Credentials are the platform's own. They are used for buckets that name
	// none, and only at Endpoint.
	Credentials aws.CredentialsProvider
	// Region is for buckets that name none.
	Region string
	// Endpoint is the base URL of the platform's S3; empty for AWS.
	Endpoint string
	// HTTPClient is for buckets at Endpoint. Nil is the SDK's own.
	HTTPClient s3.HTTPClient
	// AllowPrivateEndpoints lets tenants' own endpoints be private addresses,
	// and plain HTTP. Endpoint may always be.
	AllowPrivateEndpoints bool
	// Resolver finds tenants' own endpoints. Nil is the system's.
	Resolver *net.Resolver
	// Random names what Check makes. Nil is crypto/rand's.
	Random io.Reader
	// Clock is what requests are signed by, and so what presigned URLs expire
	// by. Nil is the system's.
	Clock dcm.Clock
}

// Storage is a dcm.Storage. It is safe for concurrent use and keeps nothing
// of one call for the next but idle connections.
type Storage struct {
	options Options
	// outside is for endpoints that tenants chose.
	outside *http.Client
}

var _ dcm.Storage = (*Storage)(nil)

// New makes a Storage. It calls nobody.
func New(o Options) *Storage {
	if o.Clock == nil {
		o.Clock = dcm.SystemClock{}
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return &Storage{options: o, outside: guarded(o)}
}

// client makes a client for one bucket. Building one costs microseconds, so
// none is kept: a credential is an argument, never state.
func (s *Storage) client(op string, b dcm.Bucket) (*s3.Client, error) {
	credentials, err := s.credentials(op, b)
	if err != nil {
		return nil, err
	}
	o := s3.Options{
		Region:       firstOf(b.Region, s.options.Region, "us-east-1"),
		Credentials:  credentials,
		HTTPClient:   s.options.HTTPClient,
		HTTPSignerV4: newClockSigner(s.options.Clock),
		// The SDK's default adds checksum trailers that other services than
		// Amazon's refuse. What needs a checksum here asks for it by name.
		RequestChecksumCalculation:                aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation:                aws.ResponseChecksumValidationWhenRequired,
		DisableLogOutputChecksumValidationSkipped: true,
	}
	if endpoint := firstOf(b.Endpoint, s.options.Endpoint); endpoint != "" {
		o.BaseEndpoint = aws.String(endpoint)
		o.UsePathStyle = true
	}
	if s.foreign(b) {
		if err := s.admit(op, b); err != nil {
			return nil, err
		}
		o.HTTPClient = s.outside
	}
	return s3.New(o), nil
}

// credentials returns the bucket's own, or the platform's. The platform's are
// never sent to an endpoint that a tenant chose.
func (s *Storage) credentials(op string, b dcm.Bucket) (aws.CredentialsProvider, error) {
	if b.AccessKeyID != "" && !b.SecretAccessKey.IsZero() {
		return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: b.AccessKeyID, SecretAccessKey: b.SecretAccessKey.Reveal(), Source: "bucket"}, nil
		}), nil
	}
	if b.AccessKeyID != "" || !b.SecretAccessKey.IsZero() {
		return nil, refuse(op, dcm.KindAuth, "the storage needs both an access key id and a secret access key")
	}
	if s.foreign(b) {
		return nil, refuse(op, dcm.KindAuth, "a storage of your own needs credentials of its own")
	}
	if s.options.Credentials == nil {
		return nil, refuse(op, dcm.KindAuth, "the installation has no storage credentials")
	}
	return s.options.Credentials, nil
}

func sameEndpoint(a, b string) bool {
	return strings.TrimRight(a, "/") == strings.TrimRight(b, "/")
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
