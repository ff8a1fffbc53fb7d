package cloudinit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// encode returns v as JSON that every YAML reader takes for the same value.
// Between the two lie the characters that YAML refuses or folds as line breaks
// though JSON allows them raw (DEL, U+0080 to U+009F, U+FEFF, U+FFFE): all of
// the basic plane beyond printable ASCII is therefore escaped. The other
// planes are left raw, because YAML has no surrogate pairs.
func encode(v any) (string, error) {
	var raw bytes.Buffer
	e := json.NewEncoder(&raw)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		return "", fmt.Errorf("encode: %w", err)
	}
	var b strings.Builder
	for _, r := range raw.String() {
		if r >= 0x7f && r <= 0xffff {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}
