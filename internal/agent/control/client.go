// Package control speaks the VM's protocol to the control plane.
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// CallTimeout bounds one call; API Gateway itself gives up after 30 s.
const CallTimeout = 35 * time.Second

// maxAnswerBytes is far more than any answer has.
const maxAnswerBytes = 1 << 20

// Client makes one call at a time, once: whether and when to repeat is its
// caller's decision. Errors are *Problem where the control plane answered.
type Client struct {
	// Heard, if set, is told the time that each answer names.
	Heard func(time.Time)

	base  string
	http  *http.Client
	agent string
	token atomic.Pointer[dcm.Secret]
}

// New makes a client for one VM. token may be the bootstrap token first.
func New(apiURL string, vm dcm.VMID, version string, token dcm.Secret) *Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns = 2
	c := &Client{
		base:  strings.TrimRight(apiURL, "/") + "/vms/" + url.PathEscape(string(vm)),
		agent: "dcm-agent/" + version,
		http: &http.Client{
			Transport: transport, Timeout: CallTimeout,
			// A redirect would carry the token to wherever it leads.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	c.SetToken(token)
	return c
}

// SetToken replaces the token of all further calls.
func (c *Client) SetToken(token dcm.Secret) { c.token.Store(&token) }

// Bootstrap asks for everything the VM needs.
func (c *Client) Bootstrap(ctx context.Context, r dcm.BootstrapRequest) (a dcm.BootstrapAnswer, err error) {
	return a, c.post(ctx, "/bootstrap", r, &a)
}

// Heartbeat says how the VM is, and hears what it should do.
func (c *Client) Heartbeat(ctx context.Context, r dcm.Heartbeat) (a dcm.HeartbeatAnswer, err error) {
	return a, c.post(ctx, "/heartbeat", r, &a)
}

// StartBackup begins a backup.
func (c *Client) StartBackup(ctx context.Context, r dcm.BackupStart) (a dcm.BackupStarted, err error) {
	return a, c.post(ctx, "/backups", r, &a)
}

// BackupParts asks where to put parts.
func (c *Client) BackupParts(ctx context.Context, id dcm.BackupID, r dcm.BackupParts) (a dcm.BackupPartURLs, err error) {
	return a, c.post(ctx, "/backups/"+url.PathEscape(string(id))+"/parts", r, &a)
}

// CompleteBackup has a backup verified. It may be repeated.
func (c *Client) CompleteBackup(ctx context.Context, id dcm.BackupID, r dcm.BackupComplete) (a dcm.BackupCompleted, err error) {
	return a, c.post(ctx, "/backups/"+url.PathEscape(string(id))+"/complete", r, &a)
}

// DNSChallenge publishes a value for the VM's certificate; with none it withdraws
// them all.
func (c *Client) DNSChallenge(ctx context.Context, r dcm.DNSChallenge) (a dcm.DNSChallenges, err error) {
	return a, c.post(ctx, "/dns-challenge", r, &a)
}

// Cleanup says that the VM may be deleted.
func (c *Client) Cleanup(ctx context.Context, r dcm.Cleanup) error {
	return c.post(ctx, "/cleanup", r, nil)
}

func (c *Client) post(ctx context.Context, path string, body, answer any) error {
	payload, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode the body of %s: %w", path, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(payload))
	if err != nil {
		return fmt.Errorf("make the request %s: %w", path, err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, application/problem+json")
	r.Header.Set("User-Agent", c.agent)
	r.Header.Set("Authorization", "Bearer "+c.token.Load().Reveal())
	response, err := c.http.Do(r)
	if err != nil {
		return &unreachable{path: path, err: err}
	}
	defer response.Body.Close()
	if at, err := http.ParseTime(response.Header.Get("Date")); err == nil && c.Heard != nil {
		c.Heard(at)
	}
	b, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return &unreachable{path: path, err: err}
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return newProblem(path, response, b)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(b, answer); err != nil {
		// Half an answer, or a proxy's page: not the control plane's word.
		return &unreachable{path: path, err: errors.New("the answer is not JSON")}
	}
	return nil
}
