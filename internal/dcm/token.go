package dcm

import (
	"context"
	"time"
)

// Audience says what a VM's token is good for.
type Audience string

// The audiences.
const (
	AudienceBootstrap Audience = "bootstrap"
	AudienceVM        Audience = "vm"
)

// TokenClaims are what a VM's token says.
type TokenClaims struct {
	Audience  Audience
	Tenant    TenantID
	VM        VMID
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// PastHalfLife reports whether a fresh token is due at now.
func (c TokenClaims) PastHalfLife(now time.Time) bool {
	return now.After(c.IssuedAt.Add(c.ExpiresAt.Sub(c.IssuedAt) / 2))
}

// Tokens issues and verifies the VMs' tokens: ES256 JWTs whose private key
// never leaves KMS.
type Tokens interface {
	// Issue signs a token: one KMS call.
	Issue(ctx context.Context, c TokenClaims) (Secret, error)
	// Verify returns the claims of a token that is genuine, not expired, of
	// this installation and of the given audience. Everything else is one
	// error of CodeUnauthenticated, whose cause says why in the log.
	Verify(ctx context.Context, token Secret, a Audience) (TokenClaims, error)
}
