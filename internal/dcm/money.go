package dcm

import (
	"fmt"
	"math/big"
	"strings"
)

// Micros is an amount of money in millionths of the installation's currency.
// Sums of it are exact.
type Micros int64

// String renders a decimal number with at least two places: "0.0096", "12.50".
func (m Micros) String() string {
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	places := strings.TrimRight(fmt.Sprintf("%06d", m%1_000_000), "0")
	for len(places) < 2 {
		places += "0"
	}
	return fmt.Sprintf("%s%d.%s", sign, m/1_000_000, places)
}

// ParseMicros reads a decimal number that is not negative. What is finer than
// a millionth is rounded up: an estimate of cost must not be too low.
func ParseMicros(decimal string) (Micros, error) {
	r, ok := new(big.Rat).SetString(decimal)
	if !ok || strings.ContainsAny(decimal, "eE/_xXpP") || r.Sign() < 0 {
		return 0, fmt.Errorf("%q is not an amount", decimal)
	}
	r.Mul(r, big.NewRat(1_000_000, 1))
	whole, rest := new(big.Int).QuoRem(r.Num(), r.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		whole.Add(whole, big.NewInt(1))
	}
	if !whole.IsInt64() {
		return 0, fmt.Errorf("%q is too large an amount", decimal)
	}
	return Micros(whole.Int64()), nil
}
