package dynamodb

import (
	"slices"
	"time"

	"github.com/tidwall/btree"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
)

// record is a stored item. Nothing changes an item once it is stored.
type record struct {
	item attribute.Item
	size int
}

// table holds items in the order of their encoded keys, and so does each of
// its indexes.
type table struct {
	name        string
	schema      keySchema
	description tableDescription
	created     time.Time
	protected   bool
	ttl         string // the attribute that says when an item expires; "" for none
	records     btree.Map[string, record]
	bytes       int
	indexes     []*index
}

// index is a global secondary index. It is sparse: an item without the
// index's key is not in it.
type index struct {
	name       string
	schema     keySchema
	projection projection
	table      *table
	records    btree.Map[string, record]
	bytes      int
}

// projection says which attributes an index holds, beside the keys.
type projection struct {
	Kind       string   `json:"ProjectionType"`
	Attributes []string `json:"NonKeyAttributes,omitempty"`
}

func (s *Server) table(name string) (*table, error) {
	if name == "" {
		return nil, invalid("1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null")
	}
	t, ok := s.tables[name]
	if !ok {
		return nil, faultf(codeNotFound, "Requested resource not found")
	}
	return t, nil
}

func (t *table) index(name string) (*index, error) {
	for _, x := range t.indexes {
		if x.name == name {
			return x, nil
		}
	}
	return nil, invalid("The table does not have the specified index: %s", name)
}

// check refuses an item that the table may not hold.
func (t *table) check(item attribute.Item) error {
	if err := t.schema.checkItem(item); err != nil {
		return err
	}
	for _, x := range t.indexes {
		if err := x.check(item); err != nil {
			return err
		}
	}
	return item.CheckDepth()
}

// store puts an item in place of old, deletes it if item is nil, and returns
// the write units that cost.
func (t *table) store(key string, old record, item attribute.Item) float64 {
	next := record{item: item}
	if item == nil {
		t.records.Delete(key)
	} else {
		next.size = item.Size()
		t.records.Set(key, next)
	}
	t.bytes += next.size - old.size
	units := writeUnits(max(old.size, next.size))
	for _, x := range t.indexes {
		units += x.replace(old.item, item)
	}
	return units
}

// check refuses an item whose index key could not be indexed.
func (x *index) check(item attribute.Item) error {
	for _, a := range x.schema.attributes() {
		v, ok := item[a.name]
		if !ok {
			continue
		}
		if v.Kind != a.kind {
			return invalid("One or more parameter values were invalid: Type mismatch for Index Key %s Expected: %s Actual: %s IndexName: %s", a.name, a.kind, v.Kind, x.name)
		}
		if a.kind != attribute.Number && v.Text == "" {
			return invalid("One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty %s value. IndexName: %s, IndexKey: %s", kindNoun(a.kind), x.name, a.name)
		}
		limit := maxHashKeyBytes
		if a == x.schema.rng {
			limit = maxRangeKeyBytes
		}
		if len(v.Text) > limit {
			return invalid("One or more parameter values were invalid: Size of index key %s has exceeded the maximum size limit of %d bytes, IndexName: %s", a.name, limit, x.name)
		}
	}
	return nil
}

// entry is what the index holds of an item; ok is false if nothing.
func (x *index) entry(item attribute.Item) (key string, r record, ok bool) {
	for _, a := range x.schema.attributes() {
		if _, present := item[a.name]; !present {
			return "", record{}, false
		}
	}
	projected := x.project(item)
	return x.encode(item), record{item: projected, size: projected.Size()}, true
}

// encode appends the table's key to the index's own, since many items may
// share that one.
func (x *index) encode(item attribute.Item) string {
	return string(append(x.schema.encode(item), x.table.schema.encode(item)...))
}

func (x *index) project(item attribute.Item) attribute.Item {
	if x.projection.Kind == "ALL" {
		return item
	}
	projected := attribute.Item{}
	for name, v := range item {
		if x.projects(name) {
			projected[name] = v
		}
	}
	return projected
}

// projects reports whether the index holds the attribute.
func (x *index) projects(name string) bool {
	return x.projection.Kind == "ALL" || x.schema.has(name) || x.table.schema.has(name) ||
		slices.Contains(x.projection.Attributes, name)
}

// replace moves the index from an old item to a new one, either of which may
// be nil, and returns the write units that cost: none if its entry stays, one
// write to add, change or remove it, and two to move it.
func (x *index) replace(old, item attribute.Item) float64 {
	oldKey, oldEntry, had := x.entry(old)
	key, entry, has := x.entry(item)
	x.bytes += entry.size - oldEntry.size
	if has && had && key == oldKey && entry.item.Equal(oldEntry.item) {
		x.records.Set(key, entry)
		return 0
	}
	if had {
		x.records.Delete(oldKey)
	}
	if has {
		x.records.Set(key, entry)
	}
	switch {
	case had && has && key != oldKey:
		return writeUnits(oldEntry.size) + writeUnits(entry.size)
	case had || has:
		return writeUnits(max(oldEntry.size, entry.size))
	}
	return 0
}
