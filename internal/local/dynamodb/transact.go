package dynamodb

import (
	"errors"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
)

// The limits of a transaction.
const (
	maxTransactItems = 100
	maxTransactBytes = 4 << 20
)

type transactPut struct {
	TableName string
	Item      attribute.Item
	writeOptions
}

type transactKey struct {
	TableName string
	Key       attribute.Item
	writeOptions
}

type transactUpdate struct {
	transactKey
	UpdateExpression *string
}

type transactWrite struct {
	Put            *transactPut
	Update         *transactUpdate
	Delete         *transactKey
	ConditionCheck *transactKey
}

type transactWriteRequest struct {
	TransactItems               []transactWrite
	ClientRequestToken          string
	ReturnItemCollectionMetrics string
	capacityRequest
}

type transactAnswer struct {
	ConsumedCapacity []consumed `json:",omitempty"`
}

func (s *Server) transactWriteItems(r *transactWriteRequest) (any, error) {
	if r.ReturnItemCollectionMetrics != "" && r.ReturnItemCollectionMetrics != "NONE" {
		return nil, unsupported("ReturnItemCollectionMetrics " + r.ReturnItemCollectionMetrics)
	}
	if err := r.capacityRequest.check(); err != nil {
		return nil, err
	}
	if err := checkTransactLength(len(r.TransactItems)); err != nil {
		return nil, err
	}
	if earlier, err := s.repeated(r); earlier != nil || err != nil {
		return earlier, err
	}
	actions, err := s.transactActions(r.TransactItems)
	if err != nil {
		return nil, err
	}
	decisions, err := decideAll(actions)
	if err != nil {
		return nil, err
	}
	units, reads := map[string]float64{}, map[string]float64{}
	for _, d := range decisions {
		units[d.table.name] += transactional * d.commit()
		reads[d.table.name] += transactional * readUnits(max(d.old.size, d.item.Size()), true)
	}
	s.remember(r, reads)
	return transactAnswer{r.reportAll(s.spend(units))}, nil
}

func checkTransactLength(n int) error {
	if n == 0 {
		return invalid("1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	if n > maxTransactItems {
		return invalid("1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to %d", maxTransactItems)
	}
	return nil
}

// transactActions reads all actions and refuses two on one item.
func (s *Server) transactActions(writes []transactWrite) ([]*action, error) {
	actions := make([]*action, len(writes))
	seen := map[string]bool{}
	for i, w := range writes {
		a, err := s.transactAction(w)
		if err != nil {
			return nil, err
		}
		actions[i] = a
		id := a.table.name + "/" + string(a.table.schema.encode(a.key))
		if seen[id] {
			return nil, invalid("Transaction request cannot include multiple operations on one item")
		}
		seen[id] = true
	}
	return actions, nil
}

func (s *Server) transactAction(w transactWrite) (*action, error) {
	given := 0
	var build func() (*action, error)
	if w.Put != nil {
		given, build = given+1, func() (*action, error) { return s.transactPut(w.Put) }
	}
	if w.Update != nil {
		given, build = given+1, func() (*action, error) { return s.transactUpdate(w.Update) }
	}
	if w.Delete != nil {
		given, build = given+1, func() (*action, error) { return s.transactKeyed(w.Delete, (*table).deleteAction) }
	}
	if w.ConditionCheck != nil {
		given, build = given+1, func() (*action, error) { return s.transactCheck(w.ConditionCheck) }
	}
	if given != 1 {
		return nil, invalid("TransactItems can only contain one of Check, Put, Update or Delete")
	}
	return build()
}

func (s *Server) transactPut(w *transactPut) (*action, error) {
	t, err := s.table(w.TableName)
	if err != nil {
		return nil, err
	}
	a, err := t.putAction(w.Item)
	if err != nil {
		return nil, err
	}
	_, err = w.conditional(a, nil)
	return a, err
}

func (s *Server) transactUpdate(w *transactUpdate) (*action, error) {
	t, err := s.table(w.TableName)
	if err != nil {
		return nil, err
	}
	if w.UpdateExpression == nil {
		return nil, invalid("1 validation error detected: Value null at 'transactItems.member.update.updateExpression' failed to satisfy constraint: Member must not be null")
	}
	a, err := t.checkAction(w.Key)
	if err != nil {
		return nil, err
	}
	u, err := w.conditional(a, w.UpdateExpression)
	if err != nil {
		return nil, err
	}
	return a, a.setUpdate(u)
}

func (s *Server) transactCheck(w *transactKey) (*action, error) {
	if w.ConditionExpression == nil {
		return nil, invalid("1 validation error detected: Value null at 'transactItems.member.conditionCheck.conditionExpression' failed to satisfy constraint: Member must not be null")
	}
	return s.transactKeyed(w, (*table).checkAction)
}

func (s *Server) transactKeyed(w *transactKey, build func(*table, attribute.Item) (*action, error)) (*action, error) {
	t, err := s.table(w.TableName)
	if err != nil {
		return nil, err
	}
	a, err := build(t, w.Key)
	if err != nil {
		return nil, err
	}
	_, err = w.conditional(a, nil)
	return a, err
}

// decideAll decides every action, or cancels all with a reason for each.
func decideAll(actions []*action) ([]*decision, error) {
	decisions, reasons := make([]*decision, len(actions)), make([]reason, len(actions))
	failed, bytes := false, 0
	for i, a := range actions {
		d, err := a.decide()
		if err != nil {
			failed, reasons[i] = true, reasonFor(err)
			continue
		}
		decisions[i], reasons[i] = d, reason{Code: "None"}
		bytes += max(d.old.size, d.item.Size())
	}
	if failed {
		return nil, cancelled(reasons)
	}
	if bytes > maxTransactBytes {
		return nil, invalid("Aggregate size of all items in the transaction has exceeded the maximum of 4 MB")
	}
	return decisions, nil
}

func reasonFor(err error) reason {
	var f *fault
	if errors.As(err, &f) && f.code == codeConditionFailed {
		return reason{Code: "ConditionalCheckFailed", Message: f.message, Item: f.item}
	}
	return reason{Code: "ValidationError", Message: asFault(err).message}
}

type transactGet struct {
	Get *struct {
		TableName string
		Key       attribute.Item
		readOptions
	}
}

type transactGetRequest struct {
	TransactItems []transactGet
	capacityRequest
}

type transactGetAnswer struct {
	Responses        []gotten
	ConsumedCapacity []consumed `json:",omitempty"`
}

func (s *Server) transactGetItems(r *transactGetRequest) (any, error) {
	if err := r.capacityRequest.check(); err != nil {
		return nil, err
	}
	if err := checkTransactLength(len(r.TransactItems)); err != nil {
		return nil, err
	}
	answer, units, bytes := transactGetAnswer{}, map[string]float64{}, 0
	keys := map[string][]attribute.Item{}
	for _, x := range r.TransactItems {
		if x.Get == nil {
			return nil, invalid("1 validation error detected: Value null at 'transactItems.member.get' failed to satisfy constraint: Member must not be null")
		}
		t, err := s.table(x.Get.TableName)
		if err != nil {
			return nil, err
		}
		got, err := t.get(x.Get.Key, &x.Get.readOptions)
		if err != nil {
			return nil, err
		}
		keys[t.name] = append(keys[t.name], x.Get.Key)
		if t.checkDistinct(keys[t.name]) != nil {
			return nil, invalid("Transaction request cannot include multiple operations on one item")
		}
		units[t.name] += transactional * readUnits(got.bytes, true)
		bytes += got.bytes
		answer.Responses = append(answer.Responses, got)
	}
	if bytes > maxTransactBytes {
		return nil, invalid("Aggregate size of all items in the transaction has exceeded the maximum of 4 MB")
	}
	answer.ConsumedCapacity = r.reportAll(s.spend(units))
	return answer, nil
}
