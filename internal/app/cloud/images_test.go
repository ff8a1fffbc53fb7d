package cloud_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/app/cloud"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// shelf is the record of images, and counts how often it is read.
type shelf struct {
	text string
	err  error
	read int
	// bounded says that its reader would not have waited for ever.
	bounded bool
}

func (s *shelf) Read(ctx context.Context) (string, error) {
	s.read++
	_, s.bounded = ctx.Deadline()
	return s.text, s.err
}

func TestImagesAreRemembered(t *testing.T) {
	t.Parallel()
	s, c := &shelf{text: `{"hetzner":{"cx23":"1","cx33":"1","cax11":"2"}}`}, &clock{time.Unix(1795500000, 0)}
	images := cloud.RememberImages(s.Read, c, slog.New(slog.DiscardHandler))
	expect := func(reads int, want dcm.PreparedImages) {
		t.Helper()
		got := images.Prepared(t.Context(), "hetzner")
		if !maps.Equal(got, want) || s.read != reads {
			t.Errorf("after %d reads: %v, want %v after %d", s.read, got, want, reads)
		}
	}
	s.err = errors.New("down")
	expect(1, nil)
	if !s.bounded {
		t.Error("a launch would wait for as long as it takes")
	}
	expect(1, nil) // not again at once
	c.now = c.now.Add(time.Minute)
	s.err = nil
	all := dcm.PreparedImages{"cx23": "1", "cx33": "1", "cax11": "2"}
	expect(2, all)
	c.now = c.now.Add(24 * time.Hour)
	expect(2, all)
	if got := images.Prepared(t.Context(), "scaleway"); len(got) != 0 {
		t.Errorf("another provider boots %v", got)
	}
	// What a launch does to its own copy is nobody else's.
	clear(images.Prepared(t.Context(), "hetzner"))
	expect(2, all)

	images.Refused("1")
	expect(3, dcm.PreparedImages{"cax11": "2"})
	expect(3, dcm.PreparedImages{"cax11": "2"})
	s.text = `{"hetzner":{"cx23":"3","cax11":"2"}}`
	images.Refused("2")
	expect(4, dcm.PreparedImages{"cx23": "3"})
	s.text = "[nonsense"
	images.Refused("3")
	expect(5, nil)
	expect(5, nil)
}
