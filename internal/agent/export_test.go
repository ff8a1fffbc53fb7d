package agent

import "github.com/devcontainer-manager/devcontainer-manager/internal/dcm"

// ComesBack is for tests.
var ComesBack = comesBack

// TraceOf is what a boot from this disk is traced as, before anything of it ends.
func TraceOf(root string) dcm.BootTrace {
	t := newTracer(root, true)
	t.countPackages()
	return t.trace
}
