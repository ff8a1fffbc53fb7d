package dcm

import (
	"fmt"
	"io"
	"regexp"
)

// TenantID is a DNS label: it is part of hostnames and of object keys.
type TenantID string

// UserID is the subject of a caller's token.
type UserID string

// WorkspaceID is "ws-" and ten characters.
type WorkspaceID string

// VMID is "vm-" and ten characters: a DNS label, part of hostnames.
type VMID string

// BackupID is "bk-" and ten characters.
type BackupID string

// DefaultTenant is the tenant of a single-tenant installation.
const DefaultTenant TenantID = "default"

var (
	tenantPattern    = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)
	workspacePattern = regexp.MustCompile(`^ws-[a-z2-9]{10}$`)
	vmPattern        = regexp.MustCompile(`^vm-[a-z2-9]{10}$`)
	backupPattern    = regexp.MustCompile(`^bk-[a-z2-9]{10}$`)
)

// Valid reports whether t is a DNS label of at most 32 characters.
func (t TenantID) Valid() bool { return tenantPattern.MatchString(string(t)) }

// Valid reports whether w could have been made by NewWorkspaceID.
func (w WorkspaceID) Valid() bool { return workspacePattern.MatchString(string(w)) }

// Valid reports whether v could have been made by NewVMID.
func (v VMID) Valid() bool { return vmPattern.MatchString(string(v)) }

// Valid reports whether b could have been made by NewBackupID.
func (b BackupID) Valid() bool { return backupPattern.MatchString(string(b)) }

// ServerName is the VM's name at its provider, unique per provider project,
// so that a create whose answer was lost can be found again.
func (v VMID) ServerName() string { return "dcm-" + string(v) }

// NewVMID draws an id from random.
func NewVMID(random io.Reader) (VMID, error) {
	s, err := randomText(random, 10)
	return VMID("vm-" + s), err
}

// NewWorkspaceID draws an id from random.
func NewWorkspaceID(random io.Reader) (WorkspaceID, error) {
	s, err := randomText(random, 10)
	return WorkspaceID("ws-" + s), err
}

// NewBackupID draws an id from random.
func NewBackupID(random io.Reader) (BackupID, error) {
	s, err := randomText(random, 10)
	return BackupID("bk-" + s), err
}

// NewPassword draws a terminal password of 120 bits from random.
func NewPassword(random io.Reader) (Secret, error) {
	s, err := randomText(random, 24)
	return NewSecret(s), err
}

// alphabet has 32 letters, none easily mistaken for another, so that five
// bits of randomness make one letter without bias.
const alphabet = "abcdefghijkmnpqrstuvwxyz23456789"

func randomText(random io.Reader, n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("draw random text: %w", err)
	}
	for i, v := range b {
		b[i] = alphabet[v&31]
	}
	return string(b), nil
}
