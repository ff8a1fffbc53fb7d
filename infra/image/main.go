// Command image makes the images that VMs boot fastest from, and lists and deletes
// them. make image calls it with all it needs from a deployed stack.
//
//	image [-fresh] [-architectures amd64,arm64] build
//	image list
//	image prune
//
// Its settings, which hold secrets, come from the environment: HCLOUD_TOKEN and
// INSTALLATION, and AWS's credentials and region for the record of the images; to
// build also AGENT_URL_AMD64 and AGENT_SHA256_AMD64, and the same for ARM64, as well
// as SERVER_IMAGE, BASE_IMAGE and HCLOUD_SSH_KEY_ID, which may be empty.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/infra/image/prepared"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

func main() {
	fresh := flag.Bool("fresh", false, "make another image even if there is one of this recipe")
	architectures := flag.String("architectures", "amd64", "what to make images for, with commas between them")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: image [-fresh] [-architectures amd64,arm64] build|list|prune")
		flag.PrintDefaults()
	}
	flag.Parse()
	// A second signal ends the program at once; the next run finds what is left.
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, release)
	if err := run(ctx, flag.Args(), strings.Split(*architectures, ","), *fresh); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, words, architectures []string, fresh bool) error {
	if len(words) != 1 {
		flag.Usage()
		return errors.New("name one thing to do")
	}
	s, err := readSettings(os.Getenv)
	if err != nil {
		return err
	}
	w := &prepared.Workshop{
		Cloud: s.cloud(&http.Client{Timeout: time.Minute}), Record: s.record(), Installation: s.installation,
		Clock: dcm.SystemClock{}, Sleep: dcm.Sleep, NewID: newID, Out: os.Stderr, Keep: 2,
	}
	switch words[0] {
	case "build":
		return build(ctx, w, s, architectures, fresh)
	case "list":
		return w.List(ctx, os.Stdout)
	case "prune":
		_, err := w.Prune(ctx)
		return err
	default:
		flag.Usage()
		return fmt.Errorf("%q is nothing to do", words[0])
	}
}

// build makes the images one after the other, having read what each needs.
func build(ctx context.Context, w *prepared.Workshop, s settings, architectures []string, fresh bool) error {
	var recipes []prepared.Recipe
	for _, a := range architectures {
		r, err := s.recipe(a)
		if err != nil {
			return err
		}
		recipes = append(recipes, r)
	}
	for _, r := range recipes {
		id, err := w.Build(ctx, r, fresh)
		if err != nil {
			return fmt.Errorf("the image for %s: %w", r.Agent.Architecture, err)
		}
		fmt.Printf("%s %d\n", r.Agent.Architecture, id)
	}
	return nil
}
