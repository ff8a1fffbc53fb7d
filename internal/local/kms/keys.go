package kms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// key is one KMS key; exactly one of aead and signer is set.
type key struct {
	id      string
	spec    Spec
	created time.Time
	aead    cipher.AEAD
	signer  *ecdsa.PrivateKey
}

func (s *Server) newKey(id string, spec Spec) (*key, error) {
	k := &key{id: id, spec: spec, created: s.clock.Now()}
	switch spec {
	case Symmetric:
		secret := make([]byte, 32)
		if _, err := io.ReadFull(s.random, secret); err != nil {
			return nil, fmt.Errorf("draw a key: %w", err)
		}
		block, err := aes.NewCipher(secret)
		if err != nil {
			return nil, err
		}
		k.aead, err = cipher.NewGCM(block)
		return k, err
	case ECCP256:
		signer, err := ecdsa.GenerateKey(elliptic.P256(), s.random)
		k.signer = signer
		return k, err
	default:
		return nil, fmt.Errorf("key %s: unknown spec %q", id, spec)
	}
}

// arn is how answers name the key.
func (k *key) arn() string { return "arn:aws:kms:eu-central-1:000000000000:key/" + k.id }

// find returns the key named by id or ARN.
func (s *Server) find(name string) (*key, *fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, k := range s.keys {
		if name == id || name == k.arn() {
			return k, nil
		}
	}
	return nil, faultf("NotFoundException", "Key '%s' does not exist", name)
}

// symmetric and asymmetric refuse keys of the other kind, as KMS does.
func (s *Server) symmetric(name string) (*key, *fault) {
	k, f := s.find(name)
	if f == nil && k.aead == nil {
		return nil, faultf("InvalidKeyUsageException", "%s key usage is SIGN_VERIFY", k.arn())
	}
	return k, f
}

func (s *Server) asymmetric(name string) (*key, *fault) {
	k, f := s.find(name)
	if f == nil && k.signer == nil {
		return nil, faultf("InvalidKeyUsageException", "%s key usage is ENCRYPT_DECRYPT", k.arn())
	}
	return k, f
}

// A ciphertext is the key's id (one byte of length before it), a nonce, and
// AES-256-GCM under the encryption context: like KMS's it names its own key.
func (s *Server) wrap(k *key, plain []byte, context map[string]string) ([]byte, *fault) {
	blob := append([]byte{byte(len(k.id))}, k.id...)
	nonce := make([]byte, k.aead.NonceSize())
	if _, err := io.ReadFull(s.random, nonce); err != nil {
		return nil, faultf("KMSInternalException", "%v", err)
	}
	blob = append(blob, nonce...)
	return k.aead.Seal(blob, nonce, plain, canonical(context)), nil
}

// unwrap opens a ciphertext. Whatever is wrong with it, or with the context,
// is one error, as with KMS.
func (s *Server) unwrap(blob []byte, context map[string]string) (*key, []byte, *fault) {
	invalid := faultf("InvalidCiphertextException", "")
	if len(blob) < 1 || len(blob) < 1+int(blob[0]) {
		return nil, nil, invalid
	}
	id, rest := string(blob[1:1+blob[0]]), blob[1+blob[0]:]
	k, f := s.symmetric(id)
	if f != nil || len(rest) < k.aead.NonceSize() {
		return nil, nil, invalid
	}
	n := k.aead.NonceSize()
	plain, err := k.aead.Open(nil, rest[:n], rest[n:], canonical(context))
	if err != nil {
		return nil, nil, invalid
	}
	return k, plain, nil
}

// canonical renders an encryption context, in which order means nothing.
func canonical(context map[string]string) []byte {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(context)) {
		for _, text := range []string{name, context[name]} {
			b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
			b = append(b, text...)
		}
	}
	return b
}

func (k *key) sign(digest []byte) ([]byte, error) {
	return ecdsa.SignASN1(rand.Reader, k.signer, digest)
}

func (k *key) publicKey() ([]byte, error) { return x509.MarshalPKIXPublicKey(&k.signer.PublicKey) }
