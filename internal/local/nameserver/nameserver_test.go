package nameserver_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/nameserver"
)

func TestAnswers(t *testing.T) {
	t.Parallel()
	s, err := nameserver.Listen("127.0.0.1:0", func(name string) []string {
		return map[string][]string{"_acme-challenge.vm.example.com": {"one", "two"}}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", s.Addr())
	}}
	got, err := r.LookupTXT(t.Context(), "_ACME-challenge.vm.example.com.")
	if err != nil || !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("%q, %v", got, err)
	}
	for what, ask := range map[string]func() error{
		"another name": func() error { _, err := r.LookupTXT(t.Context(), "example.com."); return err },
		"another type": func() error { _, err := r.LookupHost(t.Context(), "_acme-challenge.vm.example.com."); return err },
	} {
		if e, ok := errors.AsType[*net.DNSError](ask()); !ok || !e.IsNotFound {
			t.Errorf("%s: %v", what, e)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.LookupTXT(t.Context(), "_acme-challenge.vm.example.com."); err == nil {
		t.Error("it answers after its end")
	}
}
