package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Recorder adds to the tenants' audit logs.
type Recorder interface {
	Record(ctx context.Context, t dcm.TenantID, e dcm.Event) error
}

// Audit writes what was tried, and what became of it, to the log of the tenant
// that the caller belongs to. Callers who are not known have no log: they are
// in the function's own.
type Audit struct {
	Recorder Recorder
	Clock    dcm.Clock
	Random   io.Reader
	Log      *slog.Logger
	Meter    dcm.Meter
}

const (
	// auditTimeout is how long an answer waits for its entry.
	auditTimeout = 2 * time.Second
	// maxAuditText bounds what an entry repeats of a caller's path.
	maxAuditText = 128
)

// record writes the entry of one call. The change has happened, or not: a
// failure to say so must not turn the answer into another one.
func (a *Audit) record(ctx context.Context, e Endpoint, r *Request, response Response, err error) {
	if a == nil || e.Audit == nil || r == nil || r.Principal.Tenant == "" || !forTheLog(e, response, err) {
		return
	}
	// The change is made, whether or not its caller still waits.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
	defer cancel()
	failure := a.write(ctx, e, r, response, err)
	if failure == nil {
		return
	}
	a.Meter.Count(dcm.MetricAuditFailed, 1)
	a.Log.ErrorContext(ctx, "the audit log misses an entry", "function", e.Name, "requestId", r.RequestID,
		"tenant", string(r.Principal.Tenant), "user", string(r.Principal.User), "vm", string(r.VM.VM),
		"result", result(err), "error", failure.Error())
}

// forTheLog reports whether a call belongs there. A VM may call as often as it
// likes, and its root must not bury its tenant's log under what was refused: of
// that only a theft is kept.
func forTheLog(e Endpoint, response Response, err error) bool {
	if err == nil {
		return !response.Audited
	}
	return e.Audience == "" || dcm.ErrorCode(err) == dcm.CodeForbidden
}

func (a *Audit) write(ctx context.Context, e Endpoint, r *Request, response Response, err error) (failure error) {
	defer func() {
		if p := recover(); p != nil {
			failure = fmt.Errorf("panic: %v", p)
		}
	}()
	id, failure := dcm.NewEventID(a.Random)
	if failure != nil {
		return failure
	}
	event := dcm.Event{
		ID: id, At: a.Clock.Now(), User: r.Principal.User, Actor: dcm.ActorUser, SourceIP: r.SourceIP,
		Action: e.Name, Resource: resource(e, r, response), Result: result(err), RequestID: r.RequestID,
	}
	if e.Audience != "" {
		event.Actor = dcm.ActorVM
	}
	failure = a.Recorder.Record(ctx, r.Principal.Tenant, event)
	if other := response.Tenant; other != "" && other != r.Principal.Tenant && err == nil {
		// It learns that the platform did it, not who works for the platform.
		event.Actor, event.User, event.SourceIP = dcm.ActorPlatform, "", ""
		failure = errors.Join(failure, a.Recorder.Record(ctx, other, event))
	}
	if failure != nil {
		return fmt.Errorf("add to the audit log: %w", failure)
	}
	return nil
}

func resource(e Endpoint, r *Request, response Response) string {
	if response.Resource != "" {
		return response.Resource
	}
	return plain(e.Audit(r))
}

func result(err error) string {
	if err == nil {
		return dcm.ResultOK
	}
	return string(dcm.ErrorCode(err))
}

// plain keeps a path that somebody made up from being long, or from looking
// like something else, in the log.
func plain(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
	if len(s) > maxAuditText {
		s = strings.ToValidUTF8(s[:maxAuditText], "") + "…"
	}
	return s
}
