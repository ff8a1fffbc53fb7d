package terminal

// Transcript is a session's output, for tests.
type Transcript = transcript

// What tests reach into.
var (
	NewTranscript = newTranscript
	IsReport      = isReport
)

// Modes describes what a terminal is left in by output.
func Modes(output []byte) string {
	t := newTranscript(1 << 10)
	_, _ = t.Write(output)
	return t.scanner.modes.sequence()
}

// CutPoints returns every offset at which output may be cut.
func CutPoints(output []byte) []int {
	var s scanner
	var cuts []int
	for i, b := range output {
		if s.next(b) {
			cuts = append(cuts, i+1)
		}
	}
	return cuts
}
