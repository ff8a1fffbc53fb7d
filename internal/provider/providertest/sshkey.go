package providertest

import (
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func testSSHKeys(t *testing.T, newSubject func(*testing.T) Subject) {
	find := func(s Subject, t *testing.T, c dcm.Credential, key string) (string, error) {
		return s.Provider.SSHKey(t.Context(), c, key)
	}
	scenario(t, "a key is found by id and by name", newSubject, func(t *testing.T, s Subject) {
		id := s.AddSSHKey("laptop")
		for _, key := range []string{id, "laptop"} {
			if got, err := find(s, t, s.Credential, key); err != nil || got != id {
				t.Errorf("%s is %q, %v; want %s", key, got, err, id)
			}
		}
		r := s.request("dcm-vm-a")
		r.SSHKeyID = id
		s.mustCreate(t, r)
	})
	scenario(t, "what is not known is not found", newSubject, func(t *testing.T, s Subject) {
		id := s.AddSSHKey("laptop")
		for _, key := range []string{"lap", "laptop2", "999" + id, "0", "-1"} {
			_, err := find(s, t, s.Credential, key)
			wantKind(t, err, dcm.KindNotFound)
		}
		for _, key := range []string{id, "laptop"} {
			_, err := find(s, t, s.Another, key)
			wantKind(t, err, dcm.KindNotFound)
		}
		_, err := find(s, t, s.Unknown, id)
		wantKind(t, err, dcm.KindAuth)
	})
	scenario(t, "a server with an unknown key is refused", newSubject, func(t *testing.T, s Subject) {
		for _, key := range []string{"999", "laptop", "-1"} {
			r := s.request("dcm-vm-a")
			r.SSHKeyID = key
			_, err := s.Provider.CreateVM(t.Context(), s.Credential, r)
			wantKind(t, err, dcm.KindInvalid)
		}
		if got := s.mustList(t, nil); len(got) != 0 {
			t.Errorf("made nevertheless: %+v", got)
		}
	})
}
