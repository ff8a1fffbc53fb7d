package lifecycle

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Bootstrapper gives a new VM everything it needs.
type Bootstrapper struct {
	Common
	Accounts dcm.Accounts
	Storage  dcm.Storage
	Sealer   dcm.Sealer
	Tokens   dcm.Tokens
	Settings AgentSettings
}

// AgentSettings are the installation's choices for every agent.
type AgentSettings struct {
	Runtime           string // "devcontainer" or "host"
	DefaultImage      string
	HeartbeatInterval time.Duration
	BackupInterval    time.Duration
	// ACMEDirectories are the certificate authorities, first choice first.
	ACMEDirectories []string
	// HetznerURL is where VMs find the provider; "" for where everybody does.
	HetznerURL string
}

// Bootstrapped is what a VM is told. NotedLater says that the call has used up
// the reads it may cost: the VM's first heartbeat adds the log's entry.
type Bootstrapped struct {
	Answer     dcm.BootstrapAnswer
	NotedLater bool
}

// notedLater reports whether answering this VM takes a second read.
func notedLater(vm dcm.VM) bool { return vm.Restore != nil || vm.AccountID != dcm.PlatformAccount }

// Bootstrap answers a VM's first call. The bootstrap token is bound to the
// first public key that uses it: the same key may call again, because a lost
// answer must cost nothing; another key is a theft, refused and counted.
// Errors: CodeInvalid, CodeForbidden (another key), CodeConflict (the VM is
// ending), CodeNotFound.
func (b *Bootstrapper) Bootstrap(ctx context.Context, who dcm.TokenClaims, r dcm.BootstrapRequest) (Bootstrapped, error) {
	if err := checkBootstrap(r); err != nil {
		return Bootstrapped{}, err
	}
	vm, err := b.Store.Tenant(who.Tenant).BindBootstrap(ctx, who.VM, r.PublicKey, b.Clock.Now())
	switch {
	case errors.Is(err, dcm.ErrForeignKey):
		b.Meter.Count(dcm.MetricBootstrapTheft, 1)
		b.Log.ErrorContext(ctx, "bootstrap token used with a second key: somebody has stolen it", "vm", who.VM, "tenant", who.Tenant)
		return Bootstrapped{}, dcm.Errorf(dcm.CodeForbidden, "the bootstrap token was used with another key").WithCause(err)
	case errors.Is(err, dcm.ErrLostRace):
		return Bootstrapped{}, dcm.Errorf(dcm.CodeConflict, "the VM is ending").WithCause(err)
	case err != nil:
		return Bootstrapped{}, fmt.Errorf("bind the bootstrap token of %s: %w", who.VM, err)
	}
	answer, err := b.answer(ctx, vm)
	return Bootstrapped{Answer: answer, NotedLater: notedLater(vm)}, err
}

func (b *Bootstrapper) answer(ctx context.Context, vm dcm.VM) (dcm.BootstrapAnswer, error) {
	password, err := b.Sealer.Open(ctx, passwordContext(vm), vm.Password)
	if err != nil {
		return dcm.BootstrapAnswer{}, fmt.Errorf("open the terminal password of %s: %w", vm.ID, err)
	}
	restore, accounts, err := b.restore(ctx, vm)
	if err != nil {
		return dcm.BootstrapAnswer{}, err
	}
	destruct, err := b.selfDestruct(ctx, vm, accounts)
	if err != nil {
		return dcm.BootstrapAnswer{}, err
	}
	token, err := issueVMToken(ctx, b.Tokens, vm, b.Clock.Now())
	if err != nil {
		return dcm.BootstrapAnswer{}, err
	}
	a := dcm.BootstrapAnswer{
		VMToken: token.Reveal(), VMID: vm.ID, TenantID: vm.TenantID, WorkspaceID: vm.WorkspaceID,
		Hostname: vm.Hostname, TerminalPassword: password.Reveal(),
		Repository:         dcm.Repository{URL: vm.RepoURL, Branch: vm.Branch},
		Runtime:            b.Settings.Runtime,
		DefaultImage:       b.Settings.DefaultImage,
		IdleTimeoutMinutes: int(vm.IdleTimeout / time.Minute),
		ExpiresAt:          vm.ExpiresAt,
		HeartbeatSeconds:   int(b.Settings.HeartbeatInterval / time.Second),
		BackupSeconds:      int(b.Settings.BackupInterval / time.Second),
		ACMEDirectories:    b.Settings.ACMEDirectories,
		Restore:            restore,
		SelfDestruct:       destruct,
	}
	if restore != nil {
		// What this answer restores, not what the VM may have written since: an
		// agent that lost its disk must not pass for one that has it.
		a.Generation = restore.Generation
	}
	return a, nil
}

// restore is what the VM starts from, nil for nothing, and whose accounts it
// uses: read together where both are needed, the accounts only where one may
// be the tenant's.
func (b *Bootstrapper) restore(ctx context.Context, vm dcm.VM) (*dcm.Restore, dcm.TenantAccounts, error) {
	tenant := b.Store.Tenant(vm.TenantID)
	switch {
	case vm.Restore == nil && vm.AccountID == dcm.PlatformAccount:
		return nil, dcm.TenantAccounts{}, nil
	case vm.Restore == nil:
		_, accounts, err := tenant.VMWithAccounts(ctx, vm.ID)
		if err != nil {
			err = fmt.Errorf("read the accounts of %s: %w", vm.ID, err)
		}
		return nil, accounts, err
	}
	key, accounts, err := tenant.KeyWithAccounts(ctx, vm.WorkspaceID, vm.Restore.KeyVersion)
	if err != nil {
		return nil, accounts, fmt.Errorf("read key %d of %s: %w", vm.Restore.KeyVersion, vm.WorkspaceID, err)
	}
	restore, err := b.presign(ctx, vm, key, accounts)
	return restore, accounts, err
}

func (b *Bootstrapper) presign(ctx context.Context, vm dcm.VM, key dcm.WorkspaceKey, accounts dcm.TenantAccounts) (*dcm.Restore, error) {
	identity, err := b.Sealer.Open(ctx, keyContext(vm.TenantID, key), key.Sealed)
	if err != nil {
		return nil, fmt.Errorf("open key %d of %s: %w", key.Version, vm.WorkspaceID, err)
	}
	bucket, err := b.Accounts.Bucket(ctx, accounts, vm.Restore.StorageID)
	if err != nil {
		return nil, fmt.Errorf("open the bucket: %w", err)
	}
	url, err := b.Storage.PresignRead(ctx, bucket, vm.Restore.Key, vm.Restore.VersionID, dcm.RestoreURLLife)
	if err != nil {
		return nil, fmt.Errorf("presign the backup of %s: %w", vm.WorkspaceID, err)
	}
	return &dcm.Restore{
		URL: url.Reveal(), Size: vm.Restore.SizeBytes, SHA256: vm.Restore.SHA256,
		Generation: vm.Restore.Generation, Identities: []string{identity.Reveal()},
	}, nil
}

// selfDestruct gives the VM the token of the account that pays for it, if that
// is its tenant's own and the tenant has agreed. The account must still be the
// one that the VM was made with: what is set for another is not about this VM.
func (b *Bootstrapper) selfDestruct(ctx context.Context, vm dcm.VM, accounts dcm.TenantAccounts) (*dcm.SelfDestruct, error) {
	own, ok := accounts.Providers[vm.Provider]
	if !ok || vm.AccountID == dcm.PlatformAccount || own.ID != vm.AccountID || own.SelfDestruct != dcm.SelfDestructProvider {
		return nil, nil
	}
	credential, err := b.Accounts.Credential(ctx, accounts, vm.Provider, vm.AccountID)
	if err != nil {
		return nil, fmt.Errorf("open the credential for %s: %w", vm.Provider, err)
	}
	return &dcm.SelfDestruct{Provider: vm.Provider, APIURL: b.Settings.HetznerURL, Token: credential.Token.Reveal()}, nil
}

func checkBootstrap(r dcm.BootstrapRequest) error {
	var wrong []dcm.FieldError
	if key, err := base64.StdEncoding.DecodeString(r.PublicKey); err != nil || len(key) != 32 {
		wrong = append(wrong, dcm.FieldError{Field: "publicKey", Message: "must be the base64 of an Ed25519 public key"})
	}
	if len(r.AgentVersion) > 64 {
		wrong = append(wrong, dcm.FieldError{Field: "agentVersion", Message: "must be at most 64 characters"})
	}
	if len(r.IP) > 64 {
		wrong = append(wrong, dcm.FieldError{Field: "ip", Message: "must be an IP address"})
	}
	return dcm.InvalidFields(wrong...)
}

func issueVMToken(ctx context.Context, tokens dcm.Tokens, vm dcm.VM, now time.Time) (dcm.Secret, error) {
	token, err := tokens.Issue(ctx, dcm.TokenClaims{
		Audience: dcm.AudienceVM, Tenant: vm.TenantID, VM: vm.ID,
		IssuedAt: now, ExpiresAt: now.Add(dcm.VMTokenLife),
	})
	if err != nil {
		return dcm.Secret{}, fmt.Errorf("issue a token for %s: %w", vm.ID, err)
	}
	return token, nil
}

func keyContext(t dcm.TenantID, k dcm.WorkspaceKey) dcm.SealContext {
	return dcm.SealContext{
		Tenant: t, Purpose: dcm.PurposeWorkspaceKey, Resource: fmt.Sprintf("%s#%d", k.WorkspaceID, k.Version),
	}
}
