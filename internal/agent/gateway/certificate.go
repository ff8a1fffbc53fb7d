package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"
)

// selfSignedLife outlasts the longest life of a VM, which is a week.
const selfSignedLife = 30 * 24 * time.Hour

// selfSigned makes a certificate for hostname and the names one label below
// it. Its key never leaves the process.
func selfSigned(hostname string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// A common name holds 64 characters at most; clients read DNSNames.
		Subject:     pkix.Name{CommonName: "devcontainer-manager VM"},
		DNSNames:    []string{hostname, "*." + hostname},
		NotBefore:   now.Add(-time.Hour),
		NotAfter:    now.Add(selfSignedLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
