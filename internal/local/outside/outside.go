// Package outside is everything a function's process talks to, on loopback:
// DynamoDB, KMS, S3 and SSM, Hetzner and Cloudflare. It judges every call to
// AWS by the caller's role in template.yaml, as IAM would, so that a missing
// permission shows here and not on the day of a deployment.
package outside

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/cloudflare"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/kms"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/s3"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/ssm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sam"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store"
)

// secretKey belongs to every function's access key, which is its name.
const secretKey = "not-a-secret-on-loopback"

// A bucket of a tenant's own, at a service where no role of ours counts.
const (
	tenantBucket      = "acme-backups"
	tenantAccessKeyID = "AKIASAMPLETENANT"
	tenantSecretKey   = "sample-secret"
)

const (
	hetznerToken    = "hetzner-token-of-the-sample-installation-0123456789abcdef01234567"
	cloudflareToken = "cloudflare-token-of-the-sample-installation"
	zoneID          = "0123456789abcdef0123456789abcdef"
	baseDomain      = "example.test"
	region          = "eu-central-1"
)

// World is an account with its neighbours. Close it when done.
type World struct {
	Template *sam.Template
	Roles    *Roles

	endpoints map[string]string
	servers   []*http.Server
	objects   *s3.Server
	tenants   *s3.Server
	hetzner   *hetzner.Server
	machines  *userData
}

// Start brings everything up for the template at path, and makes the table.
func Start(ctx context.Context, path string) (*World, error) {
	template, err := sam.Load(path, sam.Options{
		Parameters: map[string]string{
			"BaseDomain": baseDomain, "CloudflareZoneId": zoneID, "JwtIssuer": "https://issuer.test",
			"MaxConcurrentVms": "1000", "AgentSha256Amd64": strings.Repeat("0", 64), "AgentSha256Arm64": strings.Repeat("1", 64),
		},
		Resources: map[string]string{"Bucket": "dcm-local"},
	})
	if err != nil {
		return nil, err
	}
	w := &World{Template: template, Roles: newRoles(template), endpoints: map[string]string{}, machines: &userData{}}
	if err := w.serve(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if err := w.makeTable(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *World) serve() error {
	clock := dcm.SystemClock{}
	parameters, keys := w.Template.Parameters, map[string]dcm.Secret{}
	for _, f := range w.Template.Functions {
		keys[f.Name] = dcm.NewSecret(secretKey)
	}
	w.objects = s3.New(s3.Options{Clock: clock, Keys: keys, Buckets: []string{"dcm-local"}})
	w.tenants = s3.New(s3.Options{
		Clock: clock, Keys: map[string]dcm.Secret{tenantAccessKeyID: dcm.NewSecret(tenantSecretKey)}, Buckets: []string{tenantBucket},
	})
	w.hetzner = hetzner.New(hetzner.Options{
		Clock: clock, Machine: w.machines, RequestsPerHour: 1_000_000,
		Tokens: map[string]hetzner.Token{hetznerToken: {}},
	})
	for name, h := range map[string]http.Handler{
		"DYNAMODB": w.Roles.judge(dynamoAccess, dynamodb.New(dynamodb.Options{Clock: clock})),
		"KMS": w.Roles.judge(kmsAccess, kms.New(kms.Options{
			Clock: clock, Keys: map[string]kms.Spec{"DataKey": kms.Symmetric, "TokenKey": kms.ECCP256},
		})),
		"SSM": w.Roles.judge(ssmAccess, ssm.New(ssm.Options{Clock: clock, Parameters: map[string]dcm.Secret{
			parameters["HcloudTokenParameter"]:     dcm.NewSecret(hetznerToken),
			parameters["CloudflareTokenParameter"]: dcm.NewSecret(cloudflareToken),
		}})),
		"S3":        w.Roles.judge(s3Access, w.objects),
		"TENANT_S3": w.tenants,
		"HETZNER":   w.hetzner,
		"CLOUDFLARE": cloudflare.New(cloudflare.Options{
			Clock: clock, Zones: map[string]string{zoneID: baseDomain},
			Tokens: map[string]cloudflare.Token{cloudflareToken: {}}, RecordLimit: 10_000, Requests: 1_000_000,
		}),
	} {
		if err := w.listen(name, h); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) listen(name string, h http.Handler) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for %s: %w", name, err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	w.servers = append(w.servers, s)
	w.endpoints[name] = "http://" + l.Addr().String()
	go func() { _ = s.Serve(l) }()
	return nil
}

func (w *World) makeTable(ctx context.Context) error {
	client := sdk.New(sdk.Options{
		Region: region, BaseEndpoint: aws.String(w.endpoints["DYNAMODB"]),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: installer, SecretAccessKey: secretKey}, nil
		}),
	})
	if _, err := client.CreateTable(ctx, store.TableSchema().CreateTable("Table")); err != nil {
		return fmt.Errorf("make the table: %w", err)
	}
	return nil
}

// Environment is what the function's process starts with.
func (w *World) Environment(f sam.Function) map[string]string {
	env := maps.Clone(f.Environment)
	maps.Copy(env, map[string]string{
		"AWS_REGION":                region,
		"AWS_ACCESS_KEY_ID":         f.Name,
		"AWS_SECRET_ACCESS_KEY":     secretKey,
		"AWS_ENDPOINT_URL_DYNAMODB": w.endpoints["DYNAMODB"],
		"AWS_ENDPOINT_URL_KMS":      w.endpoints["KMS"],
		"AWS_ENDPOINT_URL_S3":       w.endpoints["S3"],
		"AWS_ENDPOINT_URL_SSM":      w.endpoints["SSM"],
		"HCLOUD_ENDPOINT":           w.endpoints["HETZNER"] + "/v1",
		"CLOUDFLARE_ENDPOINT":       w.endpoints["CLOUDFLARE"] + "/client/v4/",
		"ALLOW_PRIVATE_ENDPOINTS":   "true", // the tenant's own storage is on loopback
	})
	return env
}

// TenantStorage is the endpoint of the tenant's own bucket.
func (w *World) TenantStorage() string { return w.endpoints["TENANT_S3"] }

// UserData is what the server of this name was booted with.
func (w *World) UserData(server string) (string, bool) { return w.machines.of(server) }

// Close ends everything.
func (w *World) Close() error {
	var errs []error
	for _, s := range w.servers {
		errs = append(errs, s.Close())
	}
	if w.hetzner != nil {
		w.hetzner.Close()
	}
	for _, objects := range []*s3.Server{w.objects, w.tenants} {
		if objects != nil {
			errs = append(errs, objects.Close())
		}
	}
	return errors.Join(errs...)
}
