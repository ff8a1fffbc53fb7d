package attribute

// AppendKey appends v, of an ordered kind, to dst so that the bytes of keys
// sort as the values do: numbers by value, strings and binaries by bytes. No
// key is another's prefix, so keys may be concatenated.
func AppendKey(dst []byte, v Value) []byte {
	if v.Kind == Number {
		return appendDecimal(dst, v.Number)
	}
	return append(AppendPrefix(dst, v), 0, 1)
}

// AppendPrefix appends a string or binary as the beginning of every key that
// begins with it.
func AppendPrefix(dst []byte, v Value) []byte {
	for i := range len(v.Text) {
		dst = append(dst, v.Text[i])
		if v.Text[i] == 0 {
			// Sorts a zero byte after the end of a key, which is 0 1.
			dst = append(dst, 0xFF)
		}
	}
	return dst
}

// appendDecimal writes sign, exponent and digits; for a negative number all
// of them complemented, since there the larger magnitude sorts first.
func appendDecimal(dst []byte, d Decimal) []byte {
	const negative, zero, positive = 1, 2, 3
	if d.digits == "" {
		return append(dst, zero)
	}
	body := append([]byte{byte(d.exponent - minExponent)}, d.digits...)
	body = append(body, 0)
	if !d.negative {
		return append(append(dst, positive), body...)
	}
	dst = append(dst, negative)
	for _, b := range body {
		dst = append(dst, ^b)
	}
	return dst
}
