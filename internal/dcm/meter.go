package dcm

import "time"

// Meter counts what alarms watch. Counting makes no network call and cannot
// fail.
type Meter interface {
	Count(m Metric, n int)
	// Lasted notes how long something is, or took.
	Lasted(m Metric, d time.Duration)
}

// Metric is the name of a counter.
type Metric string

// The metrics.
const (
	MetricVMsLaunched     Metric = "VMsLaunched"
	MetricLaunchFailed    Metric = "LaunchFailed"
	MetricVMsReleased     Metric = "VMsReleased"
	MetricReleasePending  Metric = "ReleasePending"
	MetricBackupCompleted Metric = "BackupCompleted"
	MetricBackupFailed    Metric = "BackupFailed"
	MetricBootstrapTheft  Metric = "BootstrapTheft"
	MetricHeartbeatLost   Metric = "HeartbeatLost"
	// MetricWorkLost counts VMs that were released without a last backup.
	MetricWorkLost Metric = "WorkLost"
	// MetricAuditFailed counts entries that the audit log misses.
	MetricAuditFailed Metric = "AuditFailed"
	// MetricOrphansRemoved counts what was deleted because nothing live owned it.
	MetricOrphansRemoved Metric = "OrphansRemoved"
	// MetricOrphanMinutes adds up how long such things outlived their owners. Its
	// target is 0.
	MetricOrphanMinutes Metric = "OrphanMinutes"
	// MetricOrphanCap counts runs that left orphans because they had deleted as
	// many as one may.
	MetricOrphanCap Metric = "OrphanCapReached"
	// MetricOrphansUnclear counts what carries our marks and does not say whose it
	// is: nothing touches it.
	MetricOrphansUnclear Metric = "OrphansUnclear"
	// MetricProviderLimited counts answers of providers that too much was asked.
	MetricProviderLimited Metric = "ProviderLimited"
	// MetricImageRefused counts launches that booted a provider's own image, as it
	// did not take the prepared one.
	MetricImageRefused Metric = "PreparedImageRefused"
	MetricSweepItems   Metric = "SweepItems"
	MetricSweepFailed  Metric = "SweepItemsFailed"
	MetricSweepSuccess Metric = "SweepSuccess"
	// MetricSweepBusy counts runs that did nothing, as another was at work.
	MetricSweepBusy Metric = "SweepBusy"
	// MetricOldestDue is for how long the longest waiting item had been due when a
	// run began.
	MetricOldestDue Metric = "OldestDueSeconds"
	// MetricSweepDue counts what was due when a run looked; of that,
	// MetricSweepItems was done and MetricSweepFailed tried in vain.
	MetricSweepDue Metric = "SweepItemsDue"
)
