package attribute

import (
	"math/big"
	"strconv"
	"strings"
)

// The limits of a number.
const (
	maxDigits   = 38
	maxExponent = 126  // of 0.d × 10^e: up to 9.99…E+125
	minExponent = -129 // down to 1E-130
)

// Decimal is a number of up to 38 significant digits. The zero value is 0.
// Equal numbers are equal structs.
type Decimal struct {
	negative bool
	// digits has neither leading nor trailing zeros; the number is
	// 0.digits × 10^exponent.
	digits   string
	exponent int
}

// ParseDecimal reads a number. Every error is an *InvalidError.
func ParseDecimal(text string) (Decimal, error) {
	mantissa, exponent, ok := splitExponent(text)
	if !ok {
		return Decimal{}, notNumeric(text)
	}
	negative := strings.HasPrefix(mantissa, "-")
	if negative || strings.HasPrefix(mantissa, "+") {
		mantissa = mantissa[1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole+fraction == "" || !allDigits(whole) || !allDigits(fraction) {
		return Decimal{}, notNumeric(text)
	}
	return normalise(negative, whole+fraction, exponent+len(whole))
}

func notNumeric(text string) error {
	if text == "" {
		return Invalidf("The parameter cannot be converted to a numeric value")
	}
	return Invalidf("The parameter cannot be converted to a numeric value: %s", text)
}

func splitExponent(text string) (mantissa string, exponent int, ok bool) {
	i := strings.IndexAny(text, "eE")
	if i < 0 {
		return text, 0, true
	}
	sign, digits := "", text[i+1:]
	if strings.HasPrefix(digits, "+") || strings.HasPrefix(digits, "-") {
		sign, digits = digits[:1], digits[1:]
	}
	if digits == "" || !allDigits(digits) {
		return "", 0, false
	}
	if len(strings.TrimLeft(digits, "0")) > 6 {
		// Far outside the range either way; keeps the arithmetic small.
		digits = "999999"
	}
	exponent, err := strconv.Atoi(sign + digits)
	return text[:i], exponent, err == nil
}

func allDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// normalise makes the one form of 0.digits × 10^exponent and checks limits.
func normalise(negative bool, digits string, exponent int) (Decimal, error) {
	trimmed := strings.TrimLeft(digits, "0")
	exponent -= len(digits) - len(trimmed)
	trimmed = strings.TrimRight(trimmed, "0")
	switch {
	case trimmed == "":
		return Decimal{}, nil
	case len(trimmed) > maxDigits:
		return Decimal{}, Invalidf("Attempting to store more than 38 significant digits in a Number")
	case exponent > maxExponent:
		return Decimal{}, Invalidf("Number overflow. Attempting to store a number with magnitude larger than supported range")
	case exponent < minExponent:
		return Decimal{}, Invalidf("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	}
	return Decimal{negative: negative, digits: trimmed, exponent: exponent}, nil
}

// String writes the number without an exponent, as DynamoDB answers it.
func (d Decimal) String() string {
	if d.digits == "" {
		return "0"
	}
	var b strings.Builder
	if d.negative {
		b.WriteByte('-')
	}
	switch {
	case d.exponent <= 0:
		b.WriteString("0." + strings.Repeat("0", -d.exponent) + d.digits)
	case d.exponent >= len(d.digits):
		b.WriteString(d.digits + strings.Repeat("0", d.exponent-len(d.digits)))
	default:
		b.WriteString(d.digits[:d.exponent] + "." + d.digits[d.exponent:])
	}
	return b.String()
}

// Compare returns -1, 0 or 1.
func (d Decimal) Compare(o Decimal) int {
	if d.sign() != o.sign() {
		return compareInts(d.sign(), o.sign())
	}
	c := compareInts(d.exponent, o.exponent)
	if c == 0 {
		c = strings.Compare(d.digits, o.digits)
	}
	return c * d.sign()
}

func (d Decimal) sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.negative:
		return -1
	}
	return 1
}

func compareInts(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Add returns d + o. A result outside the limits is an *InvalidError.
func (d Decimal) Add(o Decimal) (Decimal, error) {
	scale := min(d.exponent-len(d.digits), o.exponent-len(o.digits))
	sum := new(big.Int).Add(d.scaled(scale), o.scaled(scale))
	digits := new(big.Int).Abs(sum).String()
	return normalise(sum.Sign() < 0, digits, scale+len(digits))
}

// Sub returns d - o. A result outside the limits is an *InvalidError.
func (d Decimal) Sub(o Decimal) (Decimal, error) {
	o.negative = !o.negative
	return d.Add(o)
}

// scaled returns d / 10^scale, which must be whole.
func (d Decimal) scaled(scale int) *big.Int {
	n, _ := new(big.Int).SetString("0"+d.digits, 10)
	power := int64(d.exponent - len(d.digits) - scale)
	n.Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(power), nil))
	if d.negative {
		n.Neg(n)
	}
	return n
}

// Int64 returns the whole part, saturated to the range of int64.
func (d Decimal) Int64() int64 {
	whole, _, _ := strings.Cut(d.String(), ".")
	n, _ := strconv.ParseInt(whole, 10, 64)
	return n
}
