package terminal

// scanner follows a shell's output just closely enough to know where it can be
// cut, which is outside of every character and escape sequence, and which
// lasting modes hold there. Its zero value is a terminal just switched on.
type scanner struct {
	state    scanState
	utf8Left int
	private  bool
	params   []int
	modes    modes
}

type scanState uint8

const (
	ground scanState = iota
	escape
	// intermediate: ESC and a byte that takes one more, such as a charset.
	intermediate
	csi
	// text: an OSC, DCS, SOS, PM or APC string.
	text
	textEscape
)

// maxParams bounds what is kept of one control sequence.
const maxParams = 16

// next takes one byte and reports whether the output can be cut after it.
func (s *scanner) next(b byte) bool {
	switch s.state {
	case ground:
		s.nextGround(b)
	case escape:
		s.nextEscape(b)
	case intermediate:
		if b >= 0x30 {
			s.state = ground
		}
	case csi:
		s.nextCSI(b)
	case text:
		switch b {
		case 0x07, 0x18, 0x1a:
			s.state = ground
		case 0x1b:
			s.state = textEscape
		}
	case textEscape:
		// ESC \ ends the string; any other escape does too, and begins anew.
		s.state = ground
		if b != '\\' {
			s.nextEscape(b)
		}
	}
	return s.state == ground && s.utf8Left == 0
}

func (s *scanner) nextGround(b byte) {
	switch {
	case b == 0x1b:
		s.state, s.utf8Left = escape, 0
	case b&0xc0 == 0x80:
		s.utf8Left = max(0, s.utf8Left-1)
	case b >= 0xf0 && b < 0xf8:
		s.utf8Left = 3
	case b >= 0xe0:
		s.utf8Left = 2
	case b >= 0xc0:
		s.utf8Left = 1
	default:
		s.utf8Left = 0
	}
}

func (s *scanner) nextEscape(b byte) {
	switch {
	case b == '[':
		s.state, s.private, s.params = csi, false, append(s.params[:0], 0)
	case b == ']' || b == 'P' || b == 'X' || b == '^' || b == '_':
		s.state = text
	case b >= 0x20 && b < 0x30:
		s.state = intermediate
	case b == 0x1b:
		s.state = escape
	case b == 'c': // full reset
		s.state, s.modes = ground, 0
	default:
		s.state = ground
	}
}

func (s *scanner) nextCSI(b byte) {
	last := len(s.params) - 1
	switch {
	case b == '?':
		s.private = true
	case b >= '0' && b <= '9':
		s.params[last] = min(s.params[last]*10+int(b-'0'), 1<<16)
	case b == ';' || b == ':':
		if len(s.params) < maxParams {
			s.params = append(s.params, 0)
		} else {
			s.params[last] = 0
		}
	case b == 0x1b:
		s.state = escape
	case b == 0x18 || b == 0x1a:
		s.state = ground
	case b >= 0x40 && b < 0x7f:
		s.state = ground
		if s.private && (b == 'h' || b == 'l') {
			for _, p := range s.params {
				s.modes.set(p, b == 'h')
			}
		}
	}
}
