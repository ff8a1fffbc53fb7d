package dcm

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// BootTrace is how long each part of a VM's boot took, in the order in which
// they happened; zero for what did not happen.
type BootTrace struct {
	// Machine is the provider's image, until our first instruction; everything
	// after it is ours.
	Machine Tenths `json:"machineSeconds"`
	// Installing is until the agent runs.
	Installing    Tenths `json:"installingSeconds"`
	Bootstrapping Tenths `json:"bootstrappingSeconds"`
	Restoring     Tenths `json:"restoringSeconds"`
	Cloning       Tenths `json:"cloningSeconds"`
	// Building is all that makes a workspace of its files.
	Building Tenths `json:"buildingSeconds"`
}

// Tenths is a duration in tenths of a second. As JSON it is seconds.
type Tenths int32

// maxTenths keeps a trace short; a boot that takes this long was given up
// hours before.
const maxTenths = 99_999

// TenthsOf rounds a duration.
func TenthsOf(d time.Duration) Tenths {
	return Tenths(max(0, min(d.Round(100*time.Millisecond)/(100*time.Millisecond), maxTenths)))
}

// Duration is what it says.
func (t Tenths) Duration() time.Duration { return time.Duration(t) * 100 * time.Millisecond }

// MarshalJSON writes seconds.
func (t Tenths) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(t)/10, 'f', -1, 64), nil
}

// UnmarshalJSON reads seconds. What no boot can take is an error.
func (t *Tenths) UnmarshalJSON(b []byte) error {
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err != nil {
		return err
	}
	if !(seconds >= 0 && seconds*10 <= maxTenths) {
		return fmt.Errorf("%v seconds are not the length of a boot", seconds)
	}
	*t = Tenths(math.Round(seconds * 10))
	return nil
}

// parts are the trace's numbers, in order.
func (b *BootTrace) parts() []*Tenths {
	return []*Tenths{&b.Machine, &b.Installing, &b.Bootstrapping, &b.Restoring, &b.Cloning, &b.Building}
}

// Ours is how long everything took since our first instruction.
func (b BootTrace) Ours() time.Duration {
	return (b.Installing + b.Bootstrapping + b.Restoring + b.Cloning + b.Building).Duration()
}

// String is the trace as a record keeps it: tenths of a second, in order, at
// most 35 characters.
func (b BootTrace) String() string {
	var s strings.Builder
	for i, part := range b.parts() {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteString(strconv.Itoa(int(*part)))
	}
	return s.String()
}

// ParseBootTrace reads what String wrote. Anything else is nil.
func ParseBootTrace(text string) *BootTrace {
	fields := strings.Split(text, ",")
	var b BootTrace
	parts := b.parts()
	if len(fields) != len(parts) {
		return nil
	}
	for i, part := range parts {
		n, err := strconv.Atoi(fields[i])
		if err != nil || n < 0 || n > maxTenths {
			return nil
		}
		*part = Tenths(n)
	}
	return &b
}
