package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// validEventID reports whether id could have been made by dcm.NewEventID.
func validEventID(id string) bool {
	letters, ok := strings.CutPrefix(id, "ev-")
	return ok && len(letters) == 10 && strings.Trim(letters, "abcdefghijkmnpqrstuvwxyz23456789") == ""
}

type eventItem struct {
	key
	ID        string  `dynamodbav:"id"`
	At        instant `dynamodbav:"at"`
	User      string  `dynamodbav:"user"`
	Actor     string  `dynamodbav:"actor"`
	SourceIP  string  `dynamodbav:"sourceIp"`
	Action    string  `dynamodbav:"action"`
	Resource  string  `dynamodbav:"resource"`
	Result    string  `dynamodbav:"result"`
	RequestID string  `dynamodbav:"requestId"`
	Detail    string  `dynamodbav:"detail,omitempty"`
	TTL       int64   `dynamodbav:"ttl"`
}

func itemOfEvent(t dcm.TenantID, e dcm.Event) eventItem {
	at := instantOf(e.At)
	return eventItem{
		key: eventKey(t, at, e.ID), ID: e.ID, At: at,
		User: string(e.User), Actor: string(e.Actor), SourceIP: e.SourceIP, Action: e.Action, Resource: e.Resource,
		Result: e.Result, RequestID: e.RequestID, Detail: e.Detail,
		TTL: epochSeconds(e.At.Add(dcm.EventTTL)),
	}
}

func (i eventItem) event() dcm.Event {
	return dcm.Event{
		ID: i.ID, At: i.At.time(), User: dcm.UserID(i.User), Actor: dcm.Actor(i.Actor), SourceIP: i.SourceIP,
		Action: i.Action, Resource: i.Resource, Result: i.Result, RequestID: i.RequestID, Detail: i.Detail,
	}
}

// AddEvent is one update. Adding the same event again changes nothing.
func (t *tenantStore) AddEvent(ctx context.Context, e dcm.Event) error {
	if !validEventID(e.ID) || e.At.IsZero() {
		return fmt.Errorf("add event %q: it has no valid id or no time", e.ID)
	}
	item := itemOfEvent(t.id, e)
	var put edit
	if err := put.setAll(item); err != nil {
		return fmt.Errorf("add event %s: %w", e.ID, err)
	}
	if _, _, err := t.update(ctx, item.key, nil, put.UpdateBuilder); err != nil {
		return fmt.Errorf("add event %s: %w", e.ID, err)
	}
	return nil
}

// Events is one query, eventually consistent: see readPage. DynamoDB deletes
// what has expired up to days later; until then it is left out.
func (t *tenantStore) Events(ctx context.Context, q dcm.EventQuery) (dcm.EventPage, error) {
	oldest := instantOf(t.options.Clock.Now().Add(-dcm.EventTTL))
	items, next, err := readPage(ctx, t, pageOf[eventItem]{
		listing: listing{list: "events", valid: validEventID},
		keys: expression.Key(attrPK).Equal(expression.Value(partition(t.id))).And(
			expression.Key(attrSK).Between(expression.Value(eventSort(oldest)), expression.Value(kindEvent+afterPrefix))),
		limit: q.Limit, cursor: q.Cursor,
		start: func(p position) map[string]types.AttributeValue {
			return eventKey(t.id, max(p.at, oldest), p.id).attributes()
		},
		decode: func(raw map[string]types.AttributeValue) (i eventItem, err error) {
			err = attributevalue.UnmarshalMap(raw, &i)
			return i, err
		},
		position: func(i eventItem) position { return position{at: i.At, id: i.ID} },
	})
	if err != nil {
		return dcm.EventPage{}, fmt.Errorf("list events: %w", err)
	}
	page := dcm.EventPage{Items: make([]dcm.Event, 0, len(items)), NextCursor: next}
	for _, i := range items {
		page.Items = append(page.Items, i.event())
	}
	return page, nil
}
