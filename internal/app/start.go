package app

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

// warmTimeout bounds what a cold start does ahead: a service that is slow now
// will be waited for by the request that needs it.
const warmTimeout = 2 * time.Second

type warmer struct {
	name string
	run  func(context.Context) error
}

// Ahead notes something that the first request would otherwise wait for.
func (a *App) Ahead(name string, run func(context.Context) error) {
	for _, w := range a.warmers {
		if w.name == name {
			return
		}
	}
	a.warmers = append(a.warmers, warmer{name, run})
}

// Start runs a function until Lambda ends it. A configuration that can't be
// read ends the process with a message that names what is wrong.
func Start(build Build) {
	name := os.Getenv("FUNCTION_NAME")
	if name == "" {
		name = functionName(os.Getenv("AWS_LAMBDA_FUNCTION_NAME"))
	}
	a, err := New(Options{Function: name})
	if err != nil {
		exit(err)
	}
	handler, err := build(a)
	if err != nil {
		exit(err)
	}
	// Beside the first request, which waits for no more of it than it needs.
	go a.Warm(context.Background())
	lambda.Start(handler)
}

// functionName drops the stack's name from "stack-vms-create".
func functionName(full string) string {
	for _, resource := range []string{"-vms-", "-workspaces-", "-tenant-", "-admin-", "-openapi-", "-docs-", "-sweep-"} {
		if i := strings.LastIndex(full, resource); i >= 0 {
			return full[i+1:]
		}
	}
	if full == "" {
		return filepath.Base(os.Args[0])
	}
	return full
}

func exit(err error) {
	fmt.Fprintf(os.Stderr, "the function can't start: %v\n", err)
	os.Exit(1)
}

// Warm does, side by side, what the first request would wait for: a connection
// to each service it is about to call, which over TLS loads the system's
// certificates too. Nothing here may fail a start.
func (a *App) Warm(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, warmTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, w := range a.warmers {
		all.Go(func() {
			if err := w.run(ctx); err != nil {
				a.Log.WarnContext(ctx, "warming failed", "what", w.name, "error", err.Error())
			}
		})
	}
	all.Wait()
}

// touch opens a connection and leaves it in the pool.
func (a *App) touch(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/", nil)
	if err != nil {
		return err
	}
	response, err := a.HTTP.Do(r)
	if err != nil {
		return err
	}
	return response.Body.Close()
}
