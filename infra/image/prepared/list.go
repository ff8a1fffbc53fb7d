package prepared

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// List writes what there is, a line per image and per server that one is made on.
func (w *Workshop) List(ctx context.Context, to io.Writer) error {
	s, err := w.look(ctx)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "IMAGE\tFOR\tSTATUS\tCREATED\tAGENT\tRECIPE\tGB\tSERVERS\t")
	for _, i := range s.images {
		word := ""
		if s.booted[i.ID] {
			word = "launches boot it"
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%.1f\t%d\t%s\n", i.ID, i.Architecture, i.Status, i.Created.UTC().Format(time.DateTime),
			i.Labels[labelAgent], i.Labels[labelRecipe], i.ImageSize, s.used[i.ID], word)
	}
	for _, b := range s.builders {
		word := "an image is made on it"
		if !dcm.IsWorkingBuilder(w.Installation, b.Labels, w.Clock.Now()) {
			word = "left by a run that crashed: make image-prune"
		}
		fmt.Fprintf(t, "server %d\t\t%s\t%s\t\t\t\t\t%s\n", b.ID, b.Status, b.Created.UTC().Format(time.DateTime), word)
	}
	return t.Flush()
}
