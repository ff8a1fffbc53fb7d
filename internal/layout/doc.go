// Package layout has no code: its tests hold the project to its layout. Who
// may import whom, what a function may link, and how long its main may be.
package layout
