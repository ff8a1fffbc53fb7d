package hetzner

import (
	"context"
	"math"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// SizeOptions returns every server type at every location it is sold at, with
// the same net price as CreateVM: one call per 50 types.
//
// Available is Hetzner's word of the moment; a create may still find the offer
// sold out. It comes with the types: the list of data centres that used to say
// it was removed from the API on 1 October 2026.
func (p *Provider) SizeOptions(ctx context.Context, c dcm.Credential) ([]dcm.SizeOption, error) {
	const op = "list server types"
	client, err := p.client(op, c)
	if err != nil {
		return nil, err
	}
	options := []dcm.SizeOption{}
	for page := 1; page != 0; {
		types, response, err := client.ServerType.List(ctx, hcloud.ServerTypeListOpts{
			ListOpts: hcloud.ListOpts{Page: page, PerPage: pageSize},
		})
		if err != nil {
			return nil, callError(op, response, err)
		}
		meta := response.Meta.Pagination
		if meta == nil || (meta.NextPage != 0 && meta.NextPage <= page) {
			return nil, incomplete(op)
		}
		page = meta.NextPage
		for _, t := range types {
			options = append(options, p.options(t)...)
		}
	}
	return options, nil
}

func (p *Provider) options(t *hcloud.ServerType) []dcm.SizeOption {
	var options []dcm.SizeOption
	for _, l := range t.Locations {
		if l.Location == nil {
			continue
		}
		price := p.price(t, l.Location.Name)
		if price == nil {
			continue
		}
		options = append(options, dcm.SizeOption{
			ServerType: t.Name, Location: l.Location.Name, Price: *price, Available: l.Available,
			Cores: t.Cores, DiskGB: t.Disk, Architecture: architecture(t.Architecture),
			// hcloud-go reads it as float32; rounding takes away what widening adds.
			MemoryGB: math.Round(float64(t.Memory)*1000) / 1000,
		})
	}
	return options
}

func architecture(a hcloud.Architecture) string {
	switch a {
	case hcloud.ArchitectureX86:
		return "amd64"
	case hcloud.ArchitectureARM:
		return "arm64"
	default:
		return string(a)
	}
}

// absentID is Hetzner's largest possible id. Ids are handed out one by one from
// the bottom, so no server has it.
const absentID = 1<<53 - 1

// Check finds out with two calls what a token may do. It reads one server, and
// then asks to delete one that can't exist: a read-only token is refused
// before Hetzner looks for the server, one that may write is told that there
// is none. So nothing is made or changed, whatever happens to either call.
//
// Hetzner doesn't say how many servers fit the project: ServersLeft is nil.
func (p *Provider) Check(ctx context.Context, c dcm.Credential) (dcm.CredentialReport, error) {
	const op = "check the API token"
	client, err := p.client(op, c)
	if err != nil {
		return dcm.CredentialReport{}, err
	}
	_, response, err := client.Server.List(ctx, hcloud.ServerListOpts{ListOpts: hcloud.ListOpts{PerPage: 1}})
	if err != nil {
		return dcm.CredentialReport{}, callError(op, response, err)
	}
	_, response, err = client.Server.DeleteWithResult(ctx, &hcloud.Server{ID: absentID})
	if err == nil {
		return dcm.CredentialReport{}, incomplete(op)
	}
	if hcloud.IsError(err, hcloud.ErrorCodeNotFound) {
		return dcm.CredentialReport{CanWrite: true}, nil
	}
	if hcloud.IsError(err, hcloud.ErrorCodeForbidden, tokenReadonly) {
		return dcm.CredentialReport{CanWrite: false}, nil
	}
	return dcm.CredentialReport{}, callError(op, response, err)
}
