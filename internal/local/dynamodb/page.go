package dynamodb

import (
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/expression"

	"github.com/tidwall/btree"
)

// maxPageBytes ends a page of Query or Scan, whatever its limit.
const maxPageBytes = 1 << 20

// pageOptions are what Query and Scan share.
type pageOptions struct {
	TableName         string
	IndexName         string
	ConsistentRead    bool
	FilterExpression  *string
	Select            string
	Limit             *int
	ExclusiveStartKey attribute.Item
	expressions
	ProjectionExpression *string
	capacityRequest
}

type pageAnswer struct {
	Items            *[]attribute.Item `json:",omitempty"`
	Count            int
	ScannedCount     int
	LastEvaluatedKey attribute.Item `json:",omitempty"`
	ConsumedCapacity *consumed      `json:",omitempty"`
}

// listing is the table or index that a page is read from.
type listing struct {
	table   *table
	index   *index // nil for the table itself
	schema  keySchema
	records *btree.Map[string, record]
}

func (s *Server) listing(o *pageOptions) (*listing, error) {
	t, err := s.table(o.TableName)
	if err != nil {
		return nil, err
	}
	if o.IndexName == "" {
		return &listing{table: t, schema: t.schema, records: &t.records}, nil
	}
	x, err := t.index(o.IndexName)
	if err != nil {
		return nil, err
	}
	if o.ConsistentRead {
		return nil, invalid("Consistent reads are not supported on global secondary indexes")
	}
	return &listing{table: t, index: x, schema: x.schema, records: &x.records}, nil
}

// position is the encoded key of an ExclusiveStartKey.
func (l *listing) position(key attribute.Item) (string, error) {
	names := map[string]keyAttribute{}
	for _, a := range append(l.schema.attributes(), l.table.schema.attributes()...) {
		names[a.name] = a
	}
	if len(key) != len(names) {
		return "", invalid("The provided starting key is invalid")
	}
	for name, a := range names {
		if v := key[name]; v.Kind != a.kind || a.kind != attribute.Number && v.Text == "" {
			return "", invalid("The provided starting key is invalid: The provided key element does not match the schema")
		}
	}
	if l.index != nil {
		return l.index.encode(key), nil
	}
	return string(l.schema.encode(key)), nil
}

// last is the LastEvaluatedKey for an item.
func (l *listing) last(item attribute.Item) attribute.Item {
	key := l.table.schema.of(item)
	for name, v := range l.schema.of(item) {
		key[name] = v
	}
	return key
}

// span is a range of encoded keys: from low, up to and without high. Start,
// if set, is the key after which to go on, in the direction of reading.
type span struct {
	low, high, start string
	backward         bool
}

// each calls visit on the records of a span in order until it returns false.
func (l *listing) each(sp span, visit func(record) bool) {
	step := func(key string, r record) bool {
		if key == sp.start {
			return true
		}
		if sp.backward && key >= sp.high || !sp.backward && key < sp.low {
			return true
		}
		if sp.backward && key < sp.low || !sp.backward && sp.high != "" && key >= sp.high {
			return false
		}
		return visit(r)
	}
	switch {
	case sp.backward && sp.start != "":
		l.records.Descend(min(sp.start, sp.high), step)
	case sp.backward:
		l.records.Descend(sp.high, step)
	default:
		l.records.Ascend(max(sp.start, sp.low), step)
	}
}

// reader turns records into a page.
type reader struct {
	listing    *listing
	filter     *expression.Condition
	projection *expression.Projection
	countOnly  bool
	limit      int // 0 for none
}

// reader checks the options and reads their expressions with p.
func (o *pageOptions) reader(l *listing, p *expression.Placeholders) (*reader, error) {
	rd := &reader{listing: l}
	var err error
	if o.Limit != nil {
		if rd.limit = *o.Limit; rd.limit < 1 {
			return nil, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", *o.Limit)
		}
	}
	if rd.filter, err = p.Condition("FilterExpression", o.FilterExpression); err != nil {
		return nil, err
	}
	if rd.projection, err = p.Projection(o.ProjectionExpression); err != nil {
		return nil, err
	}
	if err := o.selects(rd); err != nil {
		return nil, err
	}
	if err := rd.checkProjected(); err != nil {
		return nil, err
	}
	if err := p.Finish(); err != nil {
		return nil, err
	}
	return rd, o.capacityRequest.check()
}

// checkProjected refuses a filter on what the index does not hold.
func (rd *reader) checkProjected() error {
	if rd.filter == nil || rd.listing.index == nil {
		return nil
	}
	for _, name := range rd.filter.Roots() {
		if !rd.listing.index.projects(name) {
			return invalid("One or more parameter values were invalid: Secondary index %s does not project one or more filter attributes: [%s]", rd.listing.index.name, name)
		}
	}
	return nil
}

// selects checks Select, and that the index has what is asked of it.
func (o *pageOptions) selects(rd *reader) error {
	x := rd.listing.index
	switch o.Select {
	case "", "SPECIFIC_ATTRIBUTES":
		if o.Select != "" && rd.projection == nil {
			return invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
		}
		if rd.projection == nil || x == nil {
			return nil
		}
		for _, name := range rd.projection.Roots() {
			if !x.projects(name) {
				return invalid("One or more parameter values were invalid: Global secondary index %s does not project [%s]", x.name, name)
			}
		}
		return nil
	case "COUNT":
		rd.countOnly = true
	case "ALL_ATTRIBUTES":
		if x != nil && x.projection.Kind != "ALL" {
			return invalid("One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary index %s because its projection type is not ALL", x.name)
		}
	case "ALL_PROJECTED_ATTRIBUTES":
		if x == nil {
			return invalid("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
		}
	default:
		return invalid("1 validation error detected: Value '%s' at 'select' failed to satisfy constraint: Member must satisfy enum value set: [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]", o.Select)
	}
	if rd.projection != nil {
		return invalid("Cannot specify the ProjectionExpression when choosing to get %s", o.Select)
	}
	return nil
}

// page reads one page. It ends at the limit or at the item that fills 1 MB,
// and says where, whether or not more follows: DynamoDB doesn't look either.
func (o *pageOptions) page(s *Server, rd *reader, sp span) pageAnswer {
	answer, bytes, items := pageAnswer{}, 0, []attribute.Item{}
	rd.listing.each(sp, func(r record) bool {
		answer.ScannedCount++
		bytes += r.size
		if rd.filter.Holds(r.item) {
			answer.Count++
			items = append(items, rd.projection.Of(r.item))
		}
		if answer.ScannedCount == rd.limit || bytes >= maxPageBytes {
			answer.LastEvaluatedKey = rd.listing.last(r.item)
			return false
		}
		return true
	})
	if !rd.countOnly {
		answer.Items = &items
	}
	answer.ConsumedCapacity = o.report(o.TableName, s.spendOn(o.TableName, readUnits(bytes, o.ConsistentRead)))
	return answer
}
