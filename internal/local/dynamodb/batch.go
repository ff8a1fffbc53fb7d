package dynamodb

import (
	"maps"
	"slices"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
)

// The limits of batches.
const (
	maxBatchGets       = 100
	maxBatchWrites     = 25
	maxBatchReadsBytes = 16 << 20
)

type keysRequest struct {
	Keys           []attribute.Item
	ConsistentRead bool
	readOptions
}

type batchGetRequest struct {
	RequestItems map[string]*keysRequest
	capacityRequest
}

type unprocessedKeys struct {
	Keys                     []attribute.Item
	ConsistentRead           bool              `json:",omitempty"`
	ExpressionAttributeNames map[string]string `json:",omitempty"`
	ProjectionExpression     *string           `json:",omitempty"`
}

type batchGetAnswer struct {
	Responses        map[string][]attribute.Item
	UnprocessedKeys  map[string]*unprocessedKeys
	ConsumedCapacity []consumed `json:",omitempty"`
}

func (s *Server) batchGetItem(r *batchGetRequest) (any, error) {
	if err := s.checkBatchGet(r); err != nil {
		return nil, err
	}
	answer := batchGetAnswer{Responses: map[string][]attribute.Item{}, UnprocessedKeys: map[string]*unprocessedKeys{}}
	units, bytes := map[string]float64{}, 0
	for _, name := range slices.Sorted(maps.Keys(r.RequestItems)) {
		keys, t := r.RequestItems[name], s.tables[name]
		items := []attribute.Item{}
		for i, key := range keys.Keys {
			got, err := t.get(key, &keys.readOptions)
			if err != nil {
				return nil, err
			}
			if bytes += got.bytes; bytes > maxBatchReadsBytes {
				answer.UnprocessedKeys[name] = &unprocessedKeys{keys.Keys[i:], keys.ConsistentRead, keys.ExpressionAttributeNames, keys.ProjectionExpression}
				break
			}
			units[name] += readUnits(got.bytes, keys.ConsistentRead)
			if got.Item != nil {
				items = append(items, *got.Item)
			}
		}
		answer.Responses[name] = items
	}
	answer.ConsumedCapacity = r.reportAll(s.spend(units))
	return answer, nil
}

func (s *Server) checkBatchGet(r *batchGetRequest) error {
	total := 0
	for name, keys := range r.RequestItems {
		t, err := s.table(name)
		if err != nil {
			return err
		}
		if keys == nil || len(keys.Keys) == 0 {
			return invalid("1 validation error detected: Value at 'requestItems.%s.member.keys' failed to satisfy constraint: Member must have length greater than or equal to 1", name)
		}
		total += len(keys.Keys)
		if err := t.checkDistinct(keys.Keys); err != nil {
			return err
		}
	}
	if total == 0 {
		return invalid("1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	if total > maxBatchGets {
		return invalid("Too many items requested for the BatchGetItem call")
	}
	return r.capacityRequest.check()
}

func (t *table) checkDistinct(keys []attribute.Item) error {
	seen := map[string]bool{}
	for _, key := range keys {
		if err := t.schema.checkKey(key); err != nil {
			return err
		}
		encoded := string(t.schema.encode(key))
		if seen[encoded] {
			return invalid("Provided list of item keys contains duplicates")
		}
		seen[encoded] = true
	}
	return nil
}

type batchWrite struct {
	PutRequest    *struct{ Item attribute.Item }
	DeleteRequest *struct{ Key attribute.Item }
}

type batchWriteRequest struct {
	RequestItems                map[string][]batchWrite
	ReturnItemCollectionMetrics string
	capacityRequest
}

type batchWriteAnswer struct {
	UnprocessedItems map[string]any
	ConsumedCapacity []consumed `json:",omitempty"`
}

func (s *Server) batchWriteItem(r *batchWriteRequest) (any, error) {
	if r.ReturnItemCollectionMetrics != "" && r.ReturnItemCollectionMetrics != "NONE" {
		return nil, unsupported("ReturnItemCollectionMetrics " + r.ReturnItemCollectionMetrics)
	}
	if err := r.capacityRequest.check(); err != nil {
		return nil, err
	}
	actions, err := s.batchActions(r)
	if err != nil {
		return nil, err
	}
	units := map[string]float64{}
	for _, a := range actions {
		d, err := a.decide()
		if err != nil {
			return nil, err
		}
		units[a.table.name] += d.commit()
	}
	return batchWriteAnswer{map[string]any{}, r.reportAll(s.spend(units))}, nil
}

// batchActions checks the whole batch before anything is written.
func (s *Server) batchActions(r *batchWriteRequest) ([]*action, error) {
	var actions []*action
	for name, writes := range r.RequestItems {
		t, err := s.table(name)
		if err != nil {
			return nil, err
		}
		var keys []attribute.Item
		for _, w := range writes {
			a, err := w.action(t)
			if err != nil {
				return nil, err
			}
			actions, keys = append(actions, a), append(keys, a.key)
		}
		if err := t.checkDistinct(keys); err != nil {
			return nil, err
		}
	}
	if len(actions) == 0 {
		return nil, invalid("1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	if len(actions) > maxBatchWrites {
		return nil, invalid("Too many items requested for the BatchWriteItem call")
	}
	return actions, nil
}

func (w *batchWrite) action(t *table) (*action, error) {
	switch {
	case w.PutRequest != nil && w.DeleteRequest == nil:
		a, err := t.putAction(w.PutRequest.Item)
		if err != nil {
			return nil, err
		}
		return a, t.check(w.PutRequest.Item)
	case w.DeleteRequest != nil && w.PutRequest == nil:
		return t.deleteAction(w.DeleteRequest.Key)
	}
	return nil, invalid("Supplied AttributeValue has more than one datatypes set: a write request must be one PutRequest or one DeleteRequest")
}
