package agent

import (
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// ComesBack is for tests.
var ComesBack = comesBack

// TraceOf is what a boot from this disk is traced as, before anything of it ends.
func TraceOf(root string) dcm.BootTrace {
	t := newTracer(root, true)
	t.countPackages()
	return t.trace
}

// ResumedAfter is what has passed for an agent that starts now, if a run before
// it noted this in the boot "1".
func ResumedAfter(passed time.Duration, at, now time.Time, boot string) time.Duration {
	return (&silence{Passed: passed, At: at, Boot: "1"}).resumed(now, boot)
}
