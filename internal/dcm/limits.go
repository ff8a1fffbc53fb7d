package dcm

import (
	"hash/fnv"
	"time"
)

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

	// StopGrace is how long a stopping VM that runs, but cannot back up, is
	// kept past its stop, whether it calls or is silent.
	StopGrace = 24 * time.Hour
	// MovingStopGrace is the same for one whose backup is under way and moves:
	// as long as a bucket keeps an unfinished upload.
	MovingStopGrace = 48 * time.Hour
	// AloneAfter is how long a VM that ends, or has not begun, tries to reach a
	// control plane that does not take its calls, before it switches itself off.
	AloneAfter = StopGrace
	// AloneTry is how long one tries at least in each boot of its machine: whoever
	// switched it on may be a control plane that is back, and looks three times
	// meanwhile; the network may come up late.
	AloneTry = 3 * HeartbeatLostAfter
	// MovingSilence is for how long such a VM may be silent past StopGrace.
	MovingSilence = time.Hour
	// ReleaseRetry is when a release that could not finish is tried again.
	ReleaseRetry = time.Minute
	// RefusedRetryMax is the most that lies between two tries to release a VM
	// whose tenant's own account refuses the token.
	RefusedRetryMax = time.Hour

	// BudgetInterval is how often a tenant with a monthly limit is held to it.
	BudgetInterval = 10 * time.Minute
	// ReconcileInterval is how often a tenant's own accounts are looked through
	// for what has no owner.
	ReconcileInterval = time.Hour
	// BackupInterval is how often a changed workspace is backed up.
	BackupInterval = 15 * time.Minute
	// StoppedTTL is how long the record of a stopped VM stays readable.
	StoppedTTL = 30 * 24 * time.Hour
	// IdempotencyTTL is how long an Idempotency-Key answers the same VM.
	IdempotencyTTL = 24 * time.Hour

	// SelfDestructAfter is how long cleanup must have failed before a VM that may
	// delete its own server does.
	SelfDestructAfter = 15 * time.Minute
	// BootstrapTokenLife is how long the one secret in user-data works.
	BootstrapTokenLife = 30 * time.Minute
	// VMTokenLife is how long a VM token works. A heartbeat in its second half
	// answers with a fresh one, so that a VM which was cut off is let in again for
	// as long as its record may wait for its last backup.
	VMTokenLife = 2 * MovingStopGrace
	// TokenRenewalInterval bounds what old tokens cost, whoever calls with them:
	// in each interval, from one time of the clock to the next, the first of them
	// whose heartbeat is written is renewed.
	TokenRenewalInterval = 10 * time.Minute
	// UploadURLLife and RestoreURLLife bound presigned URLs.
	UploadURLLife  = time.Hour
	RestoreURLLife = time.Hour
)

// ReconcileAfter is when a tenant's own accounts are looked through next, after
// now. Each tenant has a second of the hour of its own, so that all of them
// spread over it, and an outage makes no herd of them.
func ReconcileAfter(t TenantID, now time.Time) time.Time {
	h := fnv.New32a()
	_, _ = h.Write([]byte(t))
	slot := time.Duration(h.Sum32()%uint32(ReconcileInterval/time.Second)) * time.Second
	at := now.Truncate(ReconcileInterval).Add(slot)
	if !at.After(now) {
		at = at.Add(ReconcileInterval)
	}
	return at
}

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
