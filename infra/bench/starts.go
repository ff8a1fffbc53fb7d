package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/lambdaruntime"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/outside"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/replay"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sam"
)

// Targets are ratios to an empty function's start. Linking a provider's client
// and its warming cost what the second allows.
const (
	targetPlain    = 1.6
	targetProvider = 2.2
)

type result struct {
	name  string
	bytes int64
	// Medians, from exec to an answer: refused to an event that needs no call
	// to answer, which is the start alone; served to a real request, with all
	// that it calls; empty of the empty function.
	refused, served, empty time.Duration
	target                 float64
}

// ratio is the start's, which is what a target is set for.
func (r result) ratio() float64 { return float64(r.refused) / float64(r.empty) }

// starts measures cold starts.
type starts struct {
	world  *outside.World
	player *replay.Player
	dir    string
	rounds int
}

// measure starts every function, taking turns with the empty one so that both
// meet the machine in the same mood.
func (s *starts) measure(ctx context.Context) ([]result, error) {
	empty, remove, err := buildEmpty(ctx)
	if err != nil {
		return nil, err
	}
	defer remove()
	var results []result
	for _, name := range slices.Sorted(maps.Keys(s.player.Events)) {
		r, err := s.one(ctx, name, empty)
		if err != nil {
			return nil, fmt.Errorf("measure %s: %w", name, err)
		}
		results = append(results, r)
	}
	return results, nil
}

func (s *starts) one(ctx context.Context, name, empty string) (result, error) {
	f := s.world.Template.Function(name)
	good, bad := first(s.player.Events[name], true), first(s.player.Events[name], false)
	if f == nil || good == nil {
		return result{}, errors.New("the template or the events lack it")
	}
	if bad == nil {
		bad = good // nothing refuses a schedule
	}
	info, err := os.Stat(binary(s.dir, name))
	if err != nil {
		return result{}, fmt.Errorf("find its binary: %w", err)
	}
	r := result{name: name, bytes: info.Size(), target: targetPlain}
	if _, calls := f.Environment["HCLOUD_TOKEN_PARAMETER"]; calls {
		r.target = targetProvider
	}
	var refused, served, reference []time.Duration
	for range s.rounds {
		for e, times := range map[*replay.Event]*[]time.Duration{bad: &refused, good: &served} {
			d, err := s.answer(ctx, *f, *e)
			if err != nil {
				return r, fmt.Errorf("%s: %w", e.Name, err)
			}
			*times = append(*times, d)
		}
		d, _, err := s.start(ctx, sam.Function{Name: "empty", Environment: map[string]string{}}, empty, []byte("{}"))
		if err != nil {
			return r, err
		}
		reference = append(reference, d)
	}
	if bad == good {
		refused = served
	}
	r.refused, r.served, r.empty = median(refused), median(served), median(reference)
	return r, nil
}

// answer times a cold start with a sample, and holds the answer to its promise.
func (s *starts) answer(ctx context.Context, f sam.Function, e replay.Event) (time.Duration, error) {
	event, err := s.player.Prepare(ctx, e)
	if err != nil {
		return 0, err
	}
	d, answer, err := s.start(ctx, f, binary(s.dir, f.Name), event)
	if err != nil {
		return 0, err
	}
	return d, e.Check(answer)
}

// start times one cold start: from before exec until the answer is here.
func (s *starts) start(ctx context.Context, f sam.Function, path string, event []byte) (time.Duration, []byte, error) {
	env := s.world.Environment(f)
	// On loopback nothing speaks TLS, so the system's certificates, which take
	// longer to load than all the rest, are left out. main says what they cost.
	env["SSL_CERT_FILE"], env["SSL_CERT_DIR"] = os.DevNull, os.DevNull
	o := lambdaruntime.Options{
		Bootstrap: path, Name: "bench-" + f.Name, Environment: env, Timeout: time.Minute, MemoryMB: f.MemoryMB,
	}
	began := time.Now()
	function, err := lambdaruntime.Start(o)
	if err != nil {
		return 0, nil, err
	}
	answer, err := function.Invoke(ctx, event)
	took := time.Since(began)
	return took, answer, errors.Join(err, function.Close())
}

// invoke serves the player's preparations, with a process for each.
func (s *starts) invoke(ctx context.Context, name string, event []byte) ([]byte, error) {
	f := s.world.Template.Function(name)
	if f == nil {
		return nil, fmt.Errorf("template.yaml has no function %s", name)
	}
	_, answer, err := s.start(ctx, *f, binary(s.dir, name), event)
	return answer, err
}

// first returns the first sample that succeeds, or the first that is refused
// for the caller's sake, before anything is looked up.
func first(events []replay.Event, good bool) *replay.Event {
	for i, e := range events {
		if good && e.Good() || !good && (e.Status == 401 || e.Status == 403) {
			return &events[i]
		}
	}
	return nil
}

func buildEmpty(ctx context.Context) (path string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "dcm-bench-")
	if err != nil {
		return "", nil, fmt.Errorf("make a folder: %w", err)
	}
	path = filepath.Join(dir, "bootstrap")
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-tags", "lambda.norpc", "-o", path, "./infra/bench/empty")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("build the empty function: %w\n%s", err, out)
	}
	return path, func() { _ = os.RemoveAll(dir) }, nil
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
