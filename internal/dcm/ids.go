package dcm

import (
	"fmt"
	"io"
	"strings"
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

// Valid reports whether t is a DNS label of at most 32 characters.
func (t TenantID) Valid() bool { return isLabel(string(t), 32) }

// Valid reports whether w could have been made by NewWorkspaceID.
func (w WorkspaceID) Valid() bool { return isID(string(w), "ws-") }

// Valid reports whether v could have been made by NewVMID.
func (v VMID) Valid() bool { return isID(string(v), "vm-") }

// Valid reports whether b could have been made by NewBackupID.
func (b BackupID) Valid() bool { return isID(string(b), "bk-") }

// ServerName is the VM's name at its provider, unique per provider project,
// so that a create whose answer was lost can be found again.
func (v VMID) ServerName() string { return "dcm-" + string(v) }

// NewVMID draws an id from random.
func NewVMID(random io.Reader) (VMID, error) {
	s, err := randomText(random, idLetters)
	return VMID("vm-" + s), err
}

// NewWorkspaceID draws an id from random.
func NewWorkspaceID(random io.Reader) (WorkspaceID, error) {
	s, err := randomText(random, idLetters)
	return WorkspaceID("ws-" + s), err
}

// NewBackupID draws an id from random.
func NewBackupID(random io.Reader) (BackupID, error) {
	s, err := randomText(random, idLetters)
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

// idLetters is how many letters follow an id's prefix.
const idLetters = 10

// isID reports whether text is prefix and letters of the alphabet. The ids and
// labels are matched by hand because a regular expression costs every
// function's cold start its compilation.
func isID(text, prefix string) bool {
	rest, ok := strings.CutPrefix(text, prefix)
	return ok && len(rest) == idLetters && madeOf(rest, alphabet)
}

const (
	letters  = "abcdefghijklmnopqrstuvwxyz"
	capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits   = "0123456789"
)

// isLabel reports whether text is a lower-case DNS label of at most length
// characters.
func isLabel(text string, length int) bool {
	return text != "" && len(text) <= length && madeOf(text, letters+digits+"-") &&
		text[0] != '-' && text[len(text)-1] != '-'
}

// madeOf reports whether text has no byte that is not in set.
func madeOf(text, set string) bool {
	for i := range len(text) {
		if strings.IndexByte(set, text[i]) < 0 {
			return false
		}
	}
	return true
}
