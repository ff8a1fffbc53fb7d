// Command bench measures how long every function takes from exec to its first
// answer, beside an empty Go function: to an event it refuses at once, which is
// its start, and to a real request with all that it calls. The binaries are
// those of a deployment, for this machine; what they call is on loopback.
//
// It prints and judges nothing else: a loaded machine is no failure.
package main

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/outside"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/replay"
)

func main() {
	functions := flag.String("functions", "dist/functions/amd64", "the folder with the functions' binaries, as make functions-host leaves it")
	rounds := flag.Int("rounds", 15, "how often each function is started")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *functions, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string, rounds int) (err error) {
	world, err := outside.Start(ctx, "template.yaml")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, world.Close()) }()
	samples, err := replay.Load("events")
	if err != nil {
		return err
	}
	s := &starts{world: world, dir: dir, rounds: rounds}
	s.player = &replay.Player{Invoke: s.invoke, UserData: world.UserData, Events: samples}
	results, err := s.measure(ctx)
	if err != nil {
		return err
	}
	print(results)
	began := time.Now()
	if _, err := x509.SystemCertPool(); err != nil {
		return fmt.Errorf("load the system's certificates: %w", err)
	}
	fmt.Printf("left out of all: loading this system's certificates, %.1f ms\n", milliseconds(time.Since(began)))
	return nil
}

func print(results []result) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "function\tMB\tstart\tempty\tratio\ttarget\t\tfirst request\t")
	for _, r := range results {
		verdict := "ok"
		if r.ratio() > r.target {
			verdict = "above"
		}
		fmt.Fprintf(w, "%s\t%.1f\t%.1f ms\t%.1f ms\t%.2f\t%.1f\t%s\t%.1f ms\t\n",
			r.name, float64(r.bytes)/1e6, milliseconds(r.refused), milliseconds(r.empty), r.ratio(), r.target, verdict, milliseconds(r.served))
	}
	_ = w.Flush() // to standard output
}

func binary(dir, name string) string { return filepath.Join(dir, name, "bootstrap") }
