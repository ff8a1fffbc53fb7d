package dcm

import "slices"

// Status is where a VM is in its life.
type Status string

// A VM's states. Stopped means: the provider, asked again, no longer knows
// the server, and its DNS is gone.
const (
	StatusCreating Status = "creating"
	StatusRunning  Status = "running"
	StatusStopping Status = "stopping"
	StatusStopped  Status = "stopped"
)

// Statuses lists every status, in the order of a VM's life.
var Statuses = []Status{StatusCreating, StatusRunning, StatusStopping, StatusStopped}

// moves is the one table of legal moves.
var moves = map[Status][]Status{
	StatusCreating: {StatusRunning, StatusStopping},
	StatusRunning:  {StatusStopping},
	StatusStopping: {StatusStopped},
	StatusStopped:  nil,
}

// CanMove reports whether a VM may go from one status to the other.
func CanMove(from, to Status) bool { return slices.Contains(moves[from], to) }

// Valid reports whether s is one of Statuses.
func (s Status) Valid() bool { return slices.Contains(Statuses, s) }

// Active reports whether a VM in this status holds a quota slot.
func (s Status) Active() bool { return s != StatusStopped && s.Valid() }

// StopReason says why a VM ended.
type StopReason string

// Why a VM ended.
const (
	StopUser          StopReason = "user"
	StopIdle          StopReason = "idle"
	StopMaxLifetime   StopReason = "max_lifetime"
	StopHeartbeatLost StopReason = "heartbeat_lost"
	StopCreateFailed  StopReason = "create_failed"
	StopBootTimeout   StopReason = "boot_timeout"
	StopBudget        StopReason = "budget"
)

// Phase is how far the agent has come.
type Phase string

// The agent's phases, in order.
const (
	PhaseBootstrapping Phase = "bootstrapping"
	PhaseRestoring     Phase = "restoring"
	PhaseCloning       Phase = "cloning"
	PhaseBuilding      Phase = "building"
	PhaseReady         Phase = "ready"
)

// Phases lists every phase, in order.
var Phases = []Phase{PhaseBootstrapping, PhaseRestoring, PhaseCloning, PhaseBuilding, PhaseReady}

// Valid reports whether p is one of Phases.
func (p Phase) Valid() bool { return slices.Contains(Phases, p) }
