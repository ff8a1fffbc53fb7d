package prepared

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Build sees to it that there is an image of the recipe, that launches boot it,
// and that nothing else is left of having made it. It returns the image's number.
// With fresh it makes another one even if there is one already.
func (w *Workshop) Build(ctx context.Context, r Recipe, fresh bool) (int64, error) {
	j, err := w.newJob(ctx, r, fresh)
	if err != nil {
		return 0, err
	}
	image, err := w.find(ctx, j)
	if err != nil {
		return 0, err
	}
	if image == nil {
		if err := w.clearBuilders(ctx); err != nil {
			return 0, err
		}
		if image, err = w.make(ctx, j); err != nil {
			return 0, errors.Join(err, w.tidy(ctx))
		}
	}
	if err := w.record(ctx, j, image); err != nil {
		return 0, errors.Join(err, w.tidy(ctx))
	}
	if err := w.clearBuilders(ctx); err != nil {
		return 0, err
	}
	_, err = w.Prune(ctx)
	return image.ID, err
}

func (w *Workshop) newJob(ctx context.Context, r Recipe, fresh bool) (j job, err error) {
	j = job{Recipe: r, fresh: fresh}
	if j.arch, err = r.architecture(); err != nil {
		return j, err
	}
	if j.digest, err = r.digest(); err != nil {
		return j, err
	}
	if j.build, err = w.NewID(); err != nil {
		return j, err
	}
	err = w.again(ctx, "list server types", func(ctx context.Context) (err error) {
		j.types, err = w.Cloud.ServerType.All(ctx)
		return err
	})
	return j, err
}

// tidy deletes the server of a run that failed, whatever became of its context.
func (w *Workshop) tidy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer cancel()
	if err := w.clearBuilders(ctx); err != nil {
		return fmt.Errorf("its server may be left, and costs money; make image-prune deletes it: %w", err)
	}
	return nil
}

// find returns the newest image of the recipe, waiting for one that an earlier
// run has begun; nil if there is none, or another is wanted.
func (w *Workshop) find(ctx context.Context, j job) (*hcloud.Image, error) {
	all, err := w.images(ctx)
	if err != nil || j.fresh {
		return nil, err
	}
	for _, i := range all {
		if i.Architecture != j.arch || i.Labels[labelRecipe] != j.digest || i.IsDeprecated() {
			continue
		}
		w.say("image %d is of this recipe (%s)", i.ID, i.Status)
		ready, err := w.await(ctx, j, i.ID)
		if err == nil || !errors.Is(err, errGone) {
			return ready, err
		}
	}
	return nil, nil
}

// images are the installation's, newest first.
func (w *Workshop) images(ctx context.Context) (all []*hcloud.Image, err error) {
	err = w.again(ctx, "list images", func(ctx context.Context) (err error) {
		all, err = w.Cloud.Image.AllWithOpts(ctx, hcloud.ImageListOpts{
			ListOpts: hcloud.ListOpts{LabelSelector: w.ours(dcm.RoleImage), PerPage: 50},
			Type:     []hcloud.ImageType{hcloud.ImageTypeSnapshot},
			// One that is deprecated is no use, and still to be deleted.
			IncludeDeprecated: true,
		})
		return err
	})
	all = slices.DeleteFunc(all, func(i *hcloud.Image) bool { return !w.isImage(i) })
	slices.SortFunc(all, func(a, b *hcloud.Image) int { return int(b.ID - a.ID) })
	return all, err
}

// make makes a server, waits until it has filled and cleaned itself, and takes
// its image.
func (w *Workshop) make(ctx context.Context, j job) (*hcloud.Image, error) {
	server, err := w.order(ctx, j)
	if err != nil {
		return nil, err
	}
	w.say("server %d fills itself; this takes some minutes", server.ID)
	err = w.until(ctx, "wait until the server has powered off", fillTimeout, func(ctx context.Context) (bool, error) {
		s, _, err := w.Cloud.Server.GetByID(ctx, server.ID)
		if err == nil && s == nil {
			return false, final{errors.New("somebody deleted it: is another run at work?")}
		}
		return err == nil && s.Status == hcloud.ServerStatusOff, err
	})
	if err != nil {
		return nil, fmt.Errorf("%w; a server that fails stays on, and its console shows why", err)
	}
	id, err := w.snapshot(ctx, j, server)
	if err != nil {
		return nil, err
	}
	w.say("image %d is being taken", id)
	return w.await(ctx, j, id)
}

// snapshot orders the image. It finds the one of an earlier try by its label.
func (w *Workshop) snapshot(ctx context.Context, j job, server *hcloud.Server) (id int64, err error) {
	tried := false
	err = w.again(ctx, "take an image", func(ctx context.Context) error {
		if tried {
			known, err := w.Cloud.Image.AllWithOpts(ctx, hcloud.ImageListOpts{
				ListOpts: hcloud.ListOpts{LabelSelector: w.ours(dcm.RoleImage) + "," + labelBuild + "==" + j.build},
				Type:     []hcloud.ImageType{hcloud.ImageTypeSnapshot},
			})
			if err != nil {
				return err
			}
			if len(known) > 0 {
				id = known[0].ID
				return nil
			}
		}
		tried = true
		result, _, err := w.Cloud.Server.CreateImage(ctx, server, &hcloud.ServerCreateImageOpts{
			Type: hcloud.ImageTypeSnapshot, Labels: w.imageLabels(j),
			Description: hcloud.Ptr(fmt.Sprintf("devcontainer-manager %s %s", w.Installation, j.arch)),
		})
		if err != nil {
			return err
		}
		id = result.Image.ID
		return nil
	})
	return id, err
}

// errGone says that an image that was to come, or there, is not.
var errGone = errors.New("the image is gone from Hetzner")

// await waits until an image can be booted, and looks whether it is what it says.
func (w *Workshop) await(ctx context.Context, j job, id int64) (image *hcloud.Image, err error) {
	err = w.until(ctx, "wait until the image is available", snapTimeout, func(ctx context.Context) (bool, error) {
		image, _, err = w.Cloud.Image.GetByID(ctx, id)
		if err == nil && image == nil {
			return false, final{errGone}
		}
		return err == nil && image.Status == hcloud.ImageStatusAvailable, err
	})
	if err != nil {
		return nil, err
	}
	if !w.isImage(image) || image.Architecture != j.arch || image.Labels[labelRecipe] != j.digest {
		return nil, fmt.Errorf("image %d is not what was made: it is a %s for %s", id, image.Type, image.Architecture)
	}
	return image, nil
}
