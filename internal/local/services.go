package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/cloudflare"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/issuer"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/kms"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/machine"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/s3"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/ssm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/wire"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store"
)

// What the stand-ins know from the start. None of it is a secret: it opens
// nothing but this stack.
const (
	tableName                = "dcm-local"
	bucketName               = "dcm-local"
	dataKeyID                = "00000000-0000-0000-0000-00000000da7a"
	tokenKeyID               = "00000000-0000-0000-0000-0000000070ce"
	region                   = "eu-central-1"
	accessKeyID              = "AKIDLOCAL"
	secretAccessKey          = "local-secret-access-key"
	hetznerToken             = "local-hetzner-token"
	cloudflareToken          = "local-cloudflare-token"
	hetznerTokenParameter    = "/local/hetzner-token"
	cloudflareTokenParameter = "/local/cloudflare-token"
	zoneID                   = "00000000000000000000000000000001"
	audience                 = "devcontainer-manager"
	tenantClaim              = "tenant_id"
)

// services are the stand-ins, and where they listen.
type services struct {
	wire       *wire.Wire
	dynamodb   *dynamodb.Server
	kms        *kms.Server
	s3         *s3.Server
	ssm        *ssm.Server
	hetzner    *hetzner.Server
	cloudflare *cloudflare.Server
	machines   machine.Hardware
	address    string // where everything listens
	issuer     *issuer.Issuer

	urls map[string]string // by the service's name
	// table is the table's name, otherDynamoDB what serves it if not dynamodb.
	table         string
	otherDynamoDB http.Handler
}

// signingKey is the key of all issuers of this process, each of which has a URL of
// its own: stacks come by the hundred in tests, and a key is long to find.
var signingKey = sync.OnceValues(issuer.NewKey)

func newServices(o Options, dir string, clock *Clock) (*services, error) {
	for _, name := range []string{"servers", "objects"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return nil, fmt.Errorf("make directories: %w", err)
		}
	}
	signing, err := signingKey()
	if err != nil {
		return nil, err
	}
	i, err := issuer.New(issuer.Options{Clock: clock, Audience: audience, TenantClaim: tenantClaim, Key: signing})
	if err != nil {
		return nil, err
	}
	table, other, err := otherDynamoDB(o.DynamoDB)
	if err != nil {
		return nil, err
	}
	environment := []string{"DCM_LOCAL_CLOCK=" + clock.path}
	if o.TLS != nil && o.TLS.TrustFile != "" {
		environment = append(environment, "SSL_CERT_FILE="+o.TLS.TrustFile)
	}
	machines, err := o.Hardware(machine.Options{
		Dir: filepath.Join(dir, "servers"), Environment: environment, TLS: o.TLS != nil, Logger: o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("set up the servers' hardware: %w", err)
	}
	hardware := o.Machine
	if hardware == nil {
		hardware = machines
	}
	return &services{
		wire:     wire.New(),
		dynamodb: dynamodb.New(dynamodb.Options{Clock: clock}),
		kms:      kms.New(kms.Options{Clock: clock, Keys: map[string]kms.Spec{dataKeyID: kms.Symmetric, tokenKeyID: kms.ECCP256}}),
		s3: s3.New(s3.Options{
			Clock: clock, Keys: map[string]dcm.Secret{accessKeyID: dcm.NewSecret(secretAccessKey)},
			Buckets: []string{bucketName}, Dir: filepath.Join(dir, "objects"),
		}),
		ssm: ssm.New(ssm.Options{Clock: clock, Parameters: map[string]dcm.Secret{
			hetznerTokenParameter: dcm.NewSecret(hetznerToken), cloudflareTokenParameter: dcm.NewSecret(cloudflareToken),
		}}),
		hetzner: hetzner.New(hetzner.Options{
			Clock: clock, Tokens: map[string]hetzner.Token{hetznerToken: {}}, Machine: hardware, Logger: o.Logger,
		}),
		cloudflare: cloudflare.New(cloudflare.Options{
			Clock: clock, Zones: map[string]string{zoneID: o.BaseDomain}, Tokens: map[string]cloudflare.Token{cloudflareToken: {}},
		}),
		machines: machines, address: o.Address, issuer: i, urls: map[string]string{}, table: table, otherDynamoDB: other,
	}, nil
}

// otherDynamoDB is the way to a DynamoDB that is not ours, nil for none, and the
// name of the table in whichever it is.
func otherDynamoDB(address string) (table string, h http.Handler, err error) {
	if address == "" {
		return tableName, nil, nil
	}
	to, err := url.Parse(address)
	if err != nil {
		return "", nil, fmt.Errorf("the address of DynamoDB: %w", err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = whole
	return tableName + "-" + strings.ToLower(rand.Text()), proxy, nil
}

// whole passes an answer on once all of it is there. DynamoDB Local breaks one
// off now and then: the proxy then answers 502, which is tried again as at AWS,
// and not a success that can't be read.
func whole(r *http.Response) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read DynamoDB's answer: %w", err)
	}
	if err := r.Body.Close(); err != nil {
		return fmt.Errorf("read DynamoDB's answer: %w", err)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return nil
}

// serve puts every stand-in behind the wire, on a port of its own.
func (s *services) serve(l *listeners) error {
	behind := []wire.Service{
		{Name: "dynamodb", Handler: s.dynamodb, Operation: dynamodb.Operation, Operations: dynamodb.Operations(), WriteError: dynamodb.WriteError, DefaultCode: "InternalServerError"},
		{Name: "kms", Handler: s.kms, Operation: kms.Operation, Operations: kms.Operations(), WriteError: kms.WriteError, DefaultCode: "KMSInternalException"},
		{Name: "s3", Handler: s.s3, Operation: s3.Operation, Operations: s3.Operations(), WriteError: s3.WriteError, DefaultCode: "InternalError"},
		{Name: "ssm", Handler: s.ssm, Operation: ssm.Operation, Operations: ssm.Operations(), WriteError: ssm.WriteError, DefaultCode: "InternalServerError"},
		{Name: "hetzner", Handler: s.hetzner, Operation: hetzner.Operation, Operations: hetzner.Operations(), WriteError: hetzner.WriteError, DefaultCode: "unavailable"},
		{Name: "cloudflare", Handler: s.cloudflare, Operation: cloudflare.Operation, Operations: cloudflare.Operations(), WriteError: cloudflare.WriteError, DefaultCode: "503"},
	}
	if s.otherDynamoDB != nil {
		behind[0].Handler = s.otherDynamoDB
	}
	for _, b := range behind {
		if err := s.listen(l, b.Name, s.wire.Wrap(b)); err != nil {
			return err
		}
	}
	if err := s.listen(l, "issuer", s.issuer); err != nil {
		return err
	}
	s.issuer.SetURL(s.urls["issuer"])
	return nil
}

func (s *services) listen(l *listeners, name string, h http.Handler) error {
	port, err := l.serve(name, 0, h)
	s.urls[name] = baseURL(s.address, port)
	return err
}

// createTable makes the table, as CloudFormation does on AWS.
func (s *services) createTable(ctx context.Context) error {
	client := sdkdynamodb.New(sdkdynamodb.Options{
		Region: region, BaseEndpoint: aws.String(s.urls["dynamodb"]),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: accessKeyID, SecretAccessKey: secretAccessKey}, nil
		}),
	})
	schema := store.TableSchema()
	if _, err := client.CreateTable(ctx, schema.CreateTable(s.table)); err != nil {
		return fmt.Errorf("create the table: %w", err)
	}
	if _, err := client.UpdateTimeToLive(ctx, schema.EnableTTL(s.table)); err != nil {
		return fmt.Errorf("create the table: %w", err)
	}
	return nil
}

// close ends what runs behind the stand-ins: servers first, so that nobody
// calls any more.
func (s *services) close() error {
	s.hetzner.Close()
	err := s.machines.Close()
	s.wire.Close()
	if closed := s.s3.Close(); err == nil {
		err = closed
	}
	return err
}

// Endpoint is where a stand-in listens, by its name, for tests that call it
// as its clients do.
func (s *Stack) Endpoint(service string) string { return s.services.urls[service] }

// TokenKeyID is the KMS key of the VMs' tokens.
func (s *Stack) TokenKeyID() string { return tokenKeyID }

// Items are the table's items, as DynamoDB's JSON, for tests: the stand-in's.
func (s *Stack) Items() []map[string]any { return s.services.dynamodb.Dump(tableName) }

// Capacity is how many units of the table were consumed since the start.
func (s *Stack) Capacity() float64 { return s.services.dynamodb.Capacity() }
