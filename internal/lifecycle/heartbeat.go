package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Heart listens to the agents. A heartbeat that brings nothing new costs one
// read; liveness is not idleness, and no heartbeat postpones a boot, idle or
// lifetime deadline.
type Heart struct {
	Common
	Tokens dcm.Tokens
}

// Beat takes a heartbeat and answers what the VM should do. CodeInvalid,
// CodeNotFound.
func (h *Heart) Beat(ctx context.Context, who dcm.TokenClaims, beat dcm.Heartbeat, from Origin) (dcm.HeartbeatAnswer, error) {
	if err := checkHeartbeat(beat); err != nil {
		return dcm.HeartbeatAnswer{}, err
	}
	if beat.Error != nil {
		beat.Error = &dcm.Problem{Code: beat.Error.Code, Message: clip(beat.Error.Message)}
	}
	tenant := h.Store.Tenant(who.Tenant)
	vm, err := tenant.PeekVM(ctx, who.VM)
	if err != nil {
		return dcm.HeartbeatAnswer{}, fmt.Errorf("read %s: %w", who.VM, err)
	}
	renew := false
	if change := h.news(vm, beat); change != nil {
		if renew = renewable(who, vm, h.Clock.Now()); renew {
			change.IfLastSeenAt = vm.LastSeenAt
		}
		changed, err := tenant.ChangeVM(ctx, vm.ID, *change)
		if err != nil && !errors.Is(err, dcm.ErrLostRace) {
			return dcm.HeartbeatAnswer{}, fmt.Errorf("record the heartbeat of %s: %w", vm.ID, err)
		}
		if err == nil {
			h.count(ctx, vm, changed)
			h.noteBootstrap(ctx, vm, changed, from)
		}
		renew = renew && err == nil
		vm = changed
	}
	answer := command(vm)
	if renew {
		token, err := issueVMToken(ctx, h.Tokens, vm, h.Clock.Now())
		if err != nil {
			return dcm.HeartbeatAnswer{}, err
		}
		answer.Token = token.Reveal()
	}
	return answer, nil
}

// renewable reports whether a heartbeat that is written also renews the token.
// A signature costs more than a heartbeat, and whoever has an old token may send
// as many of these as he likes: the write moves LastSeenAt, and on the condition
// that nobody else has moved it there is one renewal in each interval. A VM that
// nothing is written of any more has nothing to save, and needs no token.
func renewable(who dcm.TokenClaims, vm dcm.VM, now time.Time) bool {
	return who.PastHalfLife(now) && vm.LastSeenAt != nil &&
		vm.LastSeenAt.Before(now.Truncate(dcm.TokenRenewalInterval))
}

// command is what a VM in this state should do.
func command(vm dcm.VM) dcm.HeartbeatAnswer {
	switch vm.Status {
	case dcm.StatusCreating, dcm.StatusRunning:
		return dcm.HeartbeatAnswer{Command: dcm.CommandNone}
	case dcm.StatusStopped:
		return dcm.HeartbeatAnswer{Command: dcm.CommandStop, Reason: vm.StopReason, Discard: true}
	default:
		return dcm.HeartbeatAnswer{Command: dcm.CommandStop, Reason: vm.StopReason, Discard: vm.Force || vm.RunningAt == nil}
	}
}

// news returns the write that this heartbeat needs, or nil for none.
func (h *Heart) news(vm dcm.VM, beat dcm.Heartbeat) *dcm.VMChange {
	now := h.Clock.Now()
	if !vm.Status.Active() || vm.Status == dcm.StatusStopping && mayRelease(vm) {
		return nil
	}
	if vm.Status == dcm.StatusStopping && vm.RunningAt == nil && beat.State != dcm.AgentRunning {
		// Nothing was ever ready: the release need not wait for this VM.
		return nil
	}
	due := nextLook(vm, beat, now)
	change := &dcm.VMChange{
		From: []dcm.Status{vm.Status}, LastSeenAt: &now, DueAt: &due, Signals: &beat.Signals,
		IdleSince: beat.IdleSince, ClearIdle: beat.IdleSince == nil,
		Error: beat.Error, ClearError: beat.Error == nil && clearable(vm.Error),
	}
	if beat.Version != vm.AgentVersion && beat.Version != "" {
		change.AgentVersion = &beat.Version
	}
	if beat.Runtime != vm.Runtime && beat.Runtime != "" {
		change.Runtime = &beat.Runtime
	}
	if beat.Phase != vm.Phase {
		change.Phase = &beat.Phase
	}
	if vm.Boot == nil {
		change.Boot = beat.Boot
	}
	moved := h.move(vm, beat, now, change)
	told := change.Boot != nil || change.AgentVersion != nil || change.Runtime != nil || change.Phase != nil ||
		!sameProblem(vm.Error, beat.Error) && (beat.Error != nil || change.ClearError) ||
		(vm.IdleSince == nil) != (beat.IdleSince == nil)
	if !moved && !told && !stale(vm, now) {
		return nil
	}
	return change
}

// move adds the change of status that the heartbeat asks for, if any.
func (h *Heart) move(vm dcm.VM, beat dcm.Heartbeat, now time.Time, c *dcm.VMChange) bool {
	stop := func(reason dcm.StopReason) bool {
		status := dcm.StatusStopping
		due := now.Add(dcm.HeartbeatLostAfter)
		c.Status, c.StopReason, c.StoppingAt, c.DueAt = &status, &reason, &now, &due
		return true
	}
	switch {
	case vm.Status == dcm.StatusStopping && vm.RunningAt == nil:
		// It was ready before it was stopped, and nobody had heard so: there may
		// be work in it.
		c.RunningAt = &now
		return true
	case vm.Status == dcm.StatusStopping:
		return false
	case beat.State == dcm.AgentFailed && vm.Status == dcm.StatusCreating:
		return stop(dcm.StopCreateFailed)
	case beat.State == dcm.AgentStopping:
		return stop(beat.Reason)
	case !now.Before(vm.ExpiresAt):
		return stop(dcm.StopMaxLifetime)
	case vm.Status == dcm.StatusCreating && beat.State == dcm.AgentRunning && vm.ProviderID != "":
		status := dcm.StatusRunning
		c.Status, c.RunningAt, c.IfProviderID = &status, &now, true
		due := earliest(now.Add(dcm.HeartbeatLostAfter), vm.ExpiresAt)
		c.DueAt = &due
		return true
	}
	return false
}

// nextLook is when a sweep looks at a VM that has just called. One that stops
// is not given up while its last backup moves, however long that takes.
func nextLook(vm dcm.VM, beat dcm.Heartbeat, now time.Time) time.Time {
	due := earliest(now.Add(dcm.HeartbeatLostAfter), hardDeadline(vm))
	if vm.Status != dcm.StatusStopping || !beat.Backup.Moves() || now.Add(dcm.HeartbeatLostAfter).Before(hardDeadline(vm)) {
		return due
	}
	longer := earliest(now.Add(dcm.MovingSilence), stoppedAt(vm).Add(dcm.MovingStopGrace))
	if longer.After(due) {
		return longer
	}
	return due
}

// hardDeadline is what no heartbeat postpones, but for nextLook's exception.
func hardDeadline(vm dcm.VM) time.Time {
	switch vm.Status {
	case dcm.StatusCreating:
		if vm.ProviderID == "" {
			return vm.CreatedAt.Add(dcm.LaunchDeadline)
		}
		return earliest(vm.CreatedAt.Add(dcm.ReadyDeadline), vm.ExpiresAt)
	case dcm.StatusStopping:
		if vm.StoppingAt != nil {
			return vm.StoppingAt.Add(dcm.StopGrace)
		}
	}
	return vm.ExpiresAt
}

// stale says that the record knows so little of the VM's life that this
// heartbeat must be written, though it brings nothing else: about every fourth.
func stale(vm dcm.VM, now time.Time) bool {
	return vm.LastSeenAt == nil || now.Sub(*vm.LastSeenAt) > dcm.HeartbeatWriteAfter
}

// clearable says that a heartbeat without an error means that this one is over.
func clearable(p *dcm.Problem) bool {
	return p != nil && (p.Code == dcm.ProblemBackupFailed || p.Code == dcm.ProblemHeartbeatLost)
}

func sameProblem(a, b *dcm.Problem) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// clip keeps the record below the size at which a heartbeat's read costs more.
func clip(message string) string {
	const ellipsis = "…"
	if len(message) <= dcm.MaxProblemBytes {
		return message
	}
	return strings.ToValidUTF8(message[:dcm.MaxProblemBytes-len(ellipsis)], "") + ellipsis
}

// count lets alarms fire at the moment something fails, not when it is found.
func (h *Heart) count(ctx context.Context, before, after dcm.VM) {
	if p := after.Error; p != nil && p.Code == dcm.ProblemBackupFailed && !sameProblem(before.Error, p) {
		h.Meter.Count(dcm.MetricBackupFailed, 1)
		h.Log.ErrorContext(ctx, "backup failed", "vm", after.ID, "tenant", after.TenantID, "problem", p.Message)
	}
}

// noteBootstrap adds a bootstrap that could not be noted itself to the audit
// log, with the VM's first heartbeat: a bootstrap may cost two calls, and this
// one needed both.
func (h *Heart) noteBootstrap(ctx context.Context, before, after dcm.VM, from Origin) {
	if before.LastSeenAt != nil || !notedLater(after) || after.BootstrappedAt == nil {
		return
	}
	detail := ""
	if after.Restore != nil {
		detail = fmt.Sprintf("to restore generation %d", after.Restore.Generation)
	}
	e, err := h.event(resourceOf(after), dcm.ActorVM, "vms-bootstrap", from, detail)
	e.At = *after.BootstrappedAt
	h.note(ctx, after.TenantID, e, err)
}

func checkHeartbeat(b dcm.Heartbeat) error {
	var wrong []dcm.FieldError
	add := func(field, message string) { wrong = append(wrong, dcm.FieldError{Field: field, Message: message}) }
	switch b.State {
	case dcm.AgentBooting, dcm.AgentRunning, dcm.AgentFailed:
	case dcm.AgentStopping:
		switch b.Reason {
		case dcm.StopUser, dcm.StopIdle, dcm.StopMaxLifetime, dcm.StopBudget:
		default:
			add("reason", "must be user, idle, max_lifetime or budget")
		}
	default:
		add("state", "must be booting, running, stopping or failed")
	}
	if !b.Phase.Valid() {
		add("phase", "is not a phase")
	}
	if b.Error != nil && (b.Error.Code == "" || len(b.Error.Code) > 64) {
		add("error", "must have a code of at most 64 characters")
	}
	for field, text := range map[string]string{"version": b.Version, "runtime": b.Runtime} {
		if strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
			add(field, "must not contain control characters")
		}
	}
	for field, at := range map[string]*time.Time{
		"idleSince": b.IdleSince, "signals.terminal": b.Signals.Terminal, "signals.http": b.Signals.HTTP,
		"signals.ssh": b.Signals.SSH, "signals.files": b.Signals.Files, "signals.cpu": b.Signals.CPU,
	} {
		if at != nil && (at.Year() < 2000 || at.Year() > 2200) {
			add(field, "is not a time of this world")
		}
	}
	if p := b.Backup; p != nil && (p.Bytes < 0 || p.StalledSeconds < 0) {
		add("backup", "must not be negative")
	}
	if len(b.Version) > 64 {
		add("version", "must be at most 64 characters")
	}
	if len(b.Runtime) > 64 {
		add("runtime", "must be at most 64 characters")
	}
	return dcm.InvalidFields(wrong...)
}
