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
	// Preparing is how long the files then waited for the container engine.
	Preparing Tenths `json:"preparingSeconds"`
	// Building is all that makes a workspace of its files, and at its end the few
	// seconds for which it may wait for its certificate.
	Building Tenths `json:"buildingSeconds"`
	// Packages is how many had to be installed; none on a prepared image.
	Packages Packages `json:"packagesInstalled"`
}

// Packages is a number of packages, which no boot has more of than maxPart.
type Packages int32

// PackagesOf bounds a number.
func PackagesOf(n int) Packages { return Packages(max(0, min(n, maxPart))) }

// UnmarshalJSON reads a number. What no boot can have is an error.
func (p *Packages) UnmarshalJSON(b []byte) error {
	var n int32
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	if n < 0 || n > maxPart {
		return fmt.Errorf("%d packages are more than a boot installs", n)
	}
	*p = Packages(n)
	return nil
}

// Tenths is a duration in tenths of a second. As JSON it is seconds.
type Tenths int32

// maxPart keeps a trace short: three digits of base 36. As tenths it is 77
// minutes, and a boot that takes this long was given up half an hour before.
const maxPart = 36*36*36 - 1

// TenthsOf rounds a duration.
func TenthsOf(d time.Duration) Tenths {
	return Tenths(max(0, min(d.Round(100*time.Millisecond)/(100*time.Millisecond), maxPart)))
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
	if !(seconds >= 0 && seconds*10 <= maxPart) {
		return fmt.Errorf("%v seconds are not the length of a boot", seconds)
	}
	*t = Tenths(math.Round(seconds * 10))
	return nil
}

// parts are the trace's numbers, in order.
func (b *BootTrace) parts() []*int32 {
	return []*int32{
		(*int32)(&b.Machine), (*int32)(&b.Installing), (*int32)(&b.Bootstrapping), (*int32)(&b.Restoring), (*int32)(&b.Cloning),
		(*int32)(&b.Preparing), (*int32)(&b.Building), (*int32)(&b.Packages),
	}
}

// Ours is how long everything took since our first instruction.
func (b BootTrace) Ours() time.Duration {
	return (b.Installing + b.Bootstrapping + b.Restoring + b.Cloning + b.Preparing + b.Building).Duration()
}

// base is of the numbers in a record.
const base = 36

// String is the trace as a record keeps it: its numbers in base 36, in order, at
// most 31 characters.
func (b BootTrace) String() string {
	var s strings.Builder
	for i, part := range b.parts() {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteString(strconv.FormatInt(int64(*part), base))
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
		n, err := strconv.ParseInt(fields[i], base, 32)
		if err != nil || n < 0 || n > maxPart {
			return nil
		}
		*part = int32(n)
	}
	return &b
}
