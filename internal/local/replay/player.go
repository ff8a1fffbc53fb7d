package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// Player plays events.
type Player struct {
	// Invoke calls a function.
	Invoke func(ctx context.Context, function string, event []byte) ([]byte, error)
	// UserData is what the server of this name was booted with.
	UserData func(server string) (string, bool)
	// StorageEndpoint is where the samples' tenants have a bucket of their own.
	StorageEndpoint string
	// Events are the samples of each function, from Load. Those that succeed
	// also serve to make what other events need.
	Events map[string][]Event
	// HTTP uploads parts of backups; http.DefaultClient if it is nil.
	HTTP *http.Client
}

// Play makes what the event needs, plays it, and compares the answer with what
// the event's name promises.
func (p *Player) Play(ctx context.Context, e Event) error {
	event, err := p.Prepare(ctx, e)
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	answer, err := p.Invoke(ctx, e.Function, event)
	if err != nil {
		return fmt.Errorf("invoke: %w", err)
	}
	return e.Check(answer)
}

// Prepare makes what the event needs and returns it with every placeholder
// filled in.
func (p *Player) Prepare(ctx context.Context, e Event) ([]byte, error) {
	s := &scene{player: p, values: map[string]string{}, played: map[string][]byte{}}
	text, err := s.fill(ctx, e.Text)
	return []byte(text), err
}

// Check compares an answer with what the event's name promises.
func (e Event) Check(answer []byte) error {
	if e.Status == 0 {
		return e.checkRun(answer)
	}
	var response events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(answer, &response); err != nil {
		return fmt.Errorf("the answer is no HTTP response: %w", err)
	}
	if response.StatusCode != e.Status {
		return fmt.Errorf("status %d, want %d: %s", response.StatusCode, e.Status, response.Body)
	}
	if e.Good() && strings.HasPrefix(response.Headers["content-type"], "text/html") {
		// The one page for people.
		if !strings.HasPrefix(response.Body, "<!doctype html>") {
			return fmt.Errorf("the page is no HTML: %.100s", response.Body)
		}
		return nil
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(response.Body), &body); err != nil {
		return fmt.Errorf("the body is no JSON object: %w", err)
	}
	if e.Good() {
		return e.checkType(response, "application/json")
	}
	if body["code"] != e.Code || body["status"] != float64(e.Status) {
		return fmt.Errorf("the problem is %s, want code %q and status %d", response.Body, e.Code, e.Status)
	}
	return e.checkType(response, "application/problem+json")
}

// checkRun compares a sweep's report with what was ordered before the run.
func (e Event) checkRun(answer []byte) error {
	var report struct{ Due, Done, Failed int }
	if err := json.Unmarshal(answer, &report); err != nil {
		return fmt.Errorf("the answer is no report: %s", answer)
	}
	if strings.Contains(e.Text, orderedBefore) && (report.Done == 0 || report.Failed > 0) {
		return fmt.Errorf("what was ordered was not done: %s", answer)
	}
	return nil
}

// orderedBefore is where a schedule's event names what the run finds to do.
const orderedBefore = "ordered before this run"

func (e Event) checkType(response events.APIGatewayV2HTTPResponse, want string) error {
	if got := response.Headers["content-type"]; got != want {
		return fmt.Errorf("content type %q, want %q", got, want)
	}
	return nil
}
