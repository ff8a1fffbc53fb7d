// Package local is the whole system on one machine: the real functions behind
// the real event format, the real SDK clients over HTTP, the real agent as a
// process; only the far ends are stand-ins. Routes, authorizers, environment
// and schedules are read from template.yaml, so that they cannot drift.
//
// Everything listens on loopback, nothing is kept: when the stack ends, its
// processes and files are gone.
package local
