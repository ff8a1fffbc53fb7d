package terminal

import (
	"fmt"
	"strings"
)

// modes is the set of private modes that differ from a terminal just switched
// on: a bit for each entry of modeTable.
type modes uint16

// mode is a private mode that changes how later output or input reads.
type mode struct {
	number    int
	byDefault bool
}

// modeTable lists the modes worth keeping, in the order to set them in: the
// screen first, since the others may be the screen's own.
func modeTable() [12]mode {
	return [...]mode{
		{number: 1049}, // the second screen, with the cursor saved
		{number: 1047}, // the second screen
		{number: 1},    // cursor keys send application sequences
		{number: 7, byDefault: true},
		{number: 25, byDefault: true},
		{number: 1000}, // mouse: clicks,
		{number: 1002}, // drags,
		{number: 1003}, // all moves,
		{number: 1006}, // in decimal
		{number: 1004}, // focus
		{number: 2004}, // bracketed paste
		{number: 2031}, // colour scheme changes
	}
}

// set records that a mode was switched.
func (m *modes) set(number int, on bool) {
	for i, known := range modeTable() {
		if known.number == number {
			*m &^= 1 << i
			if on != known.byDefault {
				*m |= 1 << i
			}
		}
	}
}

// sequence brings a terminal just reset into the modes.
func (m modes) sequence() string { return m.switched('h', 'l') }

// undo brings a terminal in these modes back to where it began.
func (m modes) undo() string { return m.switched('l', 'h') }

func (m modes) switched(usual, byDefault rune) string {
	var b strings.Builder
	for i, known := range modeTable() {
		if m&(1<<i) == 0 {
			continue
		}
		final := usual
		if known.byDefault {
			final = byDefault
		}
		fmt.Fprintf(&b, "\x1b[?%d%c", known.number, final)
	}
	return b.String()
}
