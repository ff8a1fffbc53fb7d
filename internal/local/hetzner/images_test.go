package hetzner_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// TestSnapshots: a snapshot is made while its server is locked, is listed beside
// the system's images, boots servers that it fits, and is deleted.
func TestSnapshots(t *testing.T) {
	t.Parallel()
	a := newAPI(t, hetzner.Options{SnapshotDelay: time.Minute})
	expect := func(got answer, status int, code string) answer {
		t.Helper()
		if got.status != status || got.code() != code {
			t.Fatalf("%d %v, want %d %s", got.status, got.body, status, code)
		}
		return got
	}
	server := a.mustCreate(t, "builder")
	request := fields{"type": "snapshot", "description": "prepared", "labels": fields{"role": "image"}}
	path := "/servers/" + server + "/actions/create_image"
	expect(a.call(t, "full", "POST", path, fields{"type": "backup"}), 422, "invalid_input")
	expect(a.call(t, "another", "POST", path, request), 404, "not_found")
	made := expect(a.call(t, "full", "POST", path, request), 201, "")
	id := fmt.Sprintf("%.0f", made.at("image", "id"))
	if made.at("image", "status") != "creating" || made.at("image", "type") != "snapshot" || made.at("image", "architecture") != "x86" ||
		made.at("action", "status") != "running" || made.at("image", "created_from", "name") != "builder" {
		t.Errorf("it is %v", made.body)
	}

	expect(a.call(t, "full", "POST", path, request), 423, "locked")
	expect(a.call(t, "full", "DELETE", "/servers/"+server, nil), 423, "locked")
	expect(a.call(t, "full", "DELETE", "/images/"+id, nil), 423, "locked")
	expect(a.call(t, "full", "POST", "/servers", order("one").with("image", id)), 422, "invalid_input")
	a.clock.Advance(time.Minute)
	action := expect(a.call(t, "full", "GET", fmt.Sprintf("/actions/%.0f", made.at("action", "id")), nil), 200, "")
	if action.at("action", "status") != "success" {
		t.Errorf("the action is %v", action.body)
	}

	for query, want := range map[string]int{
		"type=snapshot": 1, "type=snapshot&label_selector=role%3D%3Dimage": 1, "label_selector=role%3D%3Dother": 0,
		"type=snapshot&status=creating": 0, "type=snapshot&architecture=arm": 0, "type=system": 6, "": 7,
	} {
		listed := expect(a.call(t, "full", "GET", "/images?"+query, nil), 200, "")
		if n := len(listed.at("images").([]any)); n != want {
			t.Errorf("%q lists %d images, want %d", query, n, want)
		}
	}
	expect(a.call(t, "full", "POST", "/servers", order("one").with("image", id)), 201, "")
	expect(a.call(t, "full", "POST", "/servers", order("two").with("image", id).with("server_type", "cax11")), 422, "invalid_input")
	expect(a.call(t, "another", "POST", "/servers", order("one").with("image", id)), 422, "invalid_input")
	expect(a.call(t, "full", "DELETE", "/servers/"+server, nil), 200, "")
	expect(a.call(t, "full", "DELETE", "/images/161547269", nil), 403, "forbidden")
	expect(a.call(t, "full", "DELETE", "/images/"+id, nil), 204, "")
	expect(a.call(t, "full", "GET", "/images/"+id, nil), 404, "not_found")
	expect(a.call(t, "full", "POST", "/servers", order("three").with("image", id)), 422, "invalid_input")
}

// TestSnapshotsThatFitNoServer: the disk that a snapshot was made on is the least
// that its servers need, and a deprecated one is not ordered any more.
func TestSnapshotsThatFitNoServer(t *testing.T) {
	t.Parallel()
	a := newAPI(t, hetzner.Options{})
	large := a.AddSnapshot("ours", "cx43", nil)
	got := a.call(t, "full", "POST", "/servers", order("one").with("image", large))
	if got.status != 422 || got.at("error", "message") != "image disk is bigger than server type disk" {
		t.Errorf("%d %v", got.status, got.body)
	}
	if got := a.call(t, "full", "POST", "/servers", order("one").with("image", large).with("server_type", "cx43")); got.status != 201 {
		t.Errorf("%d %v", got.status, got.body)
	}
	a.DeprecateImage("ours", large)
	if got := a.call(t, "full", "POST", "/servers", order("two").with("image", large).with("server_type", "cx43")); got.status != 422 {
		t.Errorf("%d %v", got.status, got.body)
	}
}
