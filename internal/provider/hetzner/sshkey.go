package hetzner

import (
	"context"
	"strconv"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// SSHKey finds a key of the project by its number, or else by its name:
// exactly one call for a name, one or two for a number, since a name may be one.
func (p *Provider) SSHKey(ctx context.Context, c dcm.Credential, idOrName string) (string, error) {
	const op = "find SSH key"
	client, err := p.client(op, c)
	if err != nil {
		return "", err
	}
	found, response, err := client.SSHKey.Get(ctx, idOrName)
	if err != nil {
		return "", callError(op, response, err)
	}
	if found == nil {
		return "", &dcm.ProviderError{Kind: dcm.KindNotFound, Op: op, Message: "Hetzner knows no SSH key of this id or name in the project"}
	}
	if found.ID == 0 {
		return "", incomplete(op)
	}
	return strconv.FormatInt(found.ID, 10), nil
}

// sshKeys are the keys to put on a new server. Hetzner gives a server without
// any a root password, and e-mails it to the project's owner.
func sshKeys(op, id string) ([]*hcloud.SSHKey, error) {
	if id == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n <= 0 {
		return nil, &dcm.ProviderError{Kind: dcm.KindInvalid, Op: op, Message: "the SSH key's id is not a Hetzner id"}
	}
	return []*hcloud.SSHKey{{ID: n}}, nil
}
