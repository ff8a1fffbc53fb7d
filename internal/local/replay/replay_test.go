package replay_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/lambdaruntime"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/outside"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/replay"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sam"
)

const root = "../../.."

// Every function's real binary, built as for deployment, answers its events as
// their names promise, and calls nothing that its role does not allow.
func TestEventsThroughRealBinaries(t *testing.T) {
	t.Parallel()
	world := mustWorld(t)
	fleet := &fleet{t: t, dir: mustBuild(t), world: world, running: map[string]*lambdaruntime.Function{}}
	t.Cleanup(fleet.close)
	samples := mustLoad(t)
	player := &replay.Player{
		Invoke: fleet.invoke, UserData: world.UserData, StorageEndpoint: world.TenantStorage(), Events: samples,
	}

	for _, function := range slices.Sorted(maps.Keys(samples)) {
		for _, e := range samples[function] {
			t.Run(function+"/"+e.Name, func(t *testing.T) {
				fleet.output.reset()
				if err := player.Play(t.Context(), e); err != nil {
					t.Errorf("%v\nlogged meanwhile:\n%s", err, fleet.output.text())
				}
			})
		}
	}
	for _, refused := range world.Roles.Refused() {
		t.Errorf("%s: template.yaml does not allow it", refused)
	}
	for _, unused := range world.Roles.Unused() {
		t.Logf("no event needed %s", unused)
	}
}

func TestEveryFunctionHasAGoodAndABadEvent(t *testing.T) {
	t.Parallel()
	samples := mustLoad(t)
	template, err := sam.Load(filepath.Join(root, "template.yaml"), sam.Options{Parameters: map[string]string{
		"BaseDomain": "example.test", "CloudflareZoneId": "zone", "JwtIssuer": "https://issuer.test",
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range template.Functions {
		var good, bad int
		for _, e := range samples[f.Name] {
			if e.Good() {
				good++
			} else {
				bad++
			}
		}
		scheduled := slices.ContainsFunc(template.Schedules, func(s sam.Schedule) bool { return s.Function == f.Name })
		if good == 0 || bad == 0 && !scheduled {
			t.Errorf("%s has %d good and %d bad events", f.Name, good, bad)
		}
	}
}

// fleet runs the binaries, each on first use, one event at a time.
type fleet struct {
	t     *testing.T
	dir   string
	world *outside.World

	mu      sync.Mutex
	running map[string]*lambdaruntime.Function
	output  output
}

// output is what the functions print. They print while it is read.
type output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(b)
}

func (o *output) reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buffer.Reset()
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

func (f *fleet) invoke(ctx context.Context, name string, event []byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	function, ok := f.running[name]
	if !ok {
		var err error
		if function, err = f.start(name); err != nil {
			return nil, err
		}
		f.running[name] = function
	}
	return function.Invoke(ctx, event)
}

func (f *fleet) start(name string) (*lambdaruntime.Function, error) {
	described := f.world.Template.Function(name)
	if described == nil {
		return nil, fmt.Errorf("template.yaml has no function %s", name)
	}
	return lambdaruntime.Start(lambdaruntime.Options{
		Bootstrap: filepath.Join(f.dir, name, "bootstrap"), Name: "local-" + name,
		Environment: f.world.Environment(*described),
		Timeout:     described.Timeout + 30*time.Second, // a loaded machine is not what is tested here
		MemoryMB:    described.MemoryMB, Output: &f.output,
	})
}

func (f *fleet) close() {
	for name, function := range f.running {
		if err := function.Close(); err != nil {
			f.t.Errorf("end %s: %v", name, err)
		}
	}
}

func mustWorld(t *testing.T) *outside.World {
	t.Helper()
	world, err := outside.Start(t.Context(), filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := world.Close(); err != nil {
			t.Errorf("close the world: %v", err)
		}
	})
	return world
}

func mustLoad(t *testing.T) map[string][]replay.Event {
	t.Helper()
	samples, err := replay.Load(filepath.Join(root, "events"))
	if err != nil {
		t.Fatal(err)
	}
	if len(samples) == 0 {
		t.Fatal("there are no events")
	}
	return samples
}

// mustBuild returns the folder with every function's binary, built by the
// Makefile's own rules: DCM_FUNCTIONS, or else one made for this test.
func mustBuild(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("DCM_FUNCTIONS"); dir != "" {
		return dir
	}
	dist := t.TempDir()
	build := exec.Command("make", "--no-print-directory", "-C", root, "DIST="+dist, "functions-host")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the functions: %v\n%s", err, out)
	}
	return filepath.Join(dist, "functions", runtime.GOARCH)
}
