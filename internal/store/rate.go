package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// A credential's rate budget is kept beside the credential: in the tenant's
// provider account, where every launch and release reads it along, or in an item
// of the platform's. It goes with the account.
const (
	attrRate        = "rate"
	attrRateVersion = attrRate + ".version"
)

// rateTries bounds how often a budget is written against others who write it at
// the same moment.
const rateTries = 24

type rateItem struct {
	Limit           int     `dynamodbav:"limit"`
	Interval        int64   `dynamodbav:"interval"` // nanoseconds
	FullAt          instant `dynamodbav:"fullAt"`
	AllowanceFullAt instant `dynamodbav:"allowanceFullAt"`
	BlockedUntil    instant `dynamodbav:"blockedUntil"`
	Version         int64   `dynamodbav:"version"`
}

func itemOfRate(b dcm.RateBudget) rateItem {
	return rateItem{
		Limit: b.Limit, Interval: int64(b.Interval), FullAt: instantOf(b.FullAt),
		AllowanceFullAt: instantOf(b.AllowanceFullAt), BlockedUntil: instantOf(b.BlockedUntil), Version: b.Version,
	}
}

func (i *rateItem) budget() dcm.RateBudget {
	if i == nil {
		return dcm.RateBudget{}
	}
	return dcm.RateBudget{
		Limit: i.Limit, Interval: time.Duration(i.Interval), FullAt: i.FullAt.time(),
		AllowanceFullAt: i.AllowanceFullAt.time(), BlockedUntil: i.BlockedUntil.time(), Version: i.Version,
	}
}

// platformRateItem is what the platform knows of its own account's limit.
type platformRateItem struct {
	key
	Rate *rateItem `dynamodbav:"rate,omitempty"`
}

// heldRate is a budget in the item that holds it, and whose account's it is.
type heldRate struct {
	ID   dcm.AccountID `dynamodbav:"id"`
	Rate *rateItem     `dynamodbav:"rate"`
}

// rateBucket implements dcm.RateBucket on the item that holds the budget.
type rateBucket struct {
	*tenantStore
	key key
	// account must be the one in the item; "" for the platform's.
	account dcm.AccountID
}

// PlatformRate is the budget of the platform's account at a provider.
func (s *Store) PlatformRate(provider string) dcm.RateBucket {
	t := &tenantStore{api: s.api, options: s.options}
	if !slices.Contains(dcm.ProviderNames, provider) {
		t.api = refusal{fmt.Errorf("provider %q is not valid", provider)}
	}
	return &rateBucket{tenantStore: t, key: platformRateKey(provider)}
}

// AccountRate is the budget of the tenant's own account at a provider.
func (t *tenantStore) AccountRate(provider string, id dcm.AccountID) dcm.RateBucket {
	of := *t
	if !slices.Contains(dcm.ProviderNames, provider) || id == dcm.PlatformAccount {
		of.api = refusal{fmt.Errorf("provider %q or account id %q is not valid", provider, id)}
	}
	return &rateBucket{tenantStore: &of, key: providerKey(t.id, provider), account: id}
}

// Read is one call, strongly consistent.
func (r *rateBucket) Read(ctx context.Context) (dcm.RateBudget, error) {
	var item heldRate
	if _, err := r.get(ctx, r.key, true, &item); err != nil {
		return dcm.RateBudget{}, fmt.Errorf("read rate budget: %w", err)
	}
	if item.ID != r.account {
		return dcm.RateBudget{}, nil
	}
	return item.Rate.budget(), nil
}

// Take is one conditional update, and one more for each time that somebody else
// was first.
func (r *rateBucket) Take(ctx context.Context, known dcm.RateBudget, t dcm.RateTake) (dcm.RateBudget, int, error) {
	granted := 0
	after, err := r.write(ctx, known, func(b dcm.RateBudget) (dcm.RateBudget, bool) {
		b, granted = b.Take(t)
		return b, granted > 0
	})
	if err != nil {
		return after, 0, fmt.Errorf("take from the rate budget: %w", err)
	}
	return after, granted, nil
}

// Learn is no call if there is no news, and otherwise as Take.
func (r *rateBucket) Learn(ctx context.Context, known dcm.RateBudget, said dcm.RateLimit, now time.Time) (dcm.RateBudget, error) {
	after, err := r.write(ctx, known, func(b dcm.RateBudget) (dcm.RateBudget, bool) { return b.Learn(said, now) })
	if err != nil {
		return after, fmt.Errorf("note what is left of the rate limit: %w", err)
	}
	return after, nil
}

// write makes a change of the budget if it still is as it was known, and again
// of what it has become, until there is nothing to change.
func (r *rateBucket) write(
	ctx context.Context, known dcm.RateBudget, change func(dcm.RateBudget) (dcm.RateBudget, bool),
) (dcm.RateBudget, error) {
	for range rateTries {
		next, changed := change(known)
		if !changed {
			return known, nil
		}
		raw, won, err := r.swap(ctx, known.Version, next)
		if err != nil {
			return known, err
		}
		if won {
			return next, nil
		}
		if known, err = r.current(raw); err != nil {
			return known, err
		}
	}
	return known, dcm.ErrLostRace
}

func (r *rateBucket) swap(ctx context.Context, version int64, next dcm.RateBudget) (map[string]types.AttributeValue, bool, error) {
	same := absent(attrRate)
	if version > 0 {
		same = equals(attrRateVersion, version)
	}
	if r.account != dcm.PlatformAccount {
		same = same.And(equals(attrAccountID, string(r.account)))
	}
	return r.update(ctx, r.key, &same, expression.Set(expression.Name(attrRate), expression.Value(itemOfRate(next))))
}

// current is the budget in an item that was not as it was known.
func (r *rateBucket) current(raw map[string]types.AttributeValue) (dcm.RateBudget, error) {
	var item heldRate
	if err := attributevalue.UnmarshalMap(raw, &item); err != nil {
		return dcm.RateBudget{}, fmt.Errorf("decode: %w", err)
	}
	if item.ID != r.account {
		return dcm.RateBudget{}, noProviderAccount()
	}
	return item.Rate.budget(), nil
}
