package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// A sealed value is
//
//	1 byte   version: 1, under a data key of its own; 2, under the tenant's
//	         accounts key
//	2 bytes  length of the wrapped key, big-endian
//	n bytes  the data key, wrapped by KMS
//	12 bytes nonce
//	rest     the secret under AES-256-GCM, tag included
//
// Everything before the nonce is associated data too, so no byte of a value
// can change without its being refused.
const (
	version1   = 1
	version2   = 2
	headerLen  = 3
	nonceLen   = 12
	tagLen     = 16
	keyLen     = 32
	maxWrapped = 6144 // KMS's own limit on a ciphertext
)

var errFormat = errors.New("not a sealed value of a known version")

// sealedValue is a sealed value in pieces; all alias the value.
type sealedValue struct {
	version    byte
	header     []byte // version, length and wrapped key
	wrappedKey []byte
	nonce      []byte
	ciphertext []byte
}

func parse(s dcm.Sealed) (sealedValue, error) {
	if len(s) < headerLen || s[0] != version1 && s[0] != version2 {
		return sealedValue{}, errFormat
	}
	n := int(binary.BigEndian.Uint16(s[1:headerLen]))
	if n == 0 || n > maxWrapped || len(s) < headerLen+n+nonceLen+tagLen {
		return sealedValue{}, errFormat
	}
	body := s[headerLen+n:]
	return sealedValue{
		version:    s[0],
		header:     s[:headerLen+n],
		wrappedKey: s[headerLen : headerLen+n],
		nonce:      body[:nonceLen],
		ciphertext: body[nonceLen:],
	}, nil
}

// encrypt builds a sealed value.
func encrypt(random io.Reader, version byte, key, wrapped, plain, binding []byte) (dcm.Sealed, error) {
	if len(wrapped) == 0 || len(wrapped) > maxWrapped {
		return nil, fmt.Errorf("KMS wrapped the data key in %d bytes", len(wrapped))
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	value := make([]byte, 0, headerLen+len(wrapped)+nonceLen+len(plain)+tagLen)
	value = append(value, version)
	value = binary.BigEndian.AppendUint16(value, uint16(len(wrapped)))
	value = append(value, wrapped...)
	header := value
	nonce := make([]byte, nonceLen)
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	value = append(value, nonce...)
	return aead.Seal(value, nonce, plain, slices.Concat(header, binding)), nil
}

func decrypt(v sealedValue, key, binding []byte) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, v.nonce, v.ciphertext, slices.Concat(v.header, binding))
	if err != nil {
		return nil, fmt.Errorf("decrypt the secret: %w", err)
	}
	return plain, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != keyLen {
		return nil, fmt.Errorf("the data key has %d bytes", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// associatedData renders a binding so that no two render the same: names in
// order, every text preceded by its length.
func associatedData(binding map[string]string) []byte {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(binding)) {
		b = appendText(appendText(b, name), binding[name])
	}
	return b
}

func appendText(b []byte, text string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	return append(b, text...)
}
