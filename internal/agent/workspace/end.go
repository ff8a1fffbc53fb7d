package workspace

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

// endGrace is how long processes may take to end when asked.
const endGrace = 5 * time.Second

// end asks every process that list finds to end, and kills what is left after
// the grace. It returns when list finds none, twice: a process that was just
// being made could have been missed once.
func end(ctx context.Context, list func() ([]int, error)) error {
	started, none := time.Now(), 0
	for round := 0; none < 2; round++ {
		pids, err := list()
		if err != nil {
			return fmt.Errorf("list the workspace's processes: %w", err)
		}
		none++
		if len(pids) > 0 {
			none = 0
		}
		switch {
		case time.Since(started) > 2*endGrace:
			return fmt.Errorf("%d of the workspace's processes do not end", len(pids))
		case time.Since(started) > endGrace:
			signal(pids, syscall.SIGKILL)
		case round == 0:
			// Shells ignore SIGTERM; a stopped process hears nothing until it
			// continues.
			signal(pids, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGCONT)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func signal(pids []int, signals ...syscall.Signal) {
	for _, pid := range pids {
		for _, s := range signals {
			if pid > 1 && pid != os.Getpid() {
				_ = syscall.Kill(pid, s) // it may be gone already
			}
		}
	}
}
