package objects

import (
	"fmt"

	"filippo.io/age"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// identities makes age X25519 identities.
type identities struct{}

// NewIdentity returns an identity and its recipient.
func (identities) NewIdentity() (dcm.Secret, string, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return dcm.Secret{}, "", fmt.Errorf("make an age identity: %w", err)
	}
	return dcm.NewSecret(identity.String()), identity.Recipient().String(), nil
}
