package store

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// position is where a page ended.
type position struct {
	at instant
	id string
}

// listing is what a cursor is bound to: a list, and the filter it was read with.
type listing struct {
	list   string
	filter []string
	// valid tells whether an id could be one of the list's.
	valid func(id string) bool
}

// A cursor is base64url of: sum of the rest, time, id. It holds no key: the
// partition comes from the tenant store that opens it, so not even a forged
// cursor leads out of its tenant. The sum binds it to the tenant, the list and
// the filter, so that one used elsewhere is refused instead of skipping items
// silently. It is no signature, and need not be one.
const cursorSumBytes = 12

func (t *tenantStore) sealCursor(l listing, p position) string {
	body := binary.BigEndian.AppendUint64(nil, uint64(p.at))
	body = append(body, p.id...)
	return base64.RawURLEncoding.EncodeToString(append(t.cursorSum(l, body), body...))
}

func (t *tenantStore) openCursor(l listing, cursor string) (position, error) {
	const sumAndTime = cursorSumBytes + 8
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	// Encoded again it must be the same: the decoder overlooks line breaks.
	if err != nil || len(raw) <= sumAndTime || base64.RawURLEncoding.EncodeToString(raw) != cursor {
		return position{}, badCursor()
	}
	sum, body := raw[:cursorSumBytes], raw[cursorSumBytes:]
	if subtle.ConstantTimeCompare(sum, t.cursorSum(l, body)) != 1 {
		return position{}, badCursor()
	}
	p := position{at: instant(binary.BigEndian.Uint64(body)), id: string(body[8:])}
	if !l.valid(p.id) {
		return position{}, badCursor()
	}
	return p, nil
}

func (t *tenantStore) cursorSum(l listing, body []byte) []byte {
	// No part but the last can contain the separator.
	bound := strings.Join(append([]string{l.list, t.options.Table, string(t.id)}, l.filter...), "\x00")
	h := sha256.New()
	_, _ = h.Write(append([]byte(bound+"\x00"), body...))
	return h.Sum(nil)[:cursorSumBytes]
}

func badCursor() error {
	return dcm.InvalidFields(dcm.FieldError{Field: "cursor", Message: "is not a cursor of this list"})
}
