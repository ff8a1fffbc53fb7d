package dynamodb

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"time"
)

// tokenLife is how long a ClientRequestToken makes a transaction idempotent.
const tokenLife = 10 * time.Minute

// maxTokenLength is the longest ClientRequestToken.
const maxTokenLength = 36

// usedToken is a transaction that succeeded under a ClientRequestToken.
type usedToken struct {
	request [sha256.Size]byte
	until   time.Time
	reads   map[string]float64 // units by table, which a repetition costs
}

// repeated returns the answer to a transaction that was made before under
// the same token; it is nil for a new one. A repetition costs reads only.
func (s *Server) repeated(r *transactWriteRequest) (any, error) {
	if len(r.ClientRequestToken) > maxTokenLength {
		return nil, invalid("1 validation error detected: Value '%s' at 'clientRequestToken' failed to satisfy constraint: Member must have length less than or equal to %d", r.ClientRequestToken, maxTokenLength)
	}
	earlier, ok := s.tokens[r.ClientRequestToken]
	if !ok || !s.clock.Now().Before(earlier.until) {
		return nil, nil
	}
	same, err := r.digest()
	if err != nil {
		return nil, err
	}
	if same != earlier.request {
		return nil, faultf(codeIdempotentMismatch, "Idempotent parameter mismatch: the token was used with other parameters")
	}
	return transactAnswer{r.reportAll(s.spend(earlier.reads))}, nil
}

// remember keeps a successful transaction's token. Once in a while it forgets
// old ones: not each time, for the SDK makes a token for every transaction.
func (s *Server) remember(r *transactWriteRequest, reads map[string]float64) {
	if r.ClientRequestToken == "" {
		return
	}
	now := s.clock.Now()
	if now.After(s.tokensSwept.Add(tokenLife)) {
		s.tokensSwept = now
		maps.DeleteFunc(s.tokens, func(_ string, t usedToken) bool { return !now.Before(t.until) })
	}
	if digest, err := r.digest(); err == nil {
		s.tokens[r.ClientRequestToken] = usedToken{digest, now.Add(tokenLife), reads}
	}
}

// digest identifies what the transaction does. Values that are equal to
// DynamoDB, such as 1 and 1.0, are equal here.
func (r *transactWriteRequest) digest() ([sha256.Size]byte, error) {
	body, err := json.Marshal(r.TransactItems)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("encode a transaction: %w", err)
	}
	return sha256.Sum256(body), nil
}
