package api_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// errand is something that sweep-keys does, and that may crash at any step.
type errand struct {
	// order makes a workspace with this content and has something done to it.
	order func(w *world, user caller, plain []byte) dcm.WorkspaceID
	// interim checks what must hold at any moment, done what must hold at the end.
	interim func(w *world, t dcm.TenantID, id dcm.WorkspaceID, plain []byte)
	done    func(w *world, t dcm.TenantID, id dcm.WorkspaceID, plain []byte)
}

func errands() map[string]errand {
	readable := func(w *world, t dcm.TenantID, id dcm.WorkspaceID, plain []byte) {
		w.t.Helper()
		if !bytes.Equal(w.read(t, id), plain) {
			w.t.Error("the backup holds something else")
		}
	}
	tidyIn := func(bucket string) func(*world, dcm.TenantID, dcm.WorkspaceID, []byte) {
		return func(w *world, t dcm.TenantID, id dcm.WorkspaceID, plain []byte) {
			w.t.Helper()
			w.tidy(t, id, bucket, plain)
		}
	}
	rotate := func(_ *world, user caller, plain []byte) dcm.WorkspaceID {
		id := user.saved(plain)
		user.rotate(id)
		return id
	}
	return map[string]errand{
		"rotation": {order: rotate, interim: readable, done: tidyIn(platformBucket)},
		"rotation without versions": {
			order: func(w *world, user caller, plain []byte) dcm.WorkspaceID {
				user.call("POST", "/tenant/storage", w.plainBody()).expect(w.t, 201)
				return rotate(w, user, plain)
			},
			interim: readable, done: tidyIn(plainBucket),
		},
		"move": {
			order: func(w *world, user caller, plain []byte) dcm.WorkspaceID {
				id := user.saved(plain)
				user.call("POST", "/tenant/storage", w.storageBody()).expect(w.t, 201)
				return id
			},
			interim: readable, done: tidyIn(ownBucket),
		},
		"deletion": {
			order: func(w *world, user caller, plain []byte) dcm.WorkspaceID {
				id := user.saved(plain)
				user.call("DELETE", "/workspaces/"+string(id), nil).expect(w.t, 202)
				return id
			},
			interim: func(w *world, t dcm.TenantID, id dcm.WorkspaceID, _ []byte) {
				w.t.Helper()
				if a := w.user(t).call("POST", "/vms", w.resumeBody(id)); a.status != 409 && a.status != 404 {
					w.t.Errorf("launched while it was being deleted: %d %s", a.status, a.body)
				}
			},
			done: func(w *world, t dcm.TenantID, id dcm.WorkspaceID, _ []byte) {
				w.t.Helper()
				if strings.Contains(strings.Join(w.BucketKeys(platformBucket), " "), string(id)) || len(w.keysOf(id)) != 0 || len(w.State().Uploads) != 0 {
					w.t.Error("something is left")
				}
				w.user(t).call("GET", "/workspaces/"+string(id), nil).expect(w.t, 404)
			},
		},
	}
}

// TestAnyStepMayCrash kills sweep-keys at every one of its calls in turn, once
// before the call has done anything and once after, has nothing work from then
// on, and lets a later run carry on.
func TestAnyStepMayCrash(t *testing.T) {
	t.Parallel()
	for name, e := range errands() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := e.calls(t)
			for _, service := range slices.Sorted(maps.Keys(calls)) {
				for operation, n := range calls[service] {
					t.Run(service+" "+operation, func(t *testing.T) {
						t.Parallel()
						e.crash(t, service, operation, n)
					})
				}
			}
		})
	}
}

// calls are what sweep-keys calls when nothing crashes.
func (e errand) calls(t *testing.T) map[string]map[string]int {
	w := newWorld(t, nil)
	w.bringAlong()
	user, plain := w.user("acme"), work(t)
	id := e.order(w, user, plain)
	calls := w.callsDuring(w.sweepKeys)
	e.done(w, "acme", id, plain)
	return calls
}

// crashStride says how many calls lie between two that are tried: 9, or what
// DCM_CRASH_STRIDE asks for. make crash tries every one.
func crashStride(t *testing.T) int {
	t.Helper()
	text := os.Getenv("DCM_CRASH_STRIDE")
	if text == "" {
		return 9
	}
	stride, err := strconv.Atoi(text)
	if err != nil || stride < 1 {
		t.Fatalf("DCM_CRASH_STRIDE=%q", text)
	}
	return stride
}

// crash kills it at each call of one operation. An answer that is lost matters
// only where the call has changed something.
func (e errand) crash(t *testing.T, service, operation string, calls int) {
	w := newWorld(t, nil)
	w.bringAlong()
	stride := crashStride(t)
	if operation == "Query" {
		stride *= 4 // most of them ask the same of another shard
	}
	for step := 0; step < calls; step += stride {
		for _, lost := range []bool{false, true} {
			if lost && !changes(operation) {
				continue
			}
			tenant := dcm.TenantID(fmt.Sprintf("t%d-%t", step, lost))
			user, plain := w.user(tenant), []byte(rand.Text())
			if operation == "UploadPart" {
				plain = work(t)
			}
			id := e.order(w, user, plain)
			w.die(service, operation, step, lost)
			caller{w: w}.call("POST", "/_local/schedules/sweep-keys", nil)
			w.clearFaults()
			e.interim(w, tenant, id, plain)
			// One finds the lease taken; the next, after a run that was killed, may
			// come to the workspaces before their tenant.
			for range 3 {
				w.advance(11 * time.Minute)
				w.sweepKeys()
			}
			e.done(w, tenant, id, plain)
			if t.Failed() {
				t.Fatalf("call %d, its answer lost: %t", step, lost)
			}
		}
	}
}

// TestManyCrashesInARow orders a new key and a move at once, and has the sweep
// crash anywhere, again and again, before it is left alone.
func TestManyCrashesInARow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.bringAlong()
	user, plain := w.user("acme"), work(t)
	id := user.saved(plain)
	user.rotate(id)
	user.call("POST", "/tenant/storage", w.storageBody()).expect(t, 201)
	random := mathrand.New(mathrand.NewPCG(2026, 11))
	operations := map[string][]string{
		"dynamodb": {"UpdateItem", "TransactWriteItems", "BatchGetItem"},
		"s3": {
			"GetObject", "PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "HeadObject",
			"ListMultipartUploads", "ListObjectVersions", "DeleteObjects", "DeleteObject",
		},
	}
	for range 30 {
		service := []string{"dynamodb", "s3"}[random.IntN(2)]
		operation := operations[service][random.IntN(len(operations[service]))]
		step, lost := random.IntN(4), random.IntN(2) == 0
		w.die(service, operation, step, lost)
		caller{w: w}.call("POST", "/_local/schedules/sweep-keys", nil)
		w.clearFaults()
		if !bytes.Equal(w.read("acme", id), plain) {
			t.Fatalf("after %s %s, call %d: the backup holds something else", service, operation, step)
		}
		if random.IntN(8) == 0 {
			user.rotate(id)
		}
		w.advance(time.Hour)
	}
	for range 3 {
		w.advance(7 * time.Hour)
		w.sweepKeys()
	}
	w.tidy("acme", id, ownBucket, plain)
}

// die has an operation fail from a call on, and that call's answer be lost
// instead. The errors are such that no client tries again.
func (w *world) die(service, operation string, step int, lost bool) {
	w.t.Helper()
	if lost {
		w.fault(map[string]any{"service": service, "operation": operation, "mode": "lost_answer", "after": step, "count": 1})
	}
	w.fault(map[string]any{"service": service, "operation": operation, "mode": "error", "code": refusals[service], "after": step})
}

// refusals are errors that no client tries again.
var refusals = map[string]string{"dynamodb": "ValidationException", "kms": "DisabledException", "s3": "InvalidRequest"}

func changes(operation string) bool {
	return !slices.Contains([]string{
		"Query", "GetItem", "BatchGetItem", "Decrypt", "GetObject", "HeadObject", "ListParts", "ListMultipartUploads", "ListObjectVersions",
	}, operation)
}
