// Package server deletes the VM's own server at its provider. It is the last
// resort of a VM whose tenant has agreed to it, and whose control plane does
// not answer any more.
package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// hetznerURL is where everybody finds Hetzner Cloud.
const hetznerURL = "https://api.hetzner.cloud/v1"

// maxAnswerBytes is far more than the description of one server has.
const maxAnswerBytes = 1 << 20

// ErrNotOurs says that the server of this VM's name is not this VM's. It is
// left alone.
var ErrNotOurs = errors.New("the server of this VM's name has other labels")

// Own is this VM as its provider knows it.
type Own struct {
	URL   string // "" for hetznerURL
	Token dcm.Secret
	Name  string
	// Labels are what the server must carry, all of them.
	Labels map[string]string
}

// client follows no redirect: it would carry the token to wherever it leads.
func client() *http.Client {
	return &http.Client{
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Delete deletes the server. It is found by its name, which is unique in its
// project, and deleted only if every label is as it must be. A server that is
// gone already is success. No error shows the token.
func (o Own) Delete(ctx context.Context) error {
	id, err := o.find(ctx)
	if err != nil || id == 0 {
		return err
	}
	status, _, err := o.call(ctx, http.MethodDelete, "/servers/"+strconv.FormatInt(id, 10))
	switch {
	case err != nil:
		return fmt.Errorf("delete server %d: %w", id, err)
	case status == http.StatusNotFound, status >= 200 && status <= 299:
		return nil
	}
	return fmt.Errorf("delete server %d: the provider answers %d", id, status)
}

// find returns the server's number, 0 if there is none.
func (o Own) find(ctx context.Context) (int64, error) {
	status, body, err := o.call(ctx, http.MethodGet, "/servers?name="+url.QueryEscape(o.Name))
	if err != nil {
		return 0, fmt.Errorf("look for %s: %w", o.Name, err)
	}
	if status != http.StatusOK {
		return 0, fmt.Errorf("look for %s: the provider answers %d", o.Name, status)
	}
	var list struct {
		Servers *[]struct {
			ID     int64             `json:"id"`
			Name   string            `json:"name"`
			Labels map[string]string `json:"labels"`
		} `json:"servers"`
	}
	if err := json.Unmarshal(body, &list); err != nil || list.Servers == nil {
		return 0, fmt.Errorf("look for %s: the answer is no list of servers", o.Name)
	}
	for _, s := range *list.Servers {
		if s.Name != o.Name {
			continue
		}
		for label, value := range o.Labels {
			if s.Labels[label] != value {
				return 0, fmt.Errorf("look for %s: %w", o.Name, ErrNotOurs)
			}
		}
		return s.ID, nil
	}
	return 0, nil
}

func (o Own) call(ctx context.Context, method, path string) (int, []byte, error) {
	base := o.URL
	if base == "" {
		base = hetznerURL
	}
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(base, "/")+path, nil)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+o.Token.Reveal())
	answer, err := client().Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswerBytes))
	return answer.StatusCode, body, err
}
