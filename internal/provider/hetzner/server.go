package hetzner

import (
	"context"
	"fmt"
	"strconv"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// userDataLimit is Hetzner's, in bytes.
const userDataLimit = 32 * 1024

// CreateVM orders a server: exactly one call. Type and location go by name, the
// image by name or number, so nothing is looked up first. The price in the answer is the server's
// alone, net of VAT and without its IPv4 address.
//
// An offer that can't be bought, because it is sold out, not sold there, no
// longer sold or misspelt, is KindCapacity: another offer may do.
func (p *Provider) CreateVM(ctx context.Context, c dcm.Credential, r dcm.ServerRequest) (dcm.Server, error) {
	const op = "create server"
	client, err := p.client(op, c)
	if err != nil {
		return dcm.Server{}, err
	}
	if err := checkRequest(op, r); err != nil {
		return dcm.Server{}, err
	}
	keys, err := sshKeys(op, r.SSHKeyID)
	if err != nil {
		return dcm.Server{}, err
	}
	result, response, err := client.Server.Create(ctx, hcloud.ServerCreateOpts{
		Name:       r.Name,
		ServerType: &hcloud.ServerType{Name: r.ServerType},
		Location:   &hcloud.Location{Name: r.Location},
		Image:      image(r.Image),
		UserData:   r.UserData.Reveal(),
		Labels:     r.Labels,
		SSHKeys:    keys,
	})
	if err != nil {
		return dcm.Server{}, createError(op, r, response, err)
	}
	if result.Server.ID == 0 || result.Server.Name != r.Name {
		return dcm.Server{}, incomplete(op)
	}
	return p.server(result.Server), nil
}

// image is a system image by its name, or a snapshot, which has none, by its
// number.
func image(text string) *hcloud.Image {
	if id, err := strconv.ParseInt(text, 10, 64); err == nil && id > 0 {
		return &hcloud.Image{ID: id}
	}
	return &hcloud.Image{Name: text}
}

// checkRequest refuses what Hetzner would refuse, without a call.
func checkRequest(op string, r dcm.ServerRequest) error {
	invalid := func(message string) error {
		return &dcm.ProviderError{Kind: dcm.KindInvalid, Op: op, Message: message}
	}
	if r.Name == "" || r.ServerType == "" || r.Location == "" || r.Image == "" {
		return invalid("a server needs a name, a type, a location and an image")
	}
	if n := len(r.UserData.Reveal()); n > userDataLimit {
		return invalid(fmt.Sprintf("user-data has %d bytes; Hetzner takes at most %d", n, userDataLimit))
	}
	return checkLabels(op, r.Labels)
}

// DeleteVM deletes a server: exactly one call. Success means that the deletion
// was accepted or that there is nothing to delete; only GetVM tells when the
// server is gone. A server that another action holds is KindUnavailable.
func (p *Provider) DeleteVM(ctx context.Context, c dcm.Credential, id string) error {
	const op = "delete server"
	client, number, err := p.at(op, c, id)
	if err != nil {
		return err
	}
	_, response, err := client.Server.DeleteWithResult(ctx, &hcloud.Server{ID: number})
	if err != nil && !hcloud.IsError(err, hcloud.ErrorCodeNotFound) {
		return callError(op, response, err)
	}
	return nil
}

// GetVM reads a server: exactly one call. One whose deletion is under way is
// still there, with status "deleting", until Hetzner no longer knows it.
func (p *Provider) GetVM(ctx context.Context, c dcm.Credential, ref dcm.ServerRef) (*dcm.Server, error) {
	const op = "get server"
	client, err := p.client(op, c)
	if err != nil {
		return nil, err
	}
	if ref.ID == "" {
		return p.byName(ctx, client, op, ref.Name)
	}
	id, err := serverID(op, ref.ID)
	if err != nil {
		return nil, err
	}
	found, response, err := client.Server.GetByID(ctx, id)
	if err != nil {
		return nil, callError(op, response, err)
	}
	if found == nil {
		return nil, nil
	}
	if found.ID != id {
		return nil, incomplete(op)
	}
	s := p.server(found)
	return &s, nil
}

// StartVM switches a server on: exactly one call. Success means that it was
// accepted. A server that another action holds is KindUnavailable.
func (p *Provider) StartVM(ctx context.Context, c dcm.Credential, id string) error {
	const op = "start server"
	client, number, err := p.at(op, c, id)
	if err != nil {
		return err
	}
	if _, response, err := client.Server.Poweron(ctx, &hcloud.Server{ID: number}); err != nil {
		return callError(op, response, err)
	}
	return nil
}

// byName asks with Hetzner's exact filter, and compares again: an adopted
// stranger would be deleted with the VM.
func (p *Provider) byName(ctx context.Context, client *hcloud.Client, op, name string) (*dcm.Server, error) {
	if name == "" {
		return nil, &dcm.ProviderError{Kind: dcm.KindInvalid, Op: op, Message: "a server is looked up by id or name"}
	}
	list, response, err := client.Server.List(ctx, hcloud.ServerListOpts{Name: name})
	if err != nil {
		return nil, callError(op, response, err)
	}
	if response.Meta.Pagination == nil {
		return nil, incomplete(op)
	}
	for _, found := range list {
		if found.Name == name && found.ID != 0 {
			s := p.server(found)
			return &s, nil
		}
	}
	return nil, nil
}

// at is for a call about one server.
func (p *Provider) at(op string, c dcm.Credential, id string) (*hcloud.Client, int64, error) {
	client, err := p.client(op, c)
	if err != nil {
		return nil, 0, err
	}
	number, err := serverID(op, id)
	return client, number, err
}

func serverID(op, text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 {
		return 0, &dcm.ProviderError{Kind: dcm.KindInvalid, Op: op, Message: fmt.Sprintf("%q is not a Hetzner server id", text)}
	}
	return id, nil
}
