package kms

import (
	"crypto/rand"
	"crypto/sha256"
	"io"
)

const maxPlaintext = 4096

type dataKeyInput struct {
	KeyId             string
	KeySpec           string
	NumberOfBytes     int
	EncryptionContext map[string]string
}

type dataKeyOutput struct {
	CiphertextBlob []byte
	Plaintext      []byte
	KeyId          string
}

func (s *Server) generateDataKey(in dataKeyInput) (*dataKeyOutput, *fault) {
	k, f := s.symmetric(in.KeyId)
	if f != nil {
		return nil, f
	}
	size := in.NumberOfBytes
	switch {
	case in.KeySpec == "AES_256" && size == 0:
		size = 32
	case in.KeySpec == "AES_128" && size == 0:
		size = 16
	case in.KeySpec != "" || size < 1 || size > 1024:
		return nil, faultf("ValidationException", "specify either KeySpec or NumberOfBytes")
	}
	plain := make([]byte, size)
	if _, err := io.ReadFull(s.random, plain); err != nil {
		return nil, faultf("KMSInternalException", "%v", err)
	}
	blob, f := s.wrap(k, plain, in.EncryptionContext)
	if f != nil {
		return nil, f
	}
	return &dataKeyOutput{CiphertextBlob: blob, Plaintext: plain, KeyId: k.arn()}, nil
}

type encryptInput struct {
	KeyId               string
	Plaintext           []byte
	EncryptionContext   map[string]string
	EncryptionAlgorithm string
}

type encryptOutput struct {
	CiphertextBlob      []byte
	KeyId               string
	EncryptionAlgorithm string
}

func (s *Server) encrypt(in encryptInput) (*encryptOutput, *fault) {
	k, f := s.symmetric(in.KeyId)
	if f != nil {
		return nil, f
	}
	if len(in.Plaintext) < 1 || len(in.Plaintext) > maxPlaintext {
		return nil, faultf("ValidationException", "the plaintext has between 1 and %d bytes", maxPlaintext)
	}
	if f := symmetricAlgorithm(in.EncryptionAlgorithm); f != nil {
		return nil, f
	}
	blob, f := s.wrap(k, in.Plaintext, in.EncryptionContext)
	if f != nil {
		return nil, f
	}
	return &encryptOutput{CiphertextBlob: blob, KeyId: k.arn(), EncryptionAlgorithm: string(Symmetric)}, nil
}

type decryptInput struct {
	CiphertextBlob      []byte
	KeyId               string
	EncryptionContext   map[string]string
	EncryptionAlgorithm string
}

type decryptOutput struct {
	Plaintext           []byte
	KeyId               string
	EncryptionAlgorithm string
}

func (s *Server) decrypt(in decryptInput) (*decryptOutput, *fault) {
	if f := symmetricAlgorithm(in.EncryptionAlgorithm); f != nil {
		return nil, f
	}
	k, plain, f := s.unwrap(in.CiphertextBlob, in.EncryptionContext)
	if f != nil {
		return nil, f
	}
	if in.KeyId != "" && in.KeyId != k.id && in.KeyId != k.arn() {
		return nil, faultf("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
	}
	return &decryptOutput{Plaintext: plain, KeyId: k.arn(), EncryptionAlgorithm: string(Symmetric)}, nil
}

func symmetricAlgorithm(name string) *fault {
	if name == "" || name == string(Symmetric) {
		return nil
	}
	return faultf("ValidationException", "the local stack encrypts with %s only", Symmetric)
}

const signingAlgorithm = "ECDSA_SHA_256"

type signInput struct {
	KeyId            string
	Message          []byte
	MessageType      string
	SigningAlgorithm string
}

type signOutput struct {
	KeyId            string
	Signature        []byte
	SigningAlgorithm string
}

func (s *Server) sign(in signInput) (*signOutput, *fault) {
	k, f := s.asymmetric(in.KeyId)
	if f != nil {
		return nil, f
	}
	if in.SigningAlgorithm != signingAlgorithm {
		return nil, faultf("ValidationException", "%s does not sign with %s", k.arn(), in.SigningAlgorithm)
	}
	if len(in.Message) < 1 || len(in.Message) > maxPlaintext {
		return nil, faultf("ValidationException", "the message has between 1 and %d bytes", maxPlaintext)
	}
	digest := in.Message
	switch in.MessageType {
	case "DIGEST":
		if len(digest) != sha256.Size {
			return nil, faultf("ValidationException", "Digest is invalid length for algorithm %s", signingAlgorithm)
		}
	case "", "RAW":
		sum := sha256.Sum256(in.Message)
		digest = sum[:]
	default:
		return nil, faultf("ValidationException", "MessageType is RAW or DIGEST")
	}
	signature, err := k.sign(digest)
	if err != nil {
		return nil, faultf("KMSInternalException", "%v", err)
	}
	return &signOutput{KeyId: k.arn(), Signature: signature, SigningAlgorithm: signingAlgorithm}, nil
}

type keyInput struct{ KeyId string }

type publicKeyOutput struct {
	KeyId             string
	PublicKey         []byte
	KeySpec           Spec
	KeyUsage          string
	SigningAlgorithms []string
}

func (s *Server) getPublicKey(in keyInput) (*publicKeyOutput, *fault) {
	k, f := s.asymmetric(in.KeyId)
	if f != nil {
		return nil, f
	}
	public, err := k.publicKey()
	if err != nil {
		return nil, faultf("KMSInternalException", "%v", err)
	}
	return &publicKeyOutput{
		KeyId: k.arn(), PublicKey: public, KeySpec: k.spec, KeyUsage: k.usage(), SigningAlgorithms: []string{signingAlgorithm},
	}, nil
}

type createKeyInput struct {
	Description string
	KeySpec     Spec
	KeyUsage    string
}

type keyMetadata struct {
	KeyId        string
	Arn          string
	CreationDate float64
	Enabled      bool
	KeyState     string
	KeySpec      Spec
	KeyUsage     string
	KeyManager   string
	Origin       string
}

type keyOutput struct{ KeyMetadata keyMetadata }

func (s *Server) createKey(in createKeyInput) (*keyOutput, *fault) {
	if in.KeySpec == "" {
		in.KeySpec = Symmetric
	}
	k, err := s.newKey(rand.Text(), in.KeySpec)
	if err != nil {
		return nil, faultf("ValidationException", "%v", err)
	}
	if in.KeyUsage != "" && in.KeyUsage != k.usage() {
		return nil, faultf("ValidationException", "KeyUsage %s is not compatible with KeySpec %s", in.KeyUsage, in.KeySpec)
	}
	s.mu.Lock()
	s.keys[k.id] = k
	s.mu.Unlock()
	return k.metadata(), nil
}

func (s *Server) describeKey(in keyInput) (*keyOutput, *fault) {
	k, f := s.find(in.KeyId)
	if f != nil {
		return nil, f
	}
	return k.metadata(), nil
}

func (k *key) usage() string {
	if k.signer != nil {
		return "SIGN_VERIFY"
	}
	return "ENCRYPT_DECRYPT"
}

func (k *key) metadata() *keyOutput {
	return &keyOutput{keyMetadata{
		KeyId: k.id, Arn: k.arn(), CreationDate: float64(k.created.Unix()), Enabled: true, KeyState: "Enabled",
		KeySpec: k.spec, KeyUsage: k.usage(), KeyManager: "CUSTOMER", Origin: "AWS_KMS",
	}}
}
