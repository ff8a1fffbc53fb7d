package objects

import (
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// reencrypter is age, on both sides of a stream.
type reencrypter struct{}

// Reencrypt goes chunk by chunk: age seals 64 KiB at a time. What it decrypts is
// written before the end of src is known to be genuine; its caller keeps
// nothing of an incomplete dst.
func (reencrypter) Reencrypt(dst io.Writer, src io.Reader, identity dcm.Secret, recipient string) error {
	from, err := age.ParseX25519Identity(identity.Reveal())
	if err != nil {
		// The parser's words may quote the key.
		return fmt.Errorf("parse the age identity: it is malformed")
	}
	to, err := age.ParseX25519Recipient(recipient)
	if err != nil {
		return fmt.Errorf("parse the age recipient: %w", err)
	}
	plain, err := age.Decrypt(src, from)
	if err != nil {
		return fmt.Errorf("decrypt: %w", err)
	}
	sealed, err := age.Encrypt(dst, to)
	if err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	if _, err := io.Copy(sealed, plain); err != nil {
		return fmt.Errorf("re-encrypt: %w", err)
	}
	if err := sealed.Close(); err != nil {
		return fmt.Errorf("encrypt the end: %w", err)
	}
	return nil
}
