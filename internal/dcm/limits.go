package dcm

import "time"

// How long things may take. Every deadline of the lifecycle is named here.
const (
	// LaunchBudget is how long POST /vms works before what can't be created
	// is undone. It stays below API Gateway's 30 s.
	LaunchBudget = 20 * time.Second
	// LaunchDeadline is when the function that launched a VM is surely dead:
	// a VM without a server by then was abandoned half way.
	LaunchDeadline = 2 * time.Minute
	// BootDeadline is how long a new server has to call bootstrap.
	BootDeadline = 15 * time.Minute
	// ReadyDeadline is how long a VM has from creation to running. Heartbeats
	// do not postpone it.
	ReadyDeadline = 45 * time.Minute

	// HeartbeatInterval is how often the agent calls.
	HeartbeatInterval = time.Minute
	// HeartbeatLostAfter is the silence after which a VM counts as lost.
	HeartbeatLostAfter = 10 * time.Minute
	// HeartbeatWriteAfter is how old a record's lastSeenAt may become before a
	// heartbeat pays for a write: about every fourth does.
	HeartbeatWriteAfter = 4*HeartbeatInterval - HeartbeatInterval/2

	// SilentGrace is how long a stopping VM whose server is off is kept before
	// it is released unsaved.
	SilentGrace = 2 * time.Hour
	// StopGrace is how long a stopping VM that runs, but cannot back up, is
	// kept past its stop, whether it calls or is silent.
	StopGrace = 24 * time.Hour
	// ReleaseRetry is when a release that could not finish is tried again.
	ReleaseRetry = time.Minute

	// BudgetInterval is how often a tenant with a monthly limit is held to it.
	BudgetInterval = 10 * time.Minute
	// BackupInterval is how often a changed workspace is backed up.
	BackupInterval = 15 * time.Minute
	// StoppedTTL is how long the record of a stopped VM stays readable.
	StoppedTTL = 30 * 24 * time.Hour
	// IdempotencyTTL is how long an Idempotency-Key answers the same VM.
	IdempotencyTTL = 24 * time.Hour

	// BootstrapTokenLife is how long the one secret in user-data works.
	BootstrapTokenLife = 30 * time.Minute
	// VMTokenLife is how long a VM token works. A heartbeat in its second
	// half answers with a fresh one.
	VMTokenLife = 12 * time.Hour
	// UploadURLLife and RestoreURLLife bound presigned URLs.
	UploadURLLife  = time.Hour
	RestoreURLLife = time.Hour
)

// Sizes of things.
const (
	// BackupPartBytes is the size of every part of a backup but the last.
	// With S3's limit of 10,000 parts a backup can be 78 GiB.
	BackupPartBytes = 8 << 20
	// MaxBackupParts is S3's limit.
	MaxBackupParts = 10_000
	// MaxUserDataBytes is Hetzner's limit on user-data.
	MaxUserDataBytes = 32 << 10
	// MaxBodyBytes bounds a request's body.
	MaxBodyBytes = 64 << 10
	// MaxProblemBytes bounds a Problem's message as a record keeps it; the
	// store cuts a longer one. It keeps a VM's record under 4 KB, the size at
	// which a heartbeat's read costs more.
	MaxProblemBytes = 472
	// DueShards is how many partitions each kind of due item spreads over.
	DueShards = 4
)
