// Package app is the composition root: it reads the environment into one typed
// value and builds the ports from it, each client on first use. Nothing here
// calls the network while it is being constructed.
//
// What every function needs is in this package. Packages cloud and objects
// build what only some do, because linking a provider's or S3's client costs a
// function megabytes, and its users the time to load them.
package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Config is an installation's configuration, from the environment.
type Config struct {
	Installation string
	TableName    string
	BucketName   string
	DataKeyID    string
	TokenKeyID   string
	BaseDomain   string
	ZoneID       string
	// APIURL is set for an API behind a domain of its own.
	APIURL    string
	URLScheme string
	URLPort   string

	TenantClaim        string
	DefaultPermissions []dcm.Permission
	Quotas             dcm.Quotas

	DefaultProvider string
	Sizes           dcm.SizeCatalogue
	// ServerImage is the provider's own image, for servers without a prepared one.
	ServerImage string
	// ServerImagesParameter names the SSM parameter that records the prepared
	// images; "" for none.
	ServerImagesParameter string
	// Currency is what the providers' prices are in.
	Currency              string
	AllowFileRepositories bool
	// AllowPrivateEndpoints admits tenants' storage on private addresses.
	AllowPrivateEndpoints bool

	Runtime           string
	DefaultImage      string
	HeartbeatInterval time.Duration
	BackupInterval    time.Duration
	// ACMEDirectories are where the VMs ask for certificates, first choice first.
	ACMEDirectories []string

	// MaxOrphanDeletions is the most that one run of sweep-orphans deletes.
	MaxOrphanDeletions int

	AgentKeyPrefix string
	// AgentSHA256 holds the agent's digest per architecture.
	AgentSHA256 map[string]string

	HetznerToken SecretSetting
	// HetznerSSHKeyID is the platform's key for new servers; "" for none.
	HetznerSSHKeyID string
	CloudflareToken SecretSetting
	// ACMECustomers are the platform's accounts with certificate authorities.
	ACMECustomers SecretSetting

	Region    string
	Endpoints Endpoints
}

// SecretSetting is a secret given directly, or the name of the SSM parameter
// that holds it.
type SecretSetting struct {
	Value     dcm.Secret
	Parameter string
}

// Endpoints replace the services' own addresses, in the local stack and in
// tests. Empty means the real one.
type Endpoints struct {
	DynamoDB, KMS, S3, SSM, Hetzner, Cloudflare string
}

// ReadConfig reads the environment. It names everything that is missing or
// wrong at once.
func ReadConfig(getenv func(string) string) (Config, error) {
	e := environment{get: getenv}
	c := Config{
		Installation: e.required("INSTALLATION"),
		TableName:    e.required("TABLE_NAME"),
		BucketName:   e.required("BUCKET_NAME"),
		DataKeyID:    e.required("DATA_KEY_ID"),
		TokenKeyID:   e.required("TOKEN_KEY_ID"),
		BaseDomain:   e.required("BASE_DOMAIN"),
		ZoneID:       e.required("CLOUDFLARE_ZONE_ID"),
		APIURL:       getenv("API_URL"),
		URLScheme:    e.or("URL_SCHEME", "https"),
		URLPort:      getenv("URL_PORT"),

		TenantClaim: getenv("TENANT_CLAIM"),
		Quotas:      dcm.Quotas{MaxConcurrentVMs: e.number("MAX_CONCURRENT_VMS", 10, 1, 100_000)},

		DefaultProvider:       e.or("DEFAULT_PROVIDER", "hetzner"),
		ServerImage:           e.or("SERVER_IMAGE", "ubuntu-24.04"),
		ServerImagesParameter: getenv("SERVER_IMAGES_PARAMETER"),
		Currency:              e.or("CURRENCY", "EUR"),
		AllowFileRepositories: getenv("ALLOW_FILE_REPOSITORIES") == "true",
		AllowPrivateEndpoints: getenv("ALLOW_PRIVATE_ENDPOINTS") == "true",

		Runtime:           e.or("VM_RUNTIME", "devcontainer"),
		DefaultImage:      getenv("DEFAULT_IMAGE"),
		HeartbeatInterval: e.seconds("HEARTBEAT_SECONDS", dcm.HeartbeatInterval),
		BackupInterval:    e.seconds("BACKUP_SECONDS", dcm.BackupInterval),

		MaxOrphanDeletions: e.number("MAX_ORPHAN_DELETIONS", 25, 1, 10_000),

		AgentKeyPrefix: e.or("AGENT_KEY_PREFIX", "agent/"),
		AgentSHA256:    map[string]string{},

		HetznerToken:    SecretSetting{dcm.NewSecret(getenv("HCLOUD_TOKEN")), getenv("HCLOUD_TOKEN_PARAMETER")},
		HetznerSSHKeyID: getenv("HCLOUD_SSH_KEY_ID"),
		CloudflareToken: SecretSetting{dcm.NewSecret(getenv("CLOUDFLARE_TOKEN")), getenv("CLOUDFLARE_TOKEN_PARAMETER")},
		ACMECustomers:   SecretSetting{dcm.NewSecret(getenv("ACME_CUSTOMERS")), getenv("ACME_CUSTOMERS_PARAMETER")},

		Region: e.or("AWS_REGION", "us-east-1"),
		Endpoints: Endpoints{
			DynamoDB: getenv("AWS_ENDPOINT_URL_DYNAMODB"), KMS: getenv("AWS_ENDPOINT_URL_KMS"),
			S3: getenv("AWS_ENDPOINT_URL_S3"), SSM: getenv("AWS_ENDPOINT_URL_SSM"),
			Hetzner: getenv("HCLOUD_ENDPOINT"), Cloudflare: getenv("CLOUDFLARE_ENDPOINT"),
		},
	}
	for arch, name := range map[string]string{"amd64": "AGENT_SHA256_AMD64", "arm64": "AGENT_SHA256_ARM64"} {
		if sum := getenv(name); sum != "" {
			c.AgentSHA256[arch] = sum
		}
	}
	c.ACMEDirectories = e.urls("ACME_DIRECTORIES")
	c.DefaultPermissions = e.permissions("DEFAULT_PERMISSIONS")
	c.Sizes = e.sizes("SIZES", c.DefaultProvider)
	if c.Installation != "" && !dcm.TenantID(c.Installation).Valid() {
		// It is part of labels and of DNS comments, which bound it.
		e.wrong("INSTALLATION must be a DNS label of at most 32 characters")
	}
	if len(c.Currency) != 3 || strings.Trim(c.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		e.wrong("CURRENCY must be a code of three letters, such as EUR")
	}
	if !slices.Contains([]string{"devcontainer", "host"}, c.Runtime) {
		e.wrong("VM_RUNTIME must be devcontainer or host")
	}
	return c, errors.Join(e.errs...)
}

// environment collects what is wrong with the environment.
type environment struct {
	get  func(string) string
	errs []error
}

func (e *environment) wrong(format string, args ...any) {
	e.errs = append(e.errs, fmt.Errorf(format, args...))
}

func (e *environment) required(name string) string {
	v := e.get(name)
	if v == "" {
		e.wrong("%s is not set", name)
	}
	return v
}

func (e *environment) or(name, value string) string {
	if v := e.get(name); v != "" {
		return v
	}
	return value
}

func (e *environment) number(name string, value, least, most int) int {
	v := e.get(name)
	if v == "" {
		return value
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		e.wrong("%s must be a number between %d and %d", name, least, most)
	}
	return n
}

func (e *environment) seconds(name string, value time.Duration) time.Duration {
	return time.Duration(e.number(name, int(value/time.Second), 1, 86_400)) * time.Second
}

func (e *environment) permissions(name string) []dcm.Permission {
	var list []dcm.Permission
	for _, word := range strings.FieldsFunc(e.get(name), func(r rune) bool { return r == ' ' || r == ',' }) {
		if !slices.Contains(dcm.Permissions, dcm.Permission(word)) {
			e.wrong("%s: %q is not a permission", name, word)
		}
		if dcm.Permission(word).OfPlatform() {
			e.wrong("%s: %s is for tokens that carry it themselves", name, word)
		}
		list = append(list, dcm.Permission(word))
	}
	return list
}

// urls reads addresses with commas or spaces between them.
func (e *environment) urls(name string) []string {
	list := strings.FieldsFunc(e.get(name), func(r rune) bool { return r == ' ' || r == ',' })
	for _, text := range list {
		if u, err := url.Parse(text); err != nil || u.Scheme != "https" || u.Host == "" {
			e.wrong("%s: %q is not an https address", name, text)
		}
	}
	return list
}

func (e *environment) sizes(name, provider string) dcm.SizeCatalogue {
	var c dcm.SizeCatalogue
	if err := json.Unmarshal([]byte(e.or(name, "{}")), &c); err != nil {
		e.wrong("%s is not a size catalogue: %w", name, err)
		return nil
	}
	if len(c[provider]) == 0 {
		e.wrong("%s has no sizes for the default provider %s", name, provider)
	}
	return c
}
