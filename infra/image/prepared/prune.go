package prepared

import (
	"context"
	"fmt"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// stuckAfter is when an image that is still being taken is given up.
const stuckAfter = 24 * time.Hour

// Prune deletes the servers that runs have left, and the images that nobody needs:
// all but the newest ones of each architecture, those that launches boot, and those
// that a live server was made of. It returns the images' numbers. If any list fails,
// nothing is deleted.
func (w *Workshop) Prune(ctx context.Context) ([]int64, error) {
	shelf, err := w.look(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range shelf.builders {
		if err := w.deleteBuilder(ctx, b); err != nil {
			return nil, err
		}
	}
	var deleted []int64
	for _, i := range shelf.spare(w.Keep, w.Clock.Now()) {
		w.say("image %d is deleted", i.ID)
		err := w.again(ctx, fmt.Sprintf("delete image %d", i.ID), func(ctx context.Context) error {
			_, err := w.Cloud.Image.Delete(ctx, i)
			if hcloud.IsError(err, hcloud.ErrorCodeNotFound) {
				return nil
			}
			return err
		})
		if err != nil {
			return deleted, err
		}
		deleted = append(deleted, i.ID)
	}
	return deleted, nil
}

// shelf is all there is.
type shelf struct {
	images   []*hcloud.Image // newest first
	builders []*hcloud.Server
	// booted are the images that launches boot, used is how many servers were made
	// of one.
	booted map[int64]bool
	used   map[int64]int
}

func (w *Workshop) look(ctx context.Context) (s shelf, err error) {
	s = shelf{booted: map[int64]bool{}, used: map[int64]int{}}
	record, err := w.recorded(ctx)
	if err != nil {
		return s, err
	}
	if s.images, err = w.images(ctx); err != nil {
		return s, err
	}
	if s.builders, err = w.builders(ctx); err != nil {
		return s, err
	}
	var servers []*hcloud.Server
	err = w.again(ctx, "list the servers", func(ctx context.Context) (err error) {
		servers, err = w.Cloud.Server.AllWithOpts(ctx, hcloud.ServerListOpts{ListOpts: hcloud.ListOpts{PerPage: 50}})
		return err
	})
	for _, server := range servers {
		if server.Image != nil {
			s.used[server.Image.ID]++
		}
	}
	for _, i := range s.images {
		s.booted[i.ID] = names(record[provider], i.ID)
	}
	return s, err
}

func names(images dcm.PreparedImages, id int64) bool {
	for _, known := range images {
		if known == fmt.Sprint(id) {
			return true
		}
	}
	return false
}

// spare are the images that may go.
func (s shelf) spare(keep int, now time.Time) []*hcloud.Image {
	var spare []*hcloud.Image
	kept := map[hcloud.Architecture]int{}
	for _, i := range s.images {
		switch {
		case i.Status != hcloud.ImageStatusAvailable:
			if now.Sub(i.Created) >= stuckAfter {
				spare = append(spare, i)
			}
			continue
		case kept[i.Architecture] >= keep && !s.booted[i.ID] && s.used[i.ID] == 0 && !i.Protection.Delete:
			spare = append(spare, i)
			continue
		}
		kept[i.Architecture]++
	}
	return spare
}
