// Package replay plays the sample events of events/ through functions, be they
// real binaries or handlers in this process, and says whether each was answered
// as its file's name promises. events/README.md describes the files.
package replay
