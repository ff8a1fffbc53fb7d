package store

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// BindBootstrap is one conditional update. BootstrappedAt stays that of the
// first call. A foreign key is said even of a VM that has ended: a theft is a
// theft. With either error the VM is returned as it is.
func (t *tenantStore) BindBootstrap(ctx context.Context, id dcm.VMID, publicKey string, at time.Time) (dcm.VM, error) {
	if publicKey == "" {
		return dcm.VM{}, errors.New("bind bootstrap: no public key")
	}
	condition := statusIn(dcm.StatusCreating, dcm.StatusRunning).
		And(absent(attrBoundKey).Or(equals(attrBoundKey, publicKey)))
	first := expression.Name(attrBootstrapped)
	update := expression.Set(expression.Name(attrBoundKey), expression.Value(publicKey)).
		Set(first, expression.IfNotExists(first, expression.Value(instantOf(at))))
	return t.updateVM(ctx, id, condition, update, func(current dcm.VM) error {
		if current.BoundKey != "" && current.BoundKey != publicKey {
			return dcm.ErrForeignKey
		}
		return dcm.ErrLostRace
	})
}
