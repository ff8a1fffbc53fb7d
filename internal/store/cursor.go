package store

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// position is where a page of VMs ended.
type position struct {
	created instant
	vm      dcm.VMID
}

// A cursor is base64url of: sum of the rest, created, VM id. It holds no key:
// the partition comes from the tenant store that opens it, so not even a
// forged cursor leads out of its tenant. The sum binds it to the tenant and the
// filter, so that one used elsewhere is refused instead of skipping items
// silently. It is no signature, and need not be one.
const cursorSumBytes = 12

func (t *tenantStore) sealCursor(q dcm.VMQuery, p position) string {
	body := binary.BigEndian.AppendUint64(nil, uint64(p.created))
	body = append(body, p.vm...)
	return base64.RawURLEncoding.EncodeToString(append(t.cursorSum(q, body), body...))
}

func (t *tenantStore) openCursor(q dcm.VMQuery) (position, error) {
	const sumAndTime = cursorSumBytes + 8
	raw, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	// Encoded again it must be the same: the decoder overlooks line breaks.
	if err != nil || len(raw) <= sumAndTime || base64.RawURLEncoding.EncodeToString(raw) != q.Cursor {
		return position{}, badCursor()
	}
	sum, body := raw[:cursorSumBytes], raw[cursorSumBytes:]
	if subtle.ConstantTimeCompare(sum, t.cursorSum(q, body)) != 1 {
		return position{}, badCursor()
	}
	p := position{created: instant(binary.BigEndian.Uint64(body)), vm: dcm.VMID(body[8:])}
	if !p.vm.Valid() {
		return position{}, badCursor()
	}
	return p, nil
}

func (t *tenantStore) cursorSum(q dcm.VMQuery, body []byte) []byte {
	// No part but the last can contain the separator.
	bound := strings.Join([]string{"vms", t.options.Table, string(t.id), string(q.Status), string(q.Workspace)}, "\x00")
	h := sha256.New()
	_, _ = h.Write(append([]byte(bound+"\x00"), body...))
	return h.Sum(nil)[:cursorSumBytes]
}

func badCursor() error {
	return dcm.InvalidFields(dcm.FieldError{Field: "cursor", Message: "is not a cursor of this list"})
}
