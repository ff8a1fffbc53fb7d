package store_test

import (
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store"
	"github.com/devcontainer-manager/devcontainer-manager/internal/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	onEachBackend(t, func(t *testing.T, b backend) {
		t.Parallel()
		storetest.Run(t, func(t *testing.T, clock dcm.Clock, defaults dcm.Quotas) dcm.Store {
			c := b.client(b.endpoint(t, clock))
			return store.New(c, store.Options{Table: newTable(t, c), DefaultQuotas: defaults, Clock: clock})
		})
	})
}
