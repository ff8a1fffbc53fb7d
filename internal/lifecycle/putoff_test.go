package lifecycle_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/lifecycle"
)

// tasked is a tenant with one workspace that is due.
type tasked struct {
	dcm.Store
	dcm.TenantStore
	ws dcm.Workspace
}

func (s *tasked) Tenant(dcm.TenantID) dcm.TenantStore { return s }

func (s *tasked) Workspace(context.Context, dcm.WorkspaceID) (dcm.Workspace, error) { return s.ws, nil }

func (s *tasked) ChangeWorkspace(_ context.Context, _ dcm.WorkspaceID, c dcm.WorkspaceChange) (dcm.Workspace, error) {
	s.ws.DueAt, s.ws.Task = *c.DueAt, c.Task
	return s.ws, nil
}

// TestWhatWasNotTriedComesFirst: or the same few would fail in every run before
// the others of their tenant.
func TestWhatWasNotTriedComesFirst(t *testing.T) {
	t.Parallel()
	tried := errors.New("no")
	t.Run("a VM", func(t *testing.T) {
		t.Parallel()
		next := func(cause error) time.Time {
			o := &outside{vm: live(dcm.StatusRunning, "1")}
			overdue := &lifecycle.Overdue{Common: orphansOf(o).Common}
			if err := overdue.PutOff(t.Context(), dcm.DueVM{}, cause); err != nil || len(o.changed) != 1 {
				t.Fatalf("%v, %+v", err, o.changed)
			}
			return *o.changed[0].DueAt
		}
		if failed, waits := next(tried), next(dcm.ErrNotTried); !failed.Equal(noon.Add(dcm.ReleaseRetry)) || !waits.Before(failed) || !waits.After(noon) {
			t.Errorf("one that failed at %s, one that was not tried at %s", failed, waits)
		}
	})
	t.Run("a workspace", func(t *testing.T) {
		t.Parallel()
		for attempt := range 12 {
			next := func(cause error) time.Time {
				s := &tasked{ws: dcm.Workspace{DueAt: noon, Task: &dcm.WorkspaceTask{Kind: dcm.TaskMove, Attempt: attempt}}}
				tasks := &lifecycle.Tasks{Common: lifecycle.Common{Store: s, Clock: clockAt(noon)}}
				if err := tasks.PutOff(t.Context(), dcm.DueWorkspace{}, cause); err != nil || s.ws.Task.Attempt != attempt+1 {
					t.Fatalf("%v, %+v", err, s.ws.Task)
				}
				return s.ws.DueAt
			}
			if failed, waits := next(tried), next(dcm.ErrNotTried); !waits.Before(failed) || !waits.After(noon) {
				t.Errorf("attempt %d: one that failed at %s, one that was not tried at %s", attempt, failed, waits)
			}
		}
	})
}
