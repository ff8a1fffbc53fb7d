package dcm

import (
	"fmt"
	"math/big"
	"math/bits"
)

// ByteSeconds is how much was stored for how long: bytes times seconds. Sums of
// it are exact, up to 2¹²⁷: a few TB in a month are more than 64 bits hold. It
// may be negative, as a change. Equal amounts are equal by ==.
type ByteSeconds struct {
	high int64
	low  uint64
}

// StoredFor is what bytes make in seconds.
func StoredFor(bytes, seconds int64) ByteSeconds {
	high, low := bits.Mul64(uint64(bytes), uint64(seconds))
	// As signed numbers: each factor that is negative was taken for 2⁶⁴ too many.
	if bytes < 0 {
		high -= uint64(seconds)
	}
	if seconds < 0 {
		high -= uint64(bytes)
	}
	return ByteSeconds{int64(high), low}
}

// ParseByteSeconds reads what String writes.
func ParseByteSeconds(text string) (ByteSeconds, error) {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok || n.BitLen() > 127 {
		return ByteSeconds{}, fmt.Errorf("%q is not a number of byte-seconds", text)
	}
	low := new(big.Int).And(n, new(big.Int).SetUint64(1<<64-1))
	return ByteSeconds{new(big.Int).Rsh(n, 64).Int64(), low.Uint64()}, nil
}

// Plus is b and c together.
func (b ByteSeconds) Plus(c ByteSeconds) ByteSeconds {
	low, carry := bits.Add64(b.low, c.low, 0)
	return ByteSeconds{b.high + c.high + int64(carry), low}
}

// Minus is b without c.
func (b ByteSeconds) Minus(c ByteSeconds) ByteSeconds {
	low, borrow := bits.Sub64(b.low, c.low, 0)
	return ByteSeconds{b.high - c.high - int64(borrow), low}
}

// Sign is -1, 0 or 1.
func (b ByteSeconds) Sign() int {
	switch {
	case b.high < 0:
		return -1
	case b == ByteSeconds{}:
		return 0
	default:
		return 1
	}
}

// String is the decimal number.
func (b ByteSeconds) String() string { return b.number().String() }

// GBHours is b in hours of 10⁹ bytes, to six places.
func (b ByteSeconds) GBHours() float64 {
	// Rounded once, at the end.
	const millionths = 1_000_000_000 * 3600 / 1_000_000
	half := big.NewInt(millionths / 2)
	n := new(big.Int).Div(new(big.Int).Add(b.number(), half), big.NewInt(millionths))
	hours, _ := new(big.Rat).SetFrac(n, big.NewInt(1_000_000)).Float64()
	return hours
}

func (b ByteSeconds) number() *big.Int {
	n := new(big.Int).Lsh(big.NewInt(b.high), 64)
	return n.Add(n, new(big.Int).SetUint64(b.low))
}
