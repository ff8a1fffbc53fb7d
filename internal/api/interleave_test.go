package api_test

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// turns lets several functions make their outside calls one at a time, in an
// order that it chooses: whenever all of them wait or have ended, one goes on.
type turns struct {
	mu      sync.Mutex
	running int
	waiting map[string]chan struct{}
	// ahead are the choices to make first; with random, the others are random.
	ahead  []int
	random bool
	// made is what was chosen from how many.
	made []choice
}

type choice struct {
	chosen, among int
	// what is the chosen call, for the reader of a failure.
	what string
}

func newTurns(ahead []int, random bool) *turns {
	return &turns{waiting: map[string]chan struct{}{}, ahead: ahead, random: random}
}

// join says that one more function has begun; leave, that it has ended.
func (t *turns) join()  { t.mu.Lock(); t.running++; t.mu.Unlock() }
func (t *turns) leave() { t.mu.Lock(); defer t.mu.Unlock(); t.running--; t.next() }

// wait holds a function's call until its turn has come.
func (t *turns) wait(call string) {
	t.mu.Lock()
	turn := make(chan struct{})
	t.waiting[call] = turn
	t.running--
	t.next()
	t.mu.Unlock()
	<-turn
}

// next lets one of those that wait go on, once nobody runs.
func (t *turns) next() {
	if t.running > 0 || len(t.waiting) == 0 {
		return
	}
	calls := slices.Sorted(maps.Keys(t.waiting))
	n := 0
	switch {
	case len(t.made) < len(t.ahead):
		n = min(t.ahead[len(t.made)], len(calls)-1)
	case t.random:
		n = rand.IntN(len(calls))
	}
	t.made = append(t.made, choice{n, len(calls), calls[n]})
	t.running++
	close(t.waiting[calls[n]])
	delete(t.waiting, calls[n])
}

// following are the choices of the next order in which not all was tried yet,
// nil after the last.
func following(made []choice) []int {
	for i := len(made) - 1; i >= 0; i-- {
		if made[i].chosen+1 < made[i].among {
			var ahead []int
			for _, c := range made[:i] {
				ahead = append(ahead, c.chosen)
			}
			return append(ahead, made[i].chosen+1)
		}
	}
	return nil
}

// TestCreateAndDeleteAtOnce deletes a VM while it is being created, with the
// calls of both in every order that there is from the moment the VM can be
// known: in make crash all the orders, in make test some. Whatever the order, the
// delete is accepted and nothing is left.
func TestCreateAndDeleteAtOnce(t *testing.T) {
	t.Parallel()
	for name, query := range map[string]string{"delete": "", "force delete": "?force=true"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &race{query: query}
			var relays []*relay
			for _, service := range []string{"dynamodb", "hetzner", "cloudflare"} {
				relays = append(relays, r.relay("vms-create", service), r.relay("vms-delete", service))
			}
			w := newWorld(t, map[string]string{"MAX_CONCURRENT_VMS": "1"}, relays...)
			r.user = w.user("acme")
			r.user.force(r.user.launch().ID) // so that both functions are warm
			if crashStride(t) > 1 {
				for range 20 {
					r.run(nil, true)
				}
				return
			}
			orders := 0
			for ahead := []int{}; ahead != nil && !t.Failed(); orders++ {
				ahead = following(r.run(ahead, false))
			}
			// Fewer would mean that the two no longer meet.
			if t.Logf("%d orders", orders); orders < 100 {
				t.Errorf("only %d orders", orders)
			}
		})
	}
}

// race is a create and a delete of the same VM.
type race struct {
	user  caller
	query string

	mu    sync.Mutex
	turns *turns
	// met is closed when the create has written its intent.
	met chan struct{}
}

func (r *race) relay(function, service string) *relay {
	return &relay{route: route{function, service}, around: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			r.mu.Lock()
			turns, met := r.turns, r.met
			r.mu.Unlock()
			if turns == nil {
				next.ServeHTTP(w, q)
				return
			}
			known := isClosed(met)
			if known {
				turns.wait(function + " " + service)
			}
			answer := &answered{ResponseWriter: w}
			next.ServeHTTP(answer, q)
			intent := function == "vms-create" && strings.HasSuffix(q.Header.Get("X-Amz-Target"), "TransactWriteItems")
			if intent && !known && answer.status == http.StatusOK {
				turns.join() // the delete, which is about to begin
				close(met)
			}
		})
	}}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// answered remembers a response's status.
type answered struct {
	http.ResponseWriter
	status int
}

func (a *answered) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// run makes both, with these choices first, and checks the end.
func (r *race) run(ahead []int, random bool) []choice {
	w, turns, met := r.user.w, newTurns(ahead, random), make(chan struct{})
	r.mu.Lock()
	r.turns, r.met = turns, met
	r.mu.Unlock()
	turns.join()
	var both sync.WaitGroup
	both.Go(func() {
		defer turns.leave()
		if a := r.user.call("POST", "/vms", w.launchBody()); a.status != 201 && a.status != 409 {
			w.t.Errorf("create: %d %s", a.status, a.body)
		}
	})
	<-met
	id := r.user.listed()[0].ID
	both.Go(func() {
		defer turns.leave()
		if a := r.user.call("DELETE", "/vms/"+string(id)+r.query, nil); a.status != 202 {
			w.t.Errorf("delete: %d %s", a.status, a.body)
		}
	})
	both.Wait()
	r.mu.Lock()
	r.turns = nil
	r.mu.Unlock()
	w.advance(dcm.LaunchDeadline)
	w.sweep()
	if r.ended(id); w.t.Failed() {
		w.t.Logf("the order was %v", turns.made)
	}
	return turns.made
}

// ended checks that the VM is stopped for its user's wish, and nothing is left.
func (r *race) ended(id dcm.VMID) {
	w := r.user.w
	w.nothingLeft()
	if vm := r.user.get(id); vm.Status != dcm.StatusStopped || *vm.StopReason != string(dcm.StopUser) {
		w.t.Errorf("ended as %s, %v", vm.Status, vm.StopReason)
	}
	if got := decode[api.Tenant](w.t, r.user.call("GET", "/tenant", nil)); got.Usage.ActiveVMs != 0 {
		w.t.Errorf("%d VMs are counted", got.Usage.ActiveVMs)
	}
}
