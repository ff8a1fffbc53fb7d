package prepared

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// record has launches boot the image on every server type that can.
func (w *Workshop) record(ctx context.Context, j job, image *hcloud.Image) error {
	r, err := w.recorded(ctx)
	if err != nil {
		return err
	}
	images := j.boots(r[provider], image)
	if maps.Equal(images, r[provider]) {
		w.say("launches boot it already")
		return nil
	}
	r[provider] = images
	if err := w.again(ctx, "record the image", func(ctx context.Context) error { return w.Record.Write(ctx, r) }); err != nil {
		return err
	}
	w.say("launches boot image %d on %v", image.ID, j.typesOf(images, image))
	return nil
}

func (w *Workshop) recorded(ctx context.Context) (r dcm.ImageRecord, err error) {
	err = w.again(ctx, "read the record of images", func(ctx context.Context) (err error) {
		r, err = w.Record.Read(ctx)
		return err
	})
	return r, err
}

// boots is the record with the image: on every type of its architecture that has
// the disk for it. Those of the other architecture stay; what is sold no more goes.
func (j job) boots(before dcm.PreparedImages, image *hcloud.Image) dcm.PreparedImages {
	after := dcm.PreparedImages{}
	for _, t := range j.types {
		switch known, is := before[t.Name]; {
		case t.Architecture == image.Architecture && float32(t.Disk) >= image.DiskSize:
			after[t.Name] = fmt.Sprint(image.ID)
		case t.Architecture != image.Architecture && is:
			after[t.Name] = known
		}
	}
	return after
}

func (j job) typesOf(images dcm.PreparedImages, image *hcloud.Image) []string {
	var names []string
	for name, id := range images {
		if id == fmt.Sprint(image.ID) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
