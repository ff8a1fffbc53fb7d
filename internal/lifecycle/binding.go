package lifecycle

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// customer is the platform's account with a certificate authority. The secret
// that Customers reads holds one for each by its directory's address:
//
//	{"https://acme.example/directory": {"keyId": "…", "hmacKey": "…"}}
type customer struct {
	KeyID string `json:"keyId"`
	// HMACKey is in base64url, as authorities hand it out.
	HMACKey string `json:"hmacKey"`
}

// bind vouches for a VM that opens an account with an authority: it signs the
// VM's public key, so that what it is signed with never leaves the control plane.
// The VM has then an account that it could have opened at any other authority:
// it can get certificates for nothing but what it can prove.
// CodeInvalid (also if the platform is no customer of that authority),
// CodeConflict (the VM is ending), CodeNotFound.
func (c *Challenges) bind(ctx context.Context, who dcm.TokenClaims, r dcm.DNSChallenge) (dcm.DNSChallenges, error) {
	key, err := checkAccount(r)
	if err != nil {
		return dcm.DNSChallenges{}, err
	}
	vm, err := c.Store.Tenant(who.Tenant).VM(ctx, who.VM)
	if err != nil {
		return dcm.DNSChallenges{}, fmt.Errorf("read %s: %w", who.VM, err)
	}
	if err := mayHaveCertificate(vm); err != nil {
		return dcm.DNSChallenges{}, err
	}
	us, mac, err := c.customer(ctx, r.Account.Directory)
	if err != nil {
		return dcm.DNSChallenges{}, err
	}
	binding, err := us.vouch(key, r.Account.NewAccount, mac)
	if err != nil {
		return dcm.DNSChallenges{}, err
	}
	return dcm.DNSChallenges{Name: challengeName(vm), Values: []string{}, Binding: &binding}, nil
}

// checkAccount holds the new account's address to the directory's host: what is
// signed here is good there and nowhere else.
func checkAccount(r dcm.DNSChallenge) (*ecdsa.PublicKey, error) {
	var wrong []dcm.FieldError
	if r.Value != "" {
		wrong = append(wrong, dcm.FieldError{Field: "value", Message: "must be empty beside an account"})
	}
	directory, err := url.Parse(r.Account.Directory)
	if err != nil || directory.Host == "" {
		wrong = append(wrong, dcm.FieldError{Field: "account.directory", Message: "must be an https address"})
	}
	at, err := url.Parse(r.Account.NewAccount)
	if err != nil || at.Scheme != "https" || directory == nil || at.Host != directory.Host || len(r.Account.NewAccount) > 1024 {
		wrong = append(wrong, dcm.FieldError{Field: "account.newAccount", Message: "must be an https address of the directory's host"})
	}
	key, err := publicKey(r.Account.PublicKey)
	if err != nil {
		wrong = append(wrong, dcm.FieldError{Field: "account.publicKey", Message: "must be the base64 of a P-256 public key"})
	}
	return key, dcm.InvalidFields(wrong...)
}

func publicKey(text string) (*ecdsa.PublicKey, error) {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("it is a key of another kind")
	}
	return key, nil
}

// customer returns who we are to an authority, and the key that proves it.
func (c *Challenges) customer(ctx context.Context, directory string) (customer, []byte, error) {
	secret, err := c.Customers(ctx)
	if err != nil {
		return customer{}, nil, fmt.Errorf("read the accounts with certificate authorities: %w", err)
	}
	all := map[string]customer{}
	// The error of either decoder could tell a part of the secret.
	if !secret.IsZero() && json.Unmarshal([]byte(secret.Reveal()), &all) != nil {
		return customer{}, nil, errors.New("the accounts with certificate authorities are not the JSON they must be")
	}
	us, ok := all[directory]
	if !ok {
		return customer{}, nil, dcm.InvalidFields(dcm.FieldError{
			Field: "account.directory", Message: "must be of a certificate authority with which the platform has an account",
		})
	}
	mac, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(us.HMACKey, "="))
	if err != nil || len(mac) == 0 || us.KeyID == "" {
		return customer{}, nil, fmt.Errorf("the account with %s must have a keyId, and an hmacKey in base64url", directory)
	}
	return us, mac, nil
}

// vouch signs the key as RFC 8555, section 7.3.4, has it.
func (us customer) vouch(key *ecdsa.PublicKey, newAccount string, mac []byte) (dcm.ACMEBinding, error) {
	point, err := key.Bytes()
	if err != nil {
		return dcm.ACMEBinding{}, fmt.Errorf("encode the account's key: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	protected, err := json.Marshal(map[string]string{"alg": "HS256", "kid": us.KeyID, "url": newAccount})
	if err != nil {
		return dcm.ACMEBinding{}, fmt.Errorf("encode the binding: %w", err)
	}
	// The point is 4, and then its two coordinates.
	payload, err := json.Marshal(map[string]string{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])})
	if err != nil {
		return dcm.ACMEBinding{}, fmt.Errorf("encode the binding: %w", err)
	}
	binding := dcm.ACMEBinding{Protected: encode(protected), Payload: encode(payload)}
	sum := hmac.New(sha256.New, mac)
	sum.Write([]byte(binding.Protected + "." + binding.Payload))
	binding.Signature = encode(sum.Sum(nil))
	return binding, nil
}
