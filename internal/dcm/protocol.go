package dcm

import "time"

// This file is the VM's protocol: what the agent and the control plane say to
// each other, as JSON. Both sides use these types, so they cannot drift.

// AgentConfig is the file that user-data leaves on the VM, mode 0600. Its
// BootstrapToken is the only secret in user-data: it works once, for
// BootstrapTokenLife.
type AgentConfig struct {
	APIURL         string `json:"apiUrl"` // without a trailing slash
	Installation   string `json:"installation"`
	VMID           VMID   `json:"vmId"`
	BootstrapToken string `json:"bootstrapToken"`
}

// BootstrapRequest is the body of POST /vms/{id}/bootstrap. PublicKey is the
// standard base64 of an Ed25519 public key that the agent made; the token is
// bound to the first one that arrives. IP is the VM's own view of its address.
type BootstrapRequest struct {
	PublicKey    string `json:"publicKey"`
	AgentVersion string `json:"agentVersion"`
	IP           string `json:"ip,omitempty"`
}

// BootstrapAnswer is everything the VM needs. It is one of the two answers
// that carry secrets.
type BootstrapAnswer struct {
	VMToken            string      `json:"vmToken"`
	VMID               VMID        `json:"vmId"`
	TenantID           TenantID    `json:"tenantId"`
	WorkspaceID        WorkspaceID `json:"workspaceId"`
	Hostname           string      `json:"hostname"`
	TerminalPassword   string      `json:"terminalPassword"`
	Repository         Repository  `json:"repository"`
	Runtime            string      `json:"runtime"` // "devcontainer" or "host"
	DefaultImage       string      `json:"defaultImage,omitempty"`
	IdleTimeoutMinutes int         `json:"idleTimeoutMinutes"`
	ExpiresAt          time.Time   `json:"expiresAt"`
	HeartbeatSeconds   int         `json:"heartbeatSeconds"`
	BackupSeconds      int         `json:"backupSeconds"`
	// ACMEDirectories are the certificate authorities to ask, in this order; with
	// none the gateway's certificate is signed by itself.
	ACMEDirectories []string `json:"acmeDirectories,omitempty"`
	// Generation is what this VM's backups must name as their base.
	Generation int64    `json:"generation"`
	Restore    *Restore `json:"restore"`
	// SelfDestruct is there only where the VM's tenant has agreed to it for the
	// account of its own that pays for this VM.
	SelfDestruct *SelfDestruct `json:"selfDestruct,omitempty"`
}

// SelfDestruct lets a VM delete its own server, once cleanup has failed for
// SelfDestructAfter. Token is the tenant's at the provider. APIURL is the
// provider's; empty for the one that everybody knows.
type SelfDestruct struct {
	Provider string `json:"provider"`
	APIURL   string `json:"apiUrl,omitempty"`
	Token    string `json:"token"`
}

// Repository is what the VM works on. An empty branch is the default one.
type Repository struct {
	URL    string `json:"url"`
	Branch string `json:"branch,omitempty"`
}

// Restore is the backup a VM starts from. Identities are age identities
// (AGE-SECRET-KEY-1…), one of which opens it. Size is in bytes, SHA256 in
// lower-case hex; both are of the encrypted object.
type Restore struct {
	URL        string   `json:"url"`
	Size       int64    `json:"size"`
	SHA256     string   `json:"sha256"`
	Generation int64    `json:"generation"`
	Identities []string `json:"identities"`
}

// AgentState is what the agent says of itself.
type AgentState string

// The agent's states.
const (
	// AgentBooting: not ready yet; Phase says how far.
	AgentBooting AgentState = "booting"
	// AgentRunning: the workspace is ready.
	AgentRunning AgentState = "running"
	// AgentStopping: the agent is ending the VM by itself, for Reason (idle,
	// max_lifetime, or user after a SIGTERM), and backs up first.
	AgentStopping AgentState = "stopping"
	// AgentFailed: the workspace can't be made; Error says why. There is
	// nothing to back up.
	AgentFailed AgentState = "failed"
)

// Heartbeat is the body of POST /vms/{id}/heartbeat.
type Heartbeat struct {
	State   AgentState `json:"state"`
	Phase   Phase      `json:"phase"`
	Reason  StopReason `json:"reason,omitempty"`
	Runtime string     `json:"runtime,omitempty"`
	Version string     `json:"version,omitempty"`
	Signals Signals    `json:"signals"`
	// IdleSince is when the last sign of work was, once there is none.
	IdleSince *time.Time `json:"idleSince,omitempty"`
	// Error is what is wrong now: clone_failed, restore_failed, build_failed
	// (the default image is running instead), backup_failed.
	Error *Problem `json:"error,omitempty"`
	// Boot is how the boot went, once it is over.
	Boot *BootTrace `json:"boot,omitempty"`
	// Backup is the backup under way, nil for none.
	Backup *BackupProgress `json:"backup,omitempty"`
}

// BackupProgress is how far a backup is. It says for how long nothing moved,
// not when something did: the VM's clock may be wrong.
type BackupProgress struct {
	Bytes          int64 `json:"bytes"` // that storage has taken
	StalledSeconds int   `json:"stalledSeconds"`
}

// Moves reports whether a backup gets on.
func (p *BackupProgress) Moves() bool {
	return p != nil && p.StalledSeconds >= 0 && p.StalledSeconds < int(HeartbeatLostAfter/time.Second)
}

// Codes in Heartbeat.Error and a VM's error.
const (
	ProblemCloneFailed    = "clone_failed"
	ProblemRestoreFailed  = "restore_failed"
	ProblemBuildFailed    = "build_failed"
	ProblemBackupFailed   = "backup_failed"
	ProblemHeartbeatLost  = "heartbeat_lost"
	ProblemBootTimeout    = "boot_timeout"
	ProblemLaunchTimeout  = "launch_timeout"
	ProblemReleaseBlocked = "release_blocked"
	ProblemWorkLost       = "work_lost"
	// ProblemTokenRefused: a VM can't be ended, because its tenant's own account
	// refuses the token.
	ProblemTokenRefused = "token_refused"
	// ProblemUnconfirmed: its owner gave the VM up though nobody could confirm
	// that its server is gone.
	ProblemUnconfirmed = "unconfirmed"
	// ProblemServerGone: the provider no longer knows the server of a live VM.
	ProblemServerGone = "server_gone"
)

// Command is what the control plane wants of the agent.
type Command string

// The commands.
const (
	CommandNone Command = "none"
	// CommandStop: back up, unless Discard is set, then call cleanup.
	CommandStop Command = "stop"
)

// HeartbeatAnswer is the answer to a heartbeat. Token, when present, replaces
// the agent's.
type HeartbeatAnswer struct {
	Command Command    `json:"command"`
	Reason  StopReason `json:"reason,omitempty"`
	Discard bool       `json:"discard,omitempty"`
	Token   string     `json:"token,omitempty"`
}

// BackupStart is the body of POST /vms/{id}/backups. Generation is the one
// this VM restored or last wrote.
type BackupStart struct {
	Generation int64 `json:"generation"`
}

// BackupStarted answers BackupStart. Every part but the last has PartBytes
// bytes. The stream is encrypted to Recipient.
type BackupStarted struct {
	BackupID  BackupID `json:"backupId"`
	PartBytes int64    `json:"partBytes"`
	MaxParts  int      `json:"maxParts"`
	Recipient string   `json:"recipient"`
}

// BackupParts is the body of POST /vms/{id}/backups/{backupId}/parts: parts
// about to be uploaded, at most 32 at once.
type BackupParts struct {
	Parts []PartSpec `json:"parts"`
}

// BackupPartURLs answers BackupParts, in the same order.
type BackupPartURLs struct {
	Parts []PresignedPart `json:"parts"`
}

// BackupComplete is the body of POST /vms/{id}/backups/{backupId}/complete.
// Size and SHA256 are of the whole encrypted stream. PartsSHA256 is the
// SHA-256 of the parts' binary SHA-256 digests, one after the other: what S3
// calls the composite checksum, which the control plane can verify without
// reading the object. Both digests are lower-case hex.
type BackupComplete struct {
	Parts       int    `json:"parts"`
	Size        int64  `json:"size"`
	SHA256      string `json:"sha256"`
	PartsSHA256 string `json:"partsSha256"`
}

// BackupCompleted answers BackupComplete.
type BackupCompleted struct {
	Generation int64 `json:"generation"`
}

// DNSChallenge is the body of POST /vms/{id}/dns-challenge. Value is what a
// certificate authority is to read as TXT at _acme-challenge.{hostname}: the
// unpadded base64url of a SHA-256 digest. Empty, it withdraws every value.
//
// With Account nothing is published or withdrawn, and Value is empty: it asks for
// what binds the VM's account with an authority to the platform's there.
type DNSChallenge struct {
	Value   string       `json:"value"`
	Account *ACMEAccount `json:"account,omitempty"`
}

// ACMEAccount is an account that a VM is about to open with a certificate
// authority that signs for known customers only. Directory is one of the
// bootstrap answer's, NewAccount the address that it names for new accounts, and
// PublicKey the standard base64 of the account's public key, P-256 in PKIX form.
type ACMEAccount struct {
	Directory  string `json:"directory"`
	NewAccount string `json:"newAccount"`
	PublicKey  string `json:"publicKey"`
}

// DNSChallenges answers DNSChallenge: all the values that are published now, and
// where. Binding answers an Account: the externalAccountBinding of RFC 8555 for
// exactly that account, made here so that the key for it is on no VM.
type DNSChallenges struct {
	Name    string       `json:"name"`
	Values  []string     `json:"values"`
	Binding *ACMEBinding `json:"binding,omitempty"`
}

// ACMEBinding is a JSON Web Signature in its flattened form.
type ACMEBinding struct {
	Protected string `json:"protected"`
	Payload   string `json:"payload"`
	Signature string `json:"signature"`
}

// Cleanup is the body of POST /vms/{id}/cleanup: the agent is done, and the
// VM may be deleted. Generation is the newest one the VM wrote or restored.
// Discard says that nothing was saved because nothing was to be.
type Cleanup struct {
	Reason     StopReason `json:"reason"`
	Generation int64      `json:"generation"`
	Discard    bool       `json:"discard,omitempty"`
}
