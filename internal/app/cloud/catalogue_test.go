package cloud_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/app/cloud"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// shop counts how often it is asked.
type shop struct {
	dcm.Provider
	asked int
	err   error
}

func (s *shop) SizeOptions(_ context.Context, c dcm.Credential) ([]dcm.SizeOption, error) {
	s.asked++
	return []dcm.SizeOption{{ServerType: c.Token.Reveal()}}, s.err
}

type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func TestCatalogueIsRememberedForAnHour(t *testing.T) {
	t.Parallel()
	s, c := &shop{}, &clock{time.Unix(1795500000, 0)}
	p := cloud.RememberCatalogue(s, c)
	ask := func(token, project string, asked int) {
		t.Helper()
		got, err := p.SizeOptions(t.Context(), dcm.Credential{Token: dcm.NewSecret(token), ProjectID: project})
		if err != nil || len(got) != 1 || got[0].ServerType != token {
			t.Errorf("%s sees %v, %v", token, got, err)
		}
		if s.asked != asked {
			t.Errorf("asked %d times, want %d", s.asked, asked)
		}
	}
	ask("a", "", 1)
	ask("a", "", 1)
	ask("b", "", 2) // another account, other prices
	ask("a", "x", 3)
	c.now = c.now.Add(time.Hour - time.Second)
	ask("a", "", 3)
	c.now = c.now.Add(time.Second)
	ask("a", "", 4)
	for i := range 200 {
		ask("t"+strconv.Itoa(i), "", 5+i)
	}
}

func TestAFailureIsNotRemembered(t *testing.T) {
	t.Parallel()
	s := &shop{err: errors.New("down")}
	p := cloud.RememberCatalogue(s, &clock{})
	for range 2 {
		if _, err := p.SizeOptions(t.Context(), dcm.Credential{}); err == nil {
			t.Error("no error")
		}
	}
	if s.err = nil; s.asked != 2 {
		t.Errorf("asked %d times", s.asked)
	}
	if _, err := p.SizeOptions(t.Context(), dcm.Credential{}); err != nil {
		t.Error(err)
	}
}
