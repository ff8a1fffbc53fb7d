package dynamodb

import (
	"slices"
	"strings"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/expression"
)

// singleWrite is what PutItem, UpdateItem and DeleteItem share.
type singleWrite struct {
	TableName string
	writeOptions
	capacityRequest
	ReturnValues                string
	ReturnItemCollectionMetrics string
}

func (w *singleWrite) check(returns ...string) error {
	if w.ReturnItemCollectionMetrics != "" && w.ReturnItemCollectionMetrics != "NONE" {
		return unsupported("ReturnItemCollectionMetrics " + w.ReturnItemCollectionMetrics)
	}
	if w.ReturnValues != "" && !slices.Contains(append(returns, "NONE"), w.ReturnValues) {
		return invalid("Return values set to invalid value: %s is none of NONE, %s", w.ReturnValues, strings.Join(returns, ", "))
	}
	return w.capacityRequest.check()
}

type writeAnswer struct {
	Attributes       attribute.Item `json:",omitempty"`
	ConsumedCapacity *consumed      `json:",omitempty"`
}

// run decides and commits one action; attributes picks what to return.
func (w *singleWrite) run(s *Server, a *action, attributes func(old, item attribute.Item) attribute.Item) (any, error) {
	d, err := a.decide()
	if err != nil {
		return nil, err
	}
	units := d.commit()
	return writeAnswer{attributes(d.old.item, d.item), w.report(w.TableName, s.spendOn(w.TableName, units))}, nil
}

// allOld returns the old item if ReturnValues asks for it.
func (w *singleWrite) allOld(old, _ attribute.Item) attribute.Item {
	if w.ReturnValues == "ALL_OLD" {
		return old
	}
	return nil
}

type putItemRequest struct {
	singleWrite
	Item attribute.Item
}

func (s *Server) putItem(r *putItemRequest) (any, error) {
	t, err := s.table(r.TableName)
	if err != nil {
		return nil, err
	}
	if err := r.check("ALL_OLD"); err != nil {
		return nil, err
	}
	a, err := t.putAction(r.Item)
	if err != nil {
		return nil, err
	}
	if _, err := r.conditional(a, nil); err != nil {
		return nil, err
	}
	return r.run(s, a, r.allOld)
}

type deleteItemRequest struct {
	singleWrite
	Key attribute.Item
}

func (s *Server) deleteItem(r *deleteItemRequest) (any, error) {
	t, err := s.table(r.TableName)
	if err != nil {
		return nil, err
	}
	if err := r.check("ALL_OLD"); err != nil {
		return nil, err
	}
	a, err := t.deleteAction(r.Key)
	if err != nil {
		return nil, err
	}
	if _, err := r.conditional(a, nil); err != nil {
		return nil, err
	}
	return r.run(s, a, r.allOld)
}

type updateItemRequest struct {
	singleWrite
	Key              attribute.Item
	UpdateExpression *string
}

func (s *Server) updateItem(r *updateItemRequest) (any, error) {
	t, err := s.table(r.TableName)
	if err != nil {
		return nil, err
	}
	if err := r.check("ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"); err != nil {
		return nil, err
	}
	a, err := t.checkAction(r.Key)
	if err != nil {
		return nil, err
	}
	u, err := r.conditional(a, r.UpdateExpression)
	if err != nil {
		return nil, err
	}
	if err := a.setUpdate(u); err != nil {
		return nil, err
	}
	return r.run(s, a, func(old, item attribute.Item) attribute.Item { return r.returned(u, old, item) })
}

func (w *singleWrite) returned(u *expression.Update, old, item attribute.Item) attribute.Item {
	switch w.ReturnValues {
	case "ALL_OLD":
		return old
	case "ALL_NEW":
		return item
	case "UPDATED_OLD":
		return u.Touched().Of(old)
	case "UPDATED_NEW":
		return u.Written().Of(item)
	}
	return nil
}

// readOptions are what every read of items has.
type readOptions struct {
	ExpressionAttributeNames map[string]string
	ProjectionExpression     *string
}

func (o *readOptions) projection() (*expression.Projection, error) {
	p, err := expression.NewPlaceholders(o.ExpressionAttributeNames, nil)
	if err != nil {
		return nil, err
	}
	projection, err := p.Projection(o.ProjectionExpression)
	if err != nil {
		return nil, err
	}
	return projection, p.Finish()
}

type getItemRequest struct {
	TableName      string
	Key            attribute.Item
	ConsistentRead bool
	readOptions
	capacityRequest
}

type getItemAnswer struct {
	Item             *attribute.Item `json:",omitempty"`
	ConsumedCapacity *consumed       `json:",omitempty"`
}

func (s *Server) getItem(r *getItemRequest) (any, error) {
	t, err := s.table(r.TableName)
	if err != nil {
		return nil, err
	}
	if err := r.capacityRequest.check(); err != nil {
		return nil, err
	}
	got, err := t.get(r.Key, &r.readOptions)
	if err != nil {
		return nil, err
	}
	return getItemAnswer{got.Item, r.report(r.TableName, s.spendOn(r.TableName, readUnits(got.bytes, r.ConsistentRead)))}, nil
}

// gotten is an item read by its key; Item is nil if there is none.
type gotten struct {
	Item  *attribute.Item `json:",omitempty"`
	bytes int
}

func (t *table) get(key attribute.Item, o *readOptions) (gotten, error) {
	projection, err := o.projection()
	if err != nil {
		return gotten{}, err
	}
	if err := t.schema.checkKey(key); err != nil {
		return gotten{}, err
	}
	r, ok := t.records.Get(string(t.schema.encode(key)))
	if !ok {
		return gotten{}, nil
	}
	item := projection.Of(r.item)
	return gotten{&item, r.size}, nil
}
