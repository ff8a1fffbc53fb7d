package certificate

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const (
	pollTimeout = 2 * time.Minute
	// withdrawTimeout bounds the withdrawal of what was published for an order.
	withdrawTimeout = 40 * time.Second
)

// order gets a certificate from one authority, for a key of its own, and keeps
// both.
func (k *Keeper) order(ctx context.Context, directory string) (*tls.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, directoryTimeout)
	defer cancel()
	client := k.client(directory)
	account, err := k.account(ctx, client)
	if err != nil {
		return nil, err
	}
	// What an order that was cut short left behind would be in the way.
	if _, err := k.options.Control.DNSChallenge(ctx, dcm.DNSChallenge{}); err != nil {
		return nil, fmt.Errorf("withdraw old challenges: %w", err)
	}
	defer k.withdraw(ctx)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	chains, err := client.ObtainCertificateForSANs(ctx, account, key, names(k.options.Hostname))
	if err != nil {
		return nil, err
	}
	if len(chains) == 0 {
		return nil, errors.New("the authority sent no certificate")
	}
	content, err := encode(key, chains[0].ChainPEM)
	if err != nil {
		return nil, err
	}
	c, err := k.parse(content)
	if err != nil {
		return nil, fmt.Errorf("the authority's certificate: %w", err)
	}
	if err := k.save(certificateFile, content); err != nil {
		// It serves until the next start, which orders another.
		k.log.Error("the certificate can't be kept", "error", err)
	}
	return c, nil
}

func names(hostname string) []string { return []string{hostname, "*." + hostname} }

func (k *Keeper) client(directory string) *acmez.Client {
	return &acmez.Client{
		Client: &acme.Client{
			Directory: directory, HTTPClient: k.options.HTTP, UserAgent: k.options.UserAgent,
			PollTimeout: pollTimeout, PollInterval: k.patience(time.Second),
			Logger: slog.New(slog.DiscardHandler), // its errors say all
		},
		ChallengeSolvers: map[string]acmez.Solver{acme.ChallengeTypeDNS01: &solver{Keeper: k}},
	}
}

// account is ours with this authority, which knows it by its key: where there is
// none yet, one is opened. Nobody is named as its owner.
func (k *Keeper) account(ctx context.Context, client *acmez.Client) (acme.Account, error) {
	key, err := k.accountKey()
	if err != nil {
		return acme.Account{}, err
	}
	account := acme.Account{TermsOfServiceAgreed: true, PrivateKey: key}
	if account.ExternalAccountBinding, err = k.binding(ctx, client, key); err != nil {
		return acme.Account{}, fmt.Errorf("bind an account: %w", err)
	}
	if account, err = client.NewAccount(ctx, account); err != nil {
		return acme.Account{}, fmt.Errorf("open an account: %w", err)
	}
	return account, nil
}

// binding is what an authority wants that signs for known customers only; nil
// for any other. The control plane makes it, and what it is made with stays there.
func (k *Keeper) binding(ctx context.Context, client *acmez.Client, key *ecdsa.PrivateKey) (json.RawMessage, error) {
	directory, err := client.GetDirectory(ctx)
	if err != nil {
		return nil, err
	}
	if directory.Meta == nil || !directory.Meta.ExternalAccountRequired {
		return nil, nil
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("encode the account's key: %w", err)
	}
	var answer dcm.DNSChallenges
	err = k.asking().Do(ctx, func(ctx context.Context) (err error) {
		answer, err = k.options.Control.DNSChallenge(ctx, dcm.DNSChallenge{Account: &dcm.ACMEAccount{
			Directory: client.Directory, NewAccount: directory.NewAccount, PublicKey: base64.StdEncoding.EncodeToString(der),
		}})
		return err
	})
	if err != nil {
		return nil, err
	}
	if answer.Binding == nil {
		return nil, errors.New("the control plane answered without one")
	}
	return json.Marshal(answer.Binding)
}

// withdraw ends what was published for an order. If the VM itself ends, its
// release does so.
func (k *Keeper) withdraw(ctx context.Context) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawTimeout)
	defer cancel()
	if _, err := k.options.Control.DNSChallenge(ctx, dcm.DNSChallenge{}); err != nil {
		k.log.Warn("a challenge stays published for now", "error", err)
	}
}
