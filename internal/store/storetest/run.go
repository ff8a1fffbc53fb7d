// Package storetest is what every implementation of dcm.Store must do: the
// promises of the port, one scenario each, its races, and the attacks a tenant
// could try on another.
package storetest

import (
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
)

// New makes an empty store. It is called once for every scenario.
type New func(t *testing.T, clock dcm.Clock, defaults dcm.Quotas) dcm.Store

// Quota is what the suite asks for as the default quota.
const Quota = 3

// Run runs the suite. Scenarios run in parallel.
func Run(t *testing.T, newStore New) {
	scenarios := []struct {
		name string
		run  func(*testing.T, *subject)
	}{
		{"launch context", launchContext},
		{"create", create},
		{"create refused", createRefused},
		{"create idempotently", createIdempotently},
		{"take over an idempotency key", takeOverKey},
		{"quota", quota},
		{"resume", resume},
		{"read back", readBack},
		{"change", change},
		{"change conditions", changeConditions},
		{"change refused", changeRefused},
		{"due", due},
		{"list", list},
		{"list filtered", listFiltered},
		{"cursor", cursor},
		{"bootstrap", bootstrap},
		{"workspace keys", workspaceKeys},
		{"generation", generation},
		{"finish", finish},
		{"finish and drop", finishAndDrop},
		{"isolation", isolation},
		{"tenant", tenant},
		{"settle a tenant", settle},
		{"accounts", accounts},
		{"replace accounts", replaceAccounts},
		{"accounts key", accountsKey},
		{"note what is wrong with an account", accountNoted},
		{"own provider account", ownProvider},
		{"provider account gone", accountGone},
		{"account replaced", accountReplaced},
		{"allowed providers", allowedProviders},
		{"storage quota", storageQuota},
		{"spend quota", spendQuota},
		{"spend across months", spendAcrossMonths},
		{"more released than reserved", overReleased},
		{"usage", usage},
		{"usage of storage", storedUsage},
		{"workspaces", workspaces},
		{"foreign cursors", foreignCursors},
		{"change workspace", changeWorkspace},
		{"workspace conditions", workspaceConditions},
		{"due workspaces", dueWorkspaces},
		{"replace backup", replaceBackup},
		{"launch on what was", launchOnWhatWas},
		{"retire keys", retireKeys},
		{"drop workspace", dropWorkspace},
		{"rate budget", rate},
		{"rate budgets read along", rateRead},
		{"rate budget of an account", rateOfAccount},
		{"race for a rate budget", raceForRate},
		{"challenges", challenges},
		{"race to bind an account", raceToBindAccount},
		{"reconcile", reconcile},
		{"live VMs", liveVMs},
		{"orphans", orphans},
		{"receipt", receipt},
		{"orphan minutes", orphanMinutes},
		{"race to settle an orphan", raceToSettle},
		{"events", events},
		{"lease", lease},
		{"race for a lease", raceForLease},
		{"event of a move", eventOfMove},
		{"race for a workspace", raceForWorkspace},
		{"race for the quota", raceForQuota},
		{"race for an idempotency key", raceForIdempotencyKey},
		{"race to change", raceToChange},
		{"race of stop and heartbeat", raceOfStopAndHeartbeat},
		{"race to finish", raceToFinish},
		{"race for a generation", raceForGeneration},
		{"race to bind", raceToBind},
		{"race for money", raceForMoney},
		{"race at a month's end", raceAtMonthsEnd},
		{"race to remove an account", raceToRemoveAccount},
		{"race to delete", raceToDelete},
		{"race to replace a backup", raceToReplace},
		{"race to set quotas", raceToSetQuotas},
	}
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			clock := clocktest.New(Start())
			s.run(t, &subject{Store: newStore(t, clock, dcm.Quotas{MaxConcurrentVMs: Quota}), clock: clock})
		})
	}
}

// Start is what the suite's clock shows at first: an odd instant, so that a
// store that rounds is found out.
func Start() time.Time { return time.Date(2026, 11, 24, 8, 30, 15, 123456789, time.UTC) }
