package api_test

import (
	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// flows are what the matrix disturbs.
func flows() map[string]flow {
	return map[string]flow{
		"create": {
			function: "vms-create", before: func(*scene) {}, request: orders,
			heard: hearsOrder, after: (*scene).oneRuns,
		},
		"create, resuming": {
			function: "vms-create", before: func(s *scene) { s.leaves() }, request: orders,
			heard: hearsOrder, after: (*scene).oneRuns,
		},
		"delete": {
			function: "vms-delete", before: func(s *scene) { s.runs(""); s.agent.works() }, request: deletes(""),
			heard: hearsDelete, after: (*scene).endsSaved,
		},
		"delete, forced": {
			function: "vms-delete", before: func(s *scene) { s.runs(""); s.stores(); s.forced[s.vm] = true }, request: deletes("?force=true"),
			heard: hearsDelete, after: (*scene).ends,
		},
		"delete, before it boots": {
			function: "vms-delete", before: func(s *scene) { s.launches("") }, request: deletes(""),
			heard: hearsDelete, after: (*scene).ends,
		},
	}
}

func orders(s *scene) answer {
	return s.user.call("POST", "/vms", s.orderBody(s.workspace), "Idempotency-Key", "one")
}

// hearsOrder: whoever got no VM asks again, with the same key.
func hearsOrder(s *scene, a answer) {
	s.t.Helper()
	a = again(s, a, orders)
	if a.status != 201 {
		return
	}
	vm := decode[api.CreatedVM](s.t, a)
	if s.told != "" && s.told != vm.ID {
		s.t.Errorf("the same key made %s and %s", s.told, vm.ID)
	}
	s.told = vm.ID
}

// oneRuns: the VM that the user was told of runs, and there is no other.
func (s *scene) oneRuns() {
	s.t.Helper()
	for _, vm := range s.user.listed() {
		if vm.ID == s.told && vm.Status != dcm.StatusRunning {
			s.t.Errorf("the VM that was promised is %s: %+v", vm.Status, vm.Error)
		}
		if vm.ID != s.told && vm.Status != dcm.StatusStopped {
			s.t.Errorf("%s is %s, and nobody was told of it", vm.ID, vm.Status)
		}
	}
}

func deletes(query string) func(s *scene) answer {
	return func(s *scene) answer { return s.user.call("DELETE", "/vms/"+string(s.vm)+query, nil) }
}

// hearsDelete: whoever was not heard asks again.
func hearsDelete(s *scene, a answer) {
	s.t.Helper()
	query := ""
	if s.forced[s.vm] {
		query = "?force=true"
	}
	if a = again(s, a, deletes(query)); a.status != 202 {
		s.t.Errorf("delete: %d %s", a.status, a.body)
	}
}

// ends: the VM has ended for its user's wish.
func (s *scene) ends() {
	s.t.Helper()
	if vm := s.user.get(s.vm); vm.Status != dcm.StatusStopped || *vm.StopReason != string(dcm.StopUser) {
		s.t.Errorf("%s is %s (%v): %+v", vm.ID, vm.Status, vm.StopReason, vm.Error)
	}
}

// endsSaved: and its work is in a backup.
func (s *scene) endsSaved() {
	s.t.Helper()
	s.ends()
	if got := string(s.read(s.tenant, s.workspace)); got != s.agent.disk {
		s.t.Errorf("the backup holds %q, the VM had %q", got, s.agent.disk)
	}
}
