package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// certificateFile holds the key and the chain in one, so that no crash can
	// leave one without the other.
	certificateFile = "certificate.pem"
	accountFile     = "account.pem"
	keyType         = "PRIVATE KEY"
)

// load returns the certificate that was kept; nil if there is none, or only one
// that is over.
func (k *Keeper) load() (*tls.Certificate, error) {
	content, err := os.ReadFile(filepath.Join(k.options.Dir, certificateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	c, err := k.parse(content)
	if err != nil {
		return nil, err
	}
	if !k.options.Clock.Now().Before(c.Leaf.NotAfter) {
		return nil, nil
	}
	return c, nil
}

// parse reads what encode wrote. The certificate must be for our names, and for
// the key.
func (k *Keeper) parse(content []byte) (*tls.Certificate, error) {
	c, err := tls.X509KeyPair(content, content)
	if err != nil {
		// Its text tells what kinds of block there are, never what is in them.
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	for _, name := range []string{k.options.Hostname, "ui." + k.options.Hostname} {
		if err := c.Leaf.VerifyHostname(name); err != nil {
			return nil, fmt.Errorf("the certificate is for other names: %w", err)
		}
	}
	return &c, nil
}

func encode(key *ecdsa.PrivateKey, chain []byte) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the key: %w", err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: keyType, Bytes: der}), chain...), nil
}

// accountKey is our key with every authority, made at the first call.
func (k *Keeper) accountKey() (*ecdsa.PrivateKey, error) {
	content, err := os.ReadFile(filepath.Join(k.options.Dir, accountFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the account's key: %w", err)
	}
	if key := decodeKey(content); key != nil {
		return key, nil
	}
	// There is none, or a damaged one: an account more costs nothing.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	encoded, err := encode(key, nil)
	if err != nil {
		return nil, err
	}
	return key, k.save(accountFile, encoded)
}

func decodeKey(content []byte) *ecdsa.PrivateKey {
	block, _ := pem.Decode(content)
	if block == nil || block.Type != keyType {
		return nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil
	}
	key, _ := parsed.(*ecdsa.PrivateKey)
	return key
}

// save replaces a file so that after a crash it is the old or the new one,
// whole, and for root alone.
func (k *Keeper) save(name string, content []byte) error {
	if err := os.MkdirAll(k.options.Dir, 0o700); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	f, err := os.CreateTemp(k.options.Dir, "."+name+".*") // 0600
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	defer os.Remove(f.Name()) // fails once it has been renamed
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	if err := os.Rename(f.Name(), filepath.Join(k.options.Dir, name)); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return nil
}
