package store

import (
	"context"
	"fmt"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// NoteAccount is one conditional update, of one part of the account alone.
func (t *tenantStore) NoteAccount(ctx context.Context, n dcm.AccountNote) error {
	account, err := accountAttribute(n)
	if err != nil {
		return fmt.Errorf("note account %s: %w", n.ID, err)
	}
	same := equals(account+".fingerprint", n.Fingerprint)
	var e edit
	if n.Problem != nil {
		e.set(account+"."+attrProblem, itemOfAccountProblem(*n.Problem))
	} else {
		e.remove(account + "." + attrProblem)
	}
	_, won, err := t.update(ctx, profileKey(t.id), &same, e.UpdateBuilder)
	if err == nil && !won {
		err = dcm.ErrLostRace
	}
	if err != nil {
		return fmt.Errorf("note account %s: %w", n.ID, err)
	}
	return nil
}

// accountAttribute is where a profile holds the account. An id has no dots, which
// would be taken for a path.
func accountAttribute(n dcm.AccountNote) (string, error) {
	prefix, known := map[dcm.AccountKind]string{dcm.AccountDNS: dnsPrefix, dcm.AccountStorage: storagePrefix}[n.Kind]
	if !known || n.ID == dcm.PlatformAccount {
		return "", fmt.Errorf("kind %q or id %q is not valid", n.Kind, n.ID)
	}
	return prefix + string(n.ID), nil
}
