package api_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/cloudflare"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// stepsPerWorld is after how many steps the next ones begin from nothing.
const stepsPerWorld = 250

// step is one operation. What it is done to is found by counting, so that every
// list of steps makes sense in every state.
type step struct {
	Do     string
	Tenant int
	Pick   int
	Amount int
}

func operations() []string {
	all := make([]string, 0, len(steps()))
	for _, s := range steps() {
		for range s.weight {
			all = append(all, s.name)
		}
	}
	return all
}

// TestTenantsBehaveAsTheModel drives random operations of three tenants through
// the API, and compares, after every one, all that can be seen with a small
// model. DCM_PROPERTY_STEPS and DCM_PROPERTY_SEED say how many and which; the
// same seed makes the same steps. `make property` takes 10,000.
func TestTenantsBehaveAsTheModel(t *testing.T) {
	t.Parallel()
	count, seed := number(t, "DCM_PROPERTY_STEPS", 250), number(t, "DCM_PROPERTY_SEED", 20261124)
	if seed == 0 {
		seed = int(time.Now().UnixNano() & 0x7fffffff)
	}
	for i := 0; i*stepsPerWorld < count; i++ {
		n := min(stepsPerWorld, count-i*stepsPerWorld)
		t.Run(fmt.Sprintf("seed %d", seed+i), func(t *testing.T) {
			t.Parallel()
			play(t, rapid.SliceOfN(stepGenerator(), n, n).Example(seed+i))
		})
	}
}

func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

func stepGenerator() *rapid.Generator[step] {
	return rapid.Custom(func(t *rapid.T) step {
		return step{
			Do:     rapid.SampledFrom(operations()).Draw(t, "do"),
			Tenant: rapid.IntRange(0, 2).Draw(t, "tenant"),
			Pick:   rapid.IntRange(0, 99).Draw(t, "pick"),
			Amount: rapid.IntRange(1, 25).Draw(t, "amount"),
		}
	})
}

// play plays the steps in a new world.
func play(t *testing.T, all []step) {
	w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": strconv.Itoa(modelQuota)})
	m := &model{world: w}
	w.heard = m.hear
	for i, id := range []dcm.TenantID{"acme", "beta", "gamma"} {
		m.tenants = append(m.tenants, m.newTenant(i, id))
	}
	actions := map[string]func(*modelTenant, step){}
	for _, s := range steps() {
		actions[s.name] = func(x *modelTenant, now step) { s.do(m, x, now) }
	}
	played := []string{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the last of %d steps: %v", len(played), played[max(0, len(played)-25):])
		}
	})
	for _, s := range all {
		played = append(played, fmt.Sprintf("%s %s/%d/%d", m.tenants[s.Tenant].id, s.Do, s.Pick, s.Amount))
		actions[s.Do](m.tenants[s.Tenant], s)
		m.calm(s)
		if s.Do == "advance" || s.Do == "sweep" || s.Do == "settle" {
			m.check(m.tenants...)
		} else {
			m.check(m.tenants[s.Tenant])
		}
		if t.Failed() {
			return
		}
	}
	for _, x := range m.tenants {
		for _, vm := range x.live() {
			x.user.force(vm.id)
		}
	}
	m.settle(nil, step{})
	m.check(m.tenants...)
	w.nothingLeft()
}

// newTenant makes a tenant, and outside what it may bring along.
func (m *model) newTenant(i int, id dcm.TenantID) *modelTenant {
	x := &modelTenant{id: id, user: m.user(id), heard: map[entry]int{}, unheard: map[entry]int{}}
	x.zone = fmt.Sprintf("%032x", 0xabc0+i)
	name := string(id)
	m.AddHetznerToken(name+"-hetzner-token", hetzner.Token{Project: name})
	m.AddZone(x.zone, name+".test")
	m.AddCloudflareToken(name+"-dns-token", cloudflare.Token{Zones: []string{x.zone}})
	m.AddBucket(name+"-bucket", true, "AKIA"+name, dcm.NewSecret(name+"-secret"))
	return x
}

func (m *model) settings(x *modelTenant, which int) (path string, body map[string]any) {
	name := string(x.id)
	switch which % 3 {
	case 0:
		return "/tenant/providers", map[string]any{"type": "hetzner", "apiToken": name + "-hetzner-token"}
	case 1:
		return "/tenant/dns", map[string]any{"type": "custom", "zoneId": x.zone, "apiToken": name + "-dns-token", "baseDomain": "dev." + name + ".test"}
	default:
		return "/tenant/storage", map[string]any{
			"type": "custom", "endpoint": m.Endpoint("s3"), "bucket": name + "-bucket", "region": "eu-central-1",
			"accessKeyId": "AKIA" + name, "secretAccessKey": name + "-secret",
		}
	}
}
