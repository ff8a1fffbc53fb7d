package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

const attrConfirmedAt = "confirmedAt"

// orphanItem is an orphan with its receipt. It is in the index "due" until it is
// settled, and expires as an event does, after that.
type orphanItem struct {
	key
	Kind        string   `dynamodbav:"kind"`
	Service     string   `dynamodbav:"service"`
	AccountID   string   `dynamodbav:"accountId,omitempty"`
	ExternalID  string   `dynamodbav:"externalId"`
	Name        string   `dynamodbav:"name,omitempty"`
	VM          string   `dynamodbav:"vm,omitempty"`
	Workspace   string   `dynamodbav:"workspace,omitempty"`
	Why         string   `dynamodbav:"why"`
	MadeAt      instant  `dynamodbav:"madeAt"`
	EndedAt     instant  `dynamodbav:"endedAt"`
	FoundAt     instant  `dynamodbav:"foundAt"`
	ConfirmedAt *instant `dynamodbav:"confirmedAt,omitempty"`
	Minutes     int      `dynamodbav:"minutes,omitempty"`
	DueKind     string   `dynamodbav:"dueKind,omitempty"`
	DueAt       int64    `dynamodbav:"dueAt,omitempty"`
}

// refOf names an orphan by what makes it one of a kind. A service's own id may be
// of any length and in any letters.
func refOf(o dcm.Orphan) dcm.OrphanRef {
	sum := sha256.Sum256([]byte(string(o.Kind) + "\x00" + o.ExternalID))
	return dcm.OrphanRef(sortable(instantOf(o.CreatedAt)) + "#" + hex.EncodeToString(sum[:orphanSumBytes]))
}

const orphanSumBytes = 10

func itemOfOrphan(t dcm.TenantID, o dcm.Orphan) orphanItem {
	ref := refOf(o)
	return orphanItem{
		key: orphanKey(t, ref), Kind: string(o.Kind), Service: o.Service, AccountID: string(o.AccountID),
		ExternalID: o.ExternalID, Name: o.Name, VM: string(o.VM), Workspace: string(o.Workspace), Why: o.Why,
		MadeAt: instantOf(o.CreatedAt), EndedAt: instantOf(o.EndedAt), FoundAt: instantOf(o.FoundAt),
		DueKind: dueKindOf(dueOrphan, string(ref)), DueAt: epochSeconds(o.FoundAt),
	}
}

func (i orphanItem) orphan() dcm.Orphan {
	t, _, _, _ := i.split()
	return dcm.Orphan{
		Kind: dcm.OrphanKind(i.Kind), Tenant: t, Service: i.Service, AccountID: dcm.AccountID(i.AccountID),
		ExternalID: i.ExternalID, Name: i.Name, VM: dcm.VMID(i.VM), Workspace: dcm.WorkspaceID(i.Workspace), Why: i.Why,
		CreatedAt: i.MadeAt.time(), EndedAt: i.EndedAt.time(), FoundAt: i.FoundAt.time(),
		ConfirmedAt: i.ConfirmedAt.optional(), Minutes: i.Minutes,
	}
}

func decodeOrphan(raw map[string]types.AttributeValue) (i orphanItem, err error) {
	err = attributevalue.UnmarshalMap(raw, &i)
	return i, err
}

// NoteOrphan is one conditional update.
func (t *tenantStore) NoteOrphan(ctx context.Context, o dcm.Orphan) error {
	if o.Tenant != t.id || o.ExternalID == "" || o.CreatedAt.IsZero() || o.FoundAt.IsZero() {
		return fmt.Errorf("note orphan %q of tenant %q: it is not whole", o.ExternalID, o.Tenant)
	}
	item := itemOfOrphan(t.id, o)
	var e edit
	if err := e.setAll(item); err != nil {
		return fmt.Errorf("note orphan %s: %w", o.ExternalID, err)
	}
	isNew := absent(attrPK)
	if _, _, err := t.update(ctx, item.key, &isNew, e.UpdateBuilder); err != nil {
		return fmt.Errorf("note orphan %s: %w", o.ExternalID, err)
	}
	return nil
}

// Orphan is one read.
func (t *tenantStore) Orphan(ctx context.Context, ref dcm.OrphanRef) (dcm.Orphan, error) {
	out, err := t.api.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: t.table(), Key: orphanKey(t.id, ref).attributes(), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return dcm.Orphan{}, fmt.Errorf("read orphan: %w", err)
	}
	if len(out.Item) == 0 {
		return dcm.Orphan{}, noOrphan()
	}
	item, err := decodeOrphan(out.Item)
	if err != nil {
		return dcm.Orphan{}, fmt.Errorf("read orphan: decode: %w", err)
	}
	return item.orphan(), nil
}

// SettleOrphan is one transaction. Where there is nothing to add to a VM, it is
// one conditional update, and where the VM's record turns out to be gone or not
// stopped, both.
func (t *tenantStore) SettleOrphan(ctx context.Context, o dcm.Orphan) error {
	if o.ConfirmedAt == nil {
		return errors.New("settle orphan: nobody has confirmed that it is gone")
	}
	var e edit
	e.setTime(attrConfirmedAt, o.ConfirmedAt)
	e.set("minutes", o.Minutes)
	e.set(attrTTL, epochSeconds(o.ConfirmedAt.Add(dcm.EventTTL)))
	e.setDue("", time.Time{})
	if o.Kind == dcm.OrphanServer && o.VM.Valid() && o.Minutes > 0 {
		err := t.settleWithVM(ctx, o, e)
		if !errors.Is(err, errNotStopped) {
			return err
		}
	}
	return t.changeOrphan(ctx, "settle orphan", refOf(o), e)
}

// errNotStopped says that there is no stopped VM whose minutes could be counted.
var errNotStopped = errors.New("the VM's record is gone, or the VM is not stopped")

func (t *tenantStore) settleWithVM(ctx context.Context, o dcm.Orphan, settle edit) error {
	open, stopped := exists().And(absent(attrConfirmedAt)), equals(attrStatus, string(dcm.StatusStopped))
	var outlived edit
	outlived.add(attrOrphanMinutes, int64(o.Minutes))
	err := t.transact(ctx,
		write{
			key: orphanKey(t.id, refOf(o)), update: &settle.UpdateBuilder, condition: &open,
			refused: orMissing(noOrphan, "the orphan is settled"),
		},
		write{
			key: vmKey(t.id, o.VM), update: &outlived.UpdateBuilder, condition: &stopped,
			refused: func(map[string]types.AttributeValue) error { return errNotStopped },
		},
	)
	if err != nil {
		return fmt.Errorf("settle orphan: %w", err)
	}
	return nil
}

// PutOffOrphan is one conditional update.
func (t *tenantStore) PutOffOrphan(ctx context.Context, ref dcm.OrphanRef, to time.Time) error {
	var e edit
	e.setDue(dueKindOf(dueOrphan, string(ref)), to)
	return t.changeOrphan(ctx, "put off orphan", ref, e)
}

func (t *tenantStore) changeOrphan(ctx context.Context, doing string, ref dcm.OrphanRef, e edit) error {
	open := exists().And(absent(attrConfirmedAt))
	raw, won, err := t.update(ctx, orphanKey(t.id, ref), &open, e.UpdateBuilder)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", doing, err)
	case won:
		return nil
	case len(raw) == 0:
		return noOrphan()
	default:
		return fmt.Errorf("%s: it is settled: %w", doing, dcm.ErrLostRace)
	}
}

func noOrphan() error { return dcm.Errorf(dcm.CodeNotFound, "there is no such orphan") }

// Orphans is one query, eventually consistent: see readPage.
func (t *tenantStore) Orphans(ctx context.Context, q dcm.OrphanQuery) (dcm.OrphanPage, error) {
	items, next, err := readPage(ctx, t, pageOf[orphanItem]{
		listing: listing{list: "orphans", valid: validOrphanSum},
		keys: expression.Key(attrPK).Equal(expression.Value(partition(t.id))).And(
			expression.Key(attrSK).Between(expression.Value(kindOrphan+"#"), expression.Value(kindOrphan+afterPrefix))),
		limit: q.Limit, cursor: q.Cursor,
		start: func(p position) map[string]types.AttributeValue {
			return orphanKey(t.id, dcm.OrphanRef(sortable(p.at)+"#"+p.id)).attributes()
		},
		decode:   decodeOrphan,
		position: orphanPosition,
	})
	if err != nil {
		return dcm.OrphanPage{}, fmt.Errorf("list orphans: %w", err)
	}
	page := dcm.OrphanPage{Items: make([]dcm.Orphan, 0, len(items)), NextCursor: next}
	for _, i := range items {
		page.Items = append(page.Items, i.orphan())
	}
	return page, nil
}

// orphanPosition is read from the key: an item may have nothing else.
func orphanPosition(i orphanItem) position {
	_, _, ref, _ := i.split()
	at, sum, _ := strings.Cut(ref, "#")
	made, _ := time.Parse(time.RFC3339Nano, at)
	return position{at: instantOf(made), id: sum}
}

func validOrphanSum(id string) bool {
	raw, err := hex.DecodeString(id)
	return err == nil && len(raw) == orphanSumBytes
}
