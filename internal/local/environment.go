package local

import (
	"fmt"
	"maps"
	"runtime"
	"strconv"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/sam"
)

// loadTemplate reads the template as it would be deployed here: with this
// stack's names for what CloudFormation names.
func loadTemplate(path, domain string, s *services) (*sam.Template, error) {
	t, err := sam.Load(path, sam.Options{
		Parameters: map[string]string{
			"Installation": "local", "JwtIssuer": s.issuer.URL(), "JwtAudience": audience, "TenantClaim": tenantClaim,
			"HcloudTokenParameter": hetznerTokenParameter, "CloudflareTokenParameter": cloudflareTokenParameter,
			"CloudflareZoneId": zoneID, "BaseDomain": domain, "VmRuntime": "host",
		},
		Resources: map[string]string{
			"Table": s.table, "Bucket": bucketName, "DataKey": dataKeyID, "TokenKey": tokenKeyID,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read the template: %w", err)
	}
	return t, nil
}

// overrides is what differs from the template's environment: where the
// services are, and what only makes sense on one machine.
func (s *Stack) overrides(agentDigest string) map[string]string {
	o := s.options
	e := map[string]string{
		"AWS_REGION": region, "AWS_ACCESS_KEY_ID": accessKeyID, "AWS_SECRET_ACCESS_KEY": secretAccessKey,
		"AWS_ENDPOINT_URL_DYNAMODB": s.services.urls["dynamodb"],
		"AWS_ENDPOINT_URL_KMS":      s.services.urls["kms"],
		"AWS_ENDPOINT_URL_S3":       s.services.urls["s3"],
		"AWS_ENDPOINT_URL_SSM":      s.services.urls["ssm"],
		"HCLOUD_ENDPOINT":           s.services.urls["hetzner"] + "/v1",
		"CLOUDFLARE_ENDPOINT":       s.services.urls["cloudflare"] + "/client/v4",
		"API_URL":                   s.URL,
		"URL_SCHEME":                s.scheme(),
		"URL_PORT":                  strconv.Itoa(s.EdgePort),
		"HEARTBEAT_SECONDS":         strconv.Itoa(max(1, int(o.HeartbeatInterval.Seconds()))),
		"ACME_DIRECTORIES":          "",
		"ALLOW_FILE_REPOSITORIES":   "true",
		"ALLOW_PRIVATE_ENDPOINTS":   "true", // the simulated S3 is on loopback
		"AGENT_SHA256_AMD64":        "",
		"AGENT_SHA256_ARM64":        "",
	}
	e[map[string]string{"amd64": "AGENT_SHA256_AMD64", "arm64": "AGENT_SHA256_ARM64"}[runtime.GOARCH]] = agentDigest
	if o.TLS != nil {
		e["ACME_DIRECTORIES"] = strings.Join(o.TLS.Directories, ",")
	}
	maps.Copy(e, o.Environment)
	return e
}

// getenv is a function's environment: what the template gives it, overridden.
func getenv(f sam.Function, overrides map[string]string) func(string) string {
	return func(name string) string {
		if value, ok := overrides[name]; ok {
			return value
		}
		return f.Environment[name]
	}
}
