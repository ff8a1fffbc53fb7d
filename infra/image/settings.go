package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/devcontainer-manager/devcontainer-manager/cloudinit"
	"github.com/devcontainer-manager/devcontainer-manager/infra/image/prepared"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// settings are the environment's.
type settings struct {
	getenv       func(string) string
	token        dcm.Secret
	installation string
	region       string
}

func readSettings(getenv func(string) string) (settings, error) {
	s := settings{
		getenv: getenv, token: dcm.NewSecret(getenv("HCLOUD_TOKEN")), installation: getenv("INSTALLATION"),
		region: cmp.Or(getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION")),
	}
	var missing []error
	for _, name := range []string{"HCLOUD_TOKEN", "INSTALLATION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		if getenv(name) == "" {
			missing = append(missing, fmt.Errorf("%s is not set", name))
		}
	}
	if s.region == "" {
		missing = append(missing, errors.New("AWS_REGION is not set"))
	}
	if s.installation != "" && !dcm.TenantID(s.installation).Valid() {
		missing = append(missing, errors.New("INSTALLATION is not the name of one"))
	}
	return s, errors.Join(missing...)
}

// cloud is Hetzner. The workshop repeats calls itself.
func (s settings) cloud(client *http.Client) *hcloud.Client {
	return hcloud.NewClient(
		hcloud.WithEndpoint(cmp.Or(s.getenv("HCLOUD_ENDPOINT"), hcloud.Endpoint)),
		hcloud.WithToken(s.token.Reveal()), hcloud.WithHTTPClient(client),
		hcloud.WithApplication("devcontainer-manager-image", ""), hcloud.WithRetryOpts(hcloud.RetryOpts{MaxRetries: 0}),
	)
}

func (s settings) record() prepared.Record {
	o := ssm.Options{Region: s.region, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{
			AccessKeyID: s.getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: s.getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: s.getenv("AWS_SESSION_TOKEN"),
		}, nil
	})}
	if address := s.getenv("AWS_ENDPOINT_URL_SSM"); address != "" {
		o.BaseEndpoint = aws.String(address)
	}
	return prepared.Parameter{Client: ssm.New(o), Name: dcm.ImageRecordParameter(s.installation)}
}

func (s settings) recipe(architecture string) (prepared.Recipe, error) {
	suffix := strings.ToUpper(architecture)
	r := prepared.Recipe{
		ImageOptions: cloudinit.ImageOptions{
			Agent: cloudinit.Download{
				Architecture: architecture, URL: dcm.NewSecret(s.getenv("AGENT_URL_" + suffix)), SHA256: s.getenv("AGENT_SHA256_" + suffix),
			},
			BaseImage: s.getenv("BASE_IMAGE"),
		},
		ServerImage: cmp.Or(s.getenv("SERVER_IMAGE"), "ubuntu-24.04"),
	}
	if key := s.getenv("HCLOUD_SSH_KEY_ID"); key != "" {
		id, err := strconv.ParseInt(key, 10, 64)
		if err != nil || id <= 0 {
			return r, errors.New("HCLOUD_SSH_KEY_ID is not a number")
		}
		r.SSHKeyID = id
	}
	if _, err := cloudinit.RenderImage(r.ImageOptions); err != nil {
		return r, fmt.Errorf("AGENT_URL_%s, AGENT_SHA256_%s and BASE_IMAGE: %w", suffix, suffix, err)
	}
	return r, nil
}

// newID is of letters and digits, as the name of a server may be.
func newID() (string, error) { return strings.ToLower(rand.Text()[:10]), nil }
