package local

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/apigateway"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sam"
)

// tick is how often the schedules look at the clock, which may have been
// advanced.
const tick = 250 * time.Millisecond

// schedules runs functions as EventBridge does, by the stack's clock. A clock
// that was advanced past several runs makes up for them in one.
type schedules struct {
	clock  *Clock
	api    *apigateway.Gateway
	logger *slog.Logger

	// held is locked while no schedule may run.
	held sync.Mutex
	list []*schedule
}

type schedule struct {
	sam.Schedule
	next time.Time
}

func newSchedules(clock *Clock, api *apigateway.Gateway, all []sam.Schedule, logger *slog.Logger) *schedules {
	s := &schedules{clock: clock, api: api, logger: logger}
	for _, one := range all {
		if one.Enabled {
			s.list = append(s.list, &schedule{one, clock.Now().Add(one.Every)})
		}
	}
	return s
}

// run goes on until ctx ends.
func (s *schedules) run(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.runDue(ctx)
		}
	}
}

func (s *schedules) runDue(ctx context.Context) {
	s.held.Lock()
	defer s.held.Unlock()
	now := s.clock.Now()
	for _, one := range s.list {
		if now.Before(one.next) {
			continue
		}
		one.next = now.Add(one.Every)
		if _, err := s.invoke(ctx, one.Schedule); err != nil && ctx.Err() == nil {
			s.logger.Error("a scheduled function failed", "function", one.Function, "error", err)
		}
	}
}

// now runs a function's schedule at once, with this payload instead of its own
// unless it is empty, and returns the function's answer. ok is false if it has
// none.
func (s *schedules) now(ctx context.Context, function string, payload []byte) (answer json.RawMessage, ok bool, err error) {
	s.held.Lock()
	defer s.held.Unlock()
	for _, one := range s.list {
		if one.Function == function {
			if len(payload) > 0 {
				answer, err = s.api.Invoke(ctx, function, payload)
				return answer, true, err
			}
			answer, err = s.invoke(ctx, one.Schedule)
			return answer, true, err
		}
	}
	return nil, false, nil
}

func (s *schedules) invoke(ctx context.Context, one sam.Schedule) (json.RawMessage, error) {
	event := []byte(one.Input)
	if len(event) == 0 {
		var err error
		event, err = json.Marshal(map[string]any{
			"version": "0", "id": "00000000-0000-0000-0000-000000000000", "detail-type": "Scheduled Event", "source": "aws.events",
			"account": "000000000000", "time": s.clock.Now().Format(time.RFC3339), "region": region,
			"resources": []string{"arn:aws:events:" + region + ":000000000000:rule/" + one.Name}, "detail": struct{}{},
		})
		if err != nil {
			return nil, fmt.Errorf("encode the event: %w", err)
		}
	}
	return s.api.Invoke(ctx, one.Function, event)
}
