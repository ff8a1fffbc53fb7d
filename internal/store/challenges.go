package store

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// A VM's calls for its certificate are kept in an item beside its own, which has
// no room for them. DynamoDB deletes it some time after the VM's end.
const (
	attrBook        = "book"
	attrBookVersion = attrBook + ".version"
)

type challengeItem struct {
	key
	Book *bookItem `dynamodbav:"book,omitempty"`
}

type bookItem struct {
	From    instant           `dynamodbav:"from"`
	Calls   int               `dynamodbav:"calls"`
	Bound   map[string]string `dynamodbav:"bound,omitempty"`
	Version int64             `dynamodbav:"version"`
}

func itemOfBook(b dcm.ChallengeBook) bookItem {
	return bookItem{From: instantOf(b.From), Calls: b.Calls, Bound: b.Bound, Version: b.Version}
}

func (i *bookItem) book() dcm.ChallengeBook {
	if i == nil {
		return dcm.ChallengeBook{}
	}
	return dcm.ChallengeBook{From: i.From.time(), Calls: i.Calls, Bound: i.Bound, Version: i.Version}
}

// ChallengeContext is one batch read.
func (t *tenantStore) ChallengeContext(ctx context.Context, id dcm.VMID) (dcm.ChallengeContext, error) {
	if !id.Valid() {
		return dcm.ChallengeContext{}, noVM()
	}
	known, err := t.readWithAccounts(ctx, vmKey(t.id, id), challengeKey(t.id, id))
	if err != nil {
		return dcm.ChallengeContext{}, fmt.Errorf("read VM %s, its calls for a certificate, and accounts: %w", id, err)
	}
	if known.vm == nil {
		return dcm.ChallengeContext{}, noVM()
	}
	return dcm.ChallengeContext{VM: *known.vm, Accounts: known.accounts, Book: known.book}, nil
}

// CountChallenge is one conditional update, and one more for each time that
// somebody else was first; none for a call that is refused.
func (t *tenantStore) CountChallenge(
	ctx context.Context, id dcm.VMID, known dcm.ChallengeBook, c dcm.ChallengeCall,
) (dcm.ChallengeBook, error) {
	if !id.Valid() {
		return known, noVM()
	}
	for range rateTries {
		next, err := known.Count(c)
		if err != nil {
			return known, err
		}
		same := absent(attrBook)
		if known.Version > 0 {
			same = equals(attrBookVersion, known.Version)
		}
		var e edit
		e.set(attrBook, itemOfBook(next))
		e.set(attrTTL, epochSeconds(c.KeepUntil.Add(time.Second)))
		raw, won, err := t.update(ctx, challengeKey(t.id, id), &same, e.UpdateBuilder)
		if err != nil {
			return known, fmt.Errorf("count a call of %s for its certificate: %w", id, err)
		}
		if won {
			return known, nil
		}
		var item challengeItem
		if err := attributevalue.UnmarshalMap(raw, &item); err != nil {
			return known, fmt.Errorf("decode: %w", err)
		}
		known = item.Book.book()
	}
	return known, dcm.Errorf(dcm.CodeRateLimited, "too many calls at the same moment; try again").WithCause(dcm.ErrLostRace)
}
