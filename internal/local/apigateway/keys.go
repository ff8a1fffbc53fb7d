package apigateway

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"sync"
	"time"
)

// keySets are the issuers' public keys, fetched once and again when a token
// names a key that is not among them.
type keySets struct {
	client *http.Client

	mu   sync.Mutex
	keys map[string]map[string]*rsa.PublicKey // by issuer and kid
}

func newKeySets(client *http.Client) *keySets {
	if client == nil {
		client = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
	}
	return &keySets{client: client, keys: map[string]map[string]*rsa.PublicKey{}}
}

func (k *keySets) key(ctx context.Context, issuer, kid string) (*rsa.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if key := k.keys[issuer][kid]; key != nil {
		return key, nil
	}
	fetched, err := k.fetch(ctx, issuer)
	if err != nil {
		return nil, fmt.Errorf("fetch the keys of %s: %w", issuer, err)
	}
	k.keys[issuer] = fetched
	if key := fetched[kid]; key != nil {
		return key, nil
	}
	return nil, fmt.Errorf("issuer %s has no key %q", issuer, kid)
}

func (k *keySets) fetch(ctx context.Context, issuer string) (map[string]*rsa.PublicKey, error) {
	var discovery struct {
		Issuer string `json:"issuer"`
		KeySet string `json:"jwks_uri"`
	}
	if err := k.get(ctx, issuer+"/.well-known/openid-configuration", &discovery); err != nil {
		return nil, err
	}
	if discovery.Issuer != issuer {
		return nil, fmt.Errorf("it calls itself %q", discovery.Issuer)
	}
	var set struct {
		Keys []struct {
			Type     string `json:"kty"`
			ID       string `json:"kid"`
			Modulus  string `json:"n"`
			Exponent string `json:"e"`
		} `json:"keys"`
	}
	if err := k.get(ctx, discovery.KeySet, &set); err != nil {
		return nil, err
	}
	keys := map[string]*rsa.PublicKey{}
	for _, j := range set.Keys {
		n, errN := base64.RawURLEncoding.DecodeString(j.Modulus)
		e, errE := base64.RawURLEncoding.DecodeString(j.Exponent)
		if j.Type != "RSA" || errN != nil || errE != nil || len(e) == 0 || len(e) > 4 {
			continue
		}
		keys[j.ID] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	}
	return keys, nil
}

func (k *keySets) get(ctx context.Context, url string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := k.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, answer.Status)
	}
	return json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(into)
}
