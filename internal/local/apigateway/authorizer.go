package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/sam"
	"github.com/golang-jwt/jwt/v5"
)

var errNoToken = errors.New("there is no token")

// verify returns the claims of a token that the authorizer accepts: signed
// with RSA by the issuer's key of its kid, from that issuer, for one of the
// audiences, and not expired, nor for later.
func (g *Gateway) verify(ctx context.Context, a *sam.Authorizer, header string) (map[string]string, error) {
	text := strings.TrimSpace(header)
	if scheme, rest, found := strings.Cut(text, " "); found && strings.EqualFold(scheme, "Bearer") {
		text = strings.TrimSpace(rest)
	}
	if text == "" {
		return nil, errNoToken
	}
	parser := jwt.NewParser(
		// API Gateway supports RSA only.
		jwt.WithValidMethods([]string{"RS256", "RS384", "RS512"}),
		jwt.WithIssuer(a.Issuer), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithTimeFunc(g.options.Clock.Now), jwt.WithJSONNumber(),
	)
	claims := jwt.MapClaims{}
	_, err := parser.ParseWithClaims(text, claims, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		return g.keys.key(ctx, a.Issuer, kid)
	})
	if err != nil {
		return nil, fmt.Errorf("verify the token: %w", err)
	}
	if !forAudience(claims, a.Audience) {
		return nil, errors.New("verify the token: it is for another audience")
	}
	return claimTexts(claims), nil
}

// forAudience looks at client_id where there is no aud, as API Gateway does
// for the access tokens of Cognito.
func forAudience(claims jwt.MapClaims, wanted []string) bool {
	if len(wanted) == 0 {
		return true
	}
	have, err := claims.GetAudience()
	if err != nil {
		return false
	}
	if len(have) == 0 {
		if id, ok := claims["client_id"].(string); ok {
			have = []string{id}
		}
	}
	for _, a := range have {
		for _, w := range wanted {
			if a == w {
				return true
			}
		}
	}
	return false
}

// claimTexts are the claims as a function sees them, all of them text, as was
// measured on API Gateway: an array is "[a b]", an object is JSON, and null is
// left out.
func claimTexts(claims jwt.MapClaims) map[string]string {
	m := make(map[string]string, len(claims))
	for name, value := range claims {
		switch v := value.(type) {
		case nil:
		case map[string]any:
			text, _ := json.Marshal(v) // it was JSON before
			m[name] = string(text)
		default:
			m[name] = fmt.Sprint(v)
		}
	}
	return m
}

func challenge(err error) string {
	if errors.Is(err, errNoToken) {
		return "Bearer"
	}
	return `Bearer scope="" error="invalid_token" error_description="the token is not valid"`
}
