package dynamodb

import (
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/expression"
)

// action is one write, checked against the schema and ready to be decided:
// alone, in a batch, or in a transaction.
type action struct {
	table     *table
	key       attribute.Item
	condition *expression.Condition
	returnOld bool // with a failed condition
	// next makes the new item of the old one (nil if there is none); a nil
	// result deletes. A nil next changes nothing: a condition check.
	next func(old attribute.Item) (attribute.Item, error)
}

// decision is what an action would do now.
type decision struct {
	table *table
	key   string
	old   record
	item  attribute.Item
	check bool
}

// decide checks the condition and makes the new item, changing nothing.
func (a *action) decide() (*decision, error) {
	key := string(a.table.schema.encode(a.key))
	old, _ := a.table.records.Get(key)
	if !a.condition.Holds(old.item) {
		f := faultf(codeConditionFailed, "The conditional request failed")
		if a.returnOld {
			f.item = old.item
		}
		return nil, f
	}
	d := &decision{table: a.table, key: key, old: old, item: old.item, check: a.next == nil}
	if d.check {
		return d, nil
	}
	var err error
	d.item, err = a.next(old.item)
	return d, err
}

// commit makes the decision so and returns the write units it cost.
func (d *decision) commit() float64 {
	if d.check {
		return writeUnits(d.old.size)
	}
	return d.table.store(d.key, d.old, d.item)
}

// expressions are the placeholders of a request.
type expressions struct {
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues attribute.Item
}

// writeOptions are what every conditional write has.
type writeOptions struct {
	expressions
	ConditionExpression                 *string
	ReturnValuesOnConditionCheckFailure string
}

// conditional reads the condition into a; update, if any, is the update
// expression, which shares the placeholders.
func (o *writeOptions) conditional(a *action, update *string) (*expression.Update, error) {
	switch o.ReturnValuesOnConditionCheckFailure {
	case "", "NONE":
	case "ALL_OLD":
		a.returnOld = true
	default:
		return nil, invalid("1 validation error detected: Value '%s' at 'returnValuesOnConditionCheckFailure' failed to satisfy constraint: Member must satisfy enum value set: [ALL_OLD, NONE]", o.ReturnValuesOnConditionCheckFailure)
	}
	p, err := expression.NewPlaceholders(o.ExpressionAttributeNames, o.ExpressionAttributeValues)
	if err != nil {
		return nil, err
	}
	u, err := p.Update(update)
	if err != nil {
		return nil, err
	}
	if a.condition, err = p.Condition("ConditionExpression", o.ConditionExpression); err != nil {
		return nil, err
	}
	return u, p.Finish()
}

// putAction leaves what depends on the indexes to the decision: a transaction
// is cancelled for it, not refused.
func (t *table) putAction(item attribute.Item) (*action, error) {
	if err := t.schema.checkItem(item); err != nil {
		return nil, err
	}
	if item.Size() > attribute.MaxItemBytes {
		return nil, invalid("Item size has exceeded the maximum allowed size")
	}
	return &action{table: t, key: t.schema.of(item),
		next: func(attribute.Item) (attribute.Item, error) { return item, t.check(item) }}, nil
}

func (t *table) deleteAction(key attribute.Item) (*action, error) {
	if err := t.schema.checkKey(key); err != nil {
		return nil, err
	}
	return &action{table: t, key: key,
		next: func(attribute.Item) (attribute.Item, error) { return nil, nil }}, nil
}

func (t *table) checkAction(key attribute.Item) (*action, error) {
	return &action{table: t, key: key}, t.schema.checkKey(key)
}

// updateAction makes the action without its update, which needs the action's
// condition read first; see setUpdate.
func (a *action) setUpdate(u *expression.Update) error {
	for _, path := range u.Paths() {
		if a.table.schema.has(path.Root()) {
			return invalid("One or more parameter values were invalid: Cannot update attribute %s. This attribute is part of the key", path.Root())
		}
	}
	a.next = func(old attribute.Item) (attribute.Item, error) {
		if old == nil {
			old = a.key
		}
		item, err := u.Apply(old)
		if err != nil {
			return nil, err
		}
		if item.Size() > attribute.MaxItemBytes {
			return nil, invalid("Item size to update has exceeded the maximum allowed size")
		}
		return item, a.table.check(item)
	}
	return nil
}
