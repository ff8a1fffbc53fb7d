package providertest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/wire"
)

func testGet(t *testing.T, newSubject func(*testing.T) Subject) {
	scenario(t, "what is not known is nil, not an error", newSubject, func(t *testing.T, s Subject) {
		made := s.mustCreate(t, s.request("dcm-vm-a"))
		for _, ref := range []dcm.ServerRef{{Name: "dcm-vm-b"}, {Name: "dcm-vm"}, {Name: "dcm-vm-a2"}, {ID: "999" + made.ID}} {
			if got := s.mustGet(t, ref); got != nil {
				t.Errorf("%+v found %+v", ref, got)
			}
		}
	})
	scenario(t, "another project's server is not known", newSubject, func(t *testing.T, s Subject) {
		made := s.mustCreate(t, s.request("dcm-vm-a"))
		for _, ref := range []dcm.ServerRef{{ID: made.ID}, {Name: made.Name}} {
			got, err := s.Provider.GetVM(t.Context(), s.Another, ref)
			if err != nil || got != nil {
				t.Errorf("%+v: %+v, %v", ref, got, err)
			}
		}
	})
	scenario(t, "a server is named by something", newSubject, func(t *testing.T, s Subject) {
		_, err := s.Provider.GetVM(t.Context(), s.Credential, dcm.ServerRef{})
		wantKind(t, err, dcm.KindInvalid)
		_, err = s.Provider.GetVM(t.Context(), s.Credential, dcm.ServerRef{ID: "1/../2"})
		wantKind(t, err, dcm.KindInvalid)
		if n := s.calls(); n != 0 {
			t.Errorf("it took %d calls to know", n)
		}
	})
	scenario(t, "one call", newSubject, func(t *testing.T, s Subject) {
		made := s.mustCreate(t, s.request("dcm-vm-a"))
		before := s.calls()
		s.mustGet(t, dcm.ServerRef{ID: made.ID})
		s.mustGet(t, dcm.ServerRef{Name: made.Name})
		if n := s.calls() - before; n != 2 {
			t.Errorf("two reads took %d calls", n)
		}
	})
}

func testStart(t *testing.T, newSubject func(*testing.T) Subject) {
	scenario(t, "a server that is off runs again, after one call", newSubject, func(t *testing.T, s Subject) {
		made := s.mustCreate(t, s.request("dcm-vm-a"))
		s.SwitchOff(made.ID)
		if got := s.mustGet(t, made.Ref()); got == nil || !got.Off {
			t.Fatalf("it is %+v", got)
		}
		before := s.calls()
		if err := s.Provider.StartVM(t.Context(), s.Credential, made.ID); err != nil {
			t.Fatal(err)
		}
		if n := s.calls() - before; n != 1 {
			t.Errorf("it took %d calls", n)
		}
		if got := s.mustGet(t, made.Ref()); got == nil || got.Off {
			t.Errorf("it is %+v", got)
		}
		if err := s.Provider.StartVM(t.Context(), s.Credential, made.ID); err != nil {
			t.Errorf("one that runs: %v", err)
		}
	})
	scenario(t, "what there is not, and what is another's", newSubject, func(t *testing.T, s Subject) {
		made := s.mustCreate(t, s.request("dcm-vm-a"))
		wantKind(t, s.Provider.StartVM(t.Context(), s.Credential, "999"+made.ID), dcm.KindNotFound)
		wantKind(t, s.Provider.StartVM(t.Context(), s.Another, made.ID), dcm.KindNotFound)
		for _, id := range []string{"", "0", "../servers", "1 2"} {
			wantKind(t, s.Provider.StartVM(t.Context(), s.Credential, id), dcm.KindInvalid)
		}
	})
}

func testDelete(t *testing.T, newSubject func(*testing.T) Subject) {
	scenario(t, "a deleted server goes, and its name is free again", newSubject, func(t *testing.T, s Subject) {
		made := s.mustCreate(t, s.request("dcm-vm-a"))
		before := s.calls()
		s.mustDelete(t, made.ID)
		if n := s.calls() - before; n != 1 {
			t.Errorf("it took %d calls", n)
		}
		s.Settle()
		if got := s.mustGet(t, dcm.ServerRef{ID: made.ID}); got != nil {
			t.Errorf("still there: %+v", got)
		}
		if again := s.mustCreate(t, s.request("dcm-vm-a")); again.ID == made.ID {
			t.Errorf("the id %s was given twice", made.ID)
		}
	})
	scenario(t, "deleting what is gone, or never was, is success", newSubject, func(t *testing.T, s Subject) {
		made := s.mustCreate(t, s.request("dcm-vm-a"))
		s.mustDelete(t, made.ID)
		s.Settle()
		s.mustDelete(t, made.ID)
		s.mustDelete(t, "999"+made.ID)
	})
	scenario(t, "another project's server stays", newSubject, func(t *testing.T, s Subject) {
		made := s.mustCreate(t, s.request("dcm-vm-a"))
		if err := s.Provider.DeleteVM(t.Context(), s.Another, made.ID); err != nil {
			t.Error(err)
		}
		if s.mustGet(t, made.Ref()) == nil {
			t.Error("it is gone")
		}
	})
	scenario(t, "a lost answer is no success, and deleting again is", newSubject, func(t *testing.T, s Subject) {
		made := s.mustCreate(t, s.request("dcm-vm-a"))
		s.mustInject(t, wire.Fault{Operation: s.Delete, Mode: wire.ModeLostAnswer, Count: 1})
		wantKind(t, s.Provider.DeleteVM(t.Context(), s.Credential, made.ID), dcm.KindUnavailable)
		s.Settle()
		s.mustDelete(t, made.ID)
		if got := s.mustGet(t, made.Ref()); got != nil {
			t.Errorf("still there: %+v", got)
		}
	})
	scenario(t, "an id that isn't one", newSubject, func(t *testing.T, s Subject) {
		for _, id := range []string{"", "0", "../servers", "1 2"} {
			wantKind(t, s.Provider.DeleteVM(t.Context(), s.Credential, id), dcm.KindInvalid)
		}
	})
}

func (s Subject) mustDelete(t *testing.T, id string) {
	t.Helper()
	if err := s.Provider.DeleteVM(t.Context(), s.Credential, id); err != nil {
		t.Fatalf("delete %s: %v", id, err)
	}
}

func names(list []dcm.Server) []string {
	all := []string{}
	for _, v := range list {
		all = append(all, v.Name)
	}
	slices.Sort(all)
	return all
}

func testList(t *testing.T, newSubject func(*testing.T) Subject) {
	scenario(t, "only the servers with all of the labels", newSubject, func(t *testing.T, s Subject) {
		for name, installation := range map[string]string{"dcm-vm-a": "one", "dcm-vm-b": "one", "dcm-vm-c": "one-two", "dcm-vm-d": "One"} {
			r := s.request(name)
			r.Labels[dcm.LabelInstallation] = installation
			s.mustCreate(t, r)
		}
		bare := s.request("stranger")
		bare.Labels = nil
		s.mustCreate(t, bare)
		for _, c := range []struct {
			labels map[string]string
			want   []string
		}{
			{map[string]string{dcm.LabelManagedBy: dcm.ManagedBy, dcm.LabelInstallation: "one"}, []string{"dcm-vm-a", "dcm-vm-b"}},
			{map[string]string{dcm.LabelInstallation: "one", dcm.LabelVM: "dcm-vm-b"}, []string{"dcm-vm-b"}},
			{map[string]string{dcm.LabelInstallation: "two"}, []string{}},
			{nil, []string{"dcm-vm-a", "dcm-vm-b", "dcm-vm-c", "dcm-vm-d", "stranger"}},
		} {
			list := s.mustList(t, c.labels)
			if list == nil || !slices.Equal(names(list), c.want) {
				t.Errorf("%v lists %v, want %v", c.labels, names(list), c.want)
			}
		}
	})
	scenario(t, "another project has its own list", newSubject, func(t *testing.T, s Subject) {
		s.mustCreate(t, s.request("dcm-vm-a"))
		list, err := s.Provider.ListVMs(t.Context(), s.Another, nil)
		if err != nil || len(list) != 0 {
			t.Errorf("it lists %v, %v", names(list), err)
		}
	})
	scenario(t, "a label that would widen the selection is refused", newSubject, func(t *testing.T, s Subject) {
		_, err := s.Provider.ListVMs(t.Context(), s.Credential, map[string]string{dcm.LabelTenant: "a,managed-by"})
		wantKind(t, err, dcm.KindInvalid)
	})
}

func testPages(t *testing.T, newSubject func(*testing.T) Subject) {
	fill := func(t *testing.T, s Subject) []string {
		t.Helper()
		var want []string
		for i := range 2*s.PageSize + 1 {
			name := fmt.Sprintf("dcm-vm-%04d", i)
			s.mustCreate(t, s.request(name))
			want = append(want, name)
		}
		return want
	}
	ours := map[string]string{dcm.LabelInstallation: "one"}
	scenario(t, "are read to the end", newSubject, func(t *testing.T, s Subject) {
		want := fill(t, s)
		before := s.calls()
		if got := names(s.mustList(t, ours)); !slices.Equal(got, want) {
			t.Errorf("listed %d of %d", len(got), len(want))
		}
		if n := s.calls() - before; n != 3 {
			t.Errorf("three pages took %d calls", n)
		}
	})
	scenario(t, "a page that fails fails the list", newSubject, func(t *testing.T, s Subject) {
		fill(t, s)
		for good := range 3 {
			s.Wire.Clear()
			s.mustInject(t, wire.Fault{Operation: s.List, Mode: wire.ModeError, Code: s.Codes[dcm.KindUnavailable][0], After: good})
			list, err := s.Provider.ListVMs(t.Context(), s.Credential, ours)
			wantKind(t, err, dcm.KindUnavailable)
			if list != nil {
				t.Errorf("after %d pages: a list of %d came with the error", good, len(list))
			}
		}
	})
}
