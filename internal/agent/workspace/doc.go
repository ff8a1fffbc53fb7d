// Package workspace makes a workspace out of a repository and runs it: in the
// repository's devcontainer, or on the host itself.
package workspace
