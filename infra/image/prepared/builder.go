package prepared

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/devcontainer-manager/devcontainer-manager/cloudinit"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// offer is a server type at a place.
type offer struct {
	serverType *hcloud.ServerType
	location   *hcloud.Location
}

func (o offer) String() string { return o.serverType.Name + "@" + o.location.Name }

// offers are what the image may be made on: it boots on disks that are as large
// as that server's, or larger, so that the smallest there are come into question,
// cheapest first.
func (j job) offers() []offer {
	var all []offer
	for _, t := range j.types {
		for _, l := range t.Locations {
			if t.Architecture == j.arch && l.Location != nil && !l.IsDeprecated() {
				all = append(all, offer{t, l.Location})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b offer) int { return cmp.Compare(a.serverType.Disk, b.serverType.Disk) })
	return slices.DeleteFunc(all, func(o offer) bool { return o.serverType.Disk > all[0].serverType.Disk })
}

// order orders the server, at the first offer that can be had.
func (w *Workshop) order(ctx context.Context, j job) (*hcloud.Server, error) {
	data, err := cloudinit.RenderImage(j.ImageOptions)
	if err != nil {
		return nil, err
	}
	var soldOut []string
	for _, o := range j.offers() {
		server, err := w.orderOffer(ctx, j, o, data)
		if !hcloud.IsError(err, hcloud.ErrorCodeResourceUnavailable, hcloud.ErrorCodePlacementError, hcloud.ErrorCodeInvalidServerType) && !unsupported(err) {
			return server, err
		}
		w.say("%s can't be had: %v", o, err)
		soldOut = append(soldOut, o.String())
	}
	return nil, fmt.Errorf("no server for %s can be had at present; tried %s", j.arch, cmp.Or(strings.Join(soldOut, ", "), "nothing, as none is sold"))
}

// unsupported is Hetzner's other word for an offer that can't be had.
func unsupported(err error) bool {
	return hcloud.IsError(err, hcloud.ErrorCodeInvalidInput) && strings.Contains(err.Error(), "unsupported location")
}

func (w *Workshop) orderOffer(ctx context.Context, j job, o offer, data dcm.Secret) (server *hcloud.Server, err error) {
	name := "dcm-image-" + j.build
	labels := dcm.BuilderLabels(w.Installation, w.Clock.Now().Add(builderLife))
	labels[labelBuild] = j.build
	opts := hcloud.ServerCreateOpts{
		Name: name, ServerType: o.serverType, Location: o.location, Image: &hcloud.Image{Name: j.ServerImage},
		UserData: data.Reveal(), Labels: labels,
	}
	if j.SSHKeyID != 0 {
		opts.SSHKeys = []*hcloud.SSHKey{{ID: j.SSHKeyID}}
	}
	err = w.again(ctx, "order a "+o.String(), func(ctx context.Context) error {
		result, _, err := w.Cloud.Server.Create(ctx, opts)
		if hcloud.IsError(err, hcloud.ErrorCodeUniquenessError) {
			// An earlier try has made it, and its answer was lost.
			server, _, err = w.Cloud.Server.GetByName(ctx, name)
			if err == nil && (server == nil || server.Labels[labelBuild] != j.build || !dcm.IsBuilder(w.Installation, server.Labels)) {
				err = final{fmt.Errorf("a server named %s exists, and is not ours", name)}
			}
			return err
		}
		server = result.Server
		return err
	})
	return server, err
}

// clearBuilders deletes all servers that images are made on, and waits until they
// are gone. One whose image is being taken is locked until that is done.
func (w *Workshop) clearBuilders(ctx context.Context) error {
	builders, err := w.builders(ctx)
	if err != nil {
		return err
	}
	for _, b := range builders {
		if err := w.deleteBuilder(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (w *Workshop) builders(ctx context.Context) (all []*hcloud.Server, err error) {
	err = w.again(ctx, "list the servers that images are made on", func(ctx context.Context) (err error) {
		all, err = w.Cloud.Server.AllWithOpts(ctx, hcloud.ServerListOpts{
			ListOpts: hcloud.ListOpts{LabelSelector: w.ours(dcm.RoleBuilder), PerPage: 50},
		})
		return err
	})
	return slices.DeleteFunc(all, func(s *hcloud.Server) bool { return !dcm.IsBuilder(w.Installation, s.Labels) }), err
}

func (w *Workshop) deleteBuilder(ctx context.Context, b *hcloud.Server) error {
	w.say("server %d (%s) is deleted", b.ID, b.Name)
	return w.until(ctx, fmt.Sprintf("delete server %d", b.ID), deleteTimeout+snapTimeout, func(ctx context.Context) (bool, error) {
		s, _, err := w.Cloud.Server.GetByID(ctx, b.ID)
		switch {
		case err != nil:
			return false, err
		case s == nil:
			return true, nil
		case !dcm.IsBuilder(w.Installation, s.Labels):
			return false, final{errors.New("its labels changed: it is left alone")}
		case s.Status == hcloud.ServerStatusDeleting:
			return false, nil
		}
		_, _, err = w.Cloud.Server.DeleteWithResult(ctx, s)
		if hcloud.IsError(err, hcloud.ErrorCodeNotFound, hcloud.ErrorCodeLocked, hcloud.ErrorCodeConflict, hcloud.ErrorCodeResourceLocked) {
			err = nil // asked again
		}
		return false, err
	})
}
