package cloudflare

import (
	"encoding/json"
	"maps"
)

func (c *call) decode(v any) error {
	if err := json.NewDecoder(c.r.Body).Decode(v); err != nil {
		return errorOf(codeBadJSON)
	}
	return nil
}

func (s *Server) createRecord(c *call) error {
	return s.change(c, func(z *zone, i input) (*record, error) { return s.post(z, i) })
}

func (s *Server) updateRecord(c *call) error {
	return s.change(c, func(z *zone, i input) (*record, error) { return s.put(z, c.record, i) })
}

func (s *Server) editRecord(c *call) error {
	return s.change(c, func(z *zone, i input) (*record, error) { return s.patch(z, c.record, i) })
}

// change decodes one record and applies f to the zone.
func (s *Server) change(c *call, f func(*zone, input) (*record, error)) error {
	var i input
	if err := c.decode(&i); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := f(c.zone, i)
	if err != nil {
		return err
	}
	writeResult(c.w, r.body(), nil)
	return nil
}

func (s *Server) getRecord(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := c.zone.records[c.record]
	if r == nil {
		return errorOf(codeNoRecord)
	}
	writeResult(c.w, r.body(), nil)
	return nil
}

func (s *Server) deleteRecord(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.remove(c.zone, c.record); err != nil {
		return err
	}
	writeResult(c.w, map[string]string{"id": c.record}, nil)
	return nil
}

// batchLimit is how many records a batch may change, on the free plan.
const batchLimit = 200

// batchRecords applies deletes, patches, puts and posts in this order, all of
// them or none.
func (s *Server) batchRecords(c *call) error {
	var q struct{ Deletes, Patches, Puts, Posts []input }
	if err := c.decode(&q); err != nil {
		return err
	}
	if len(q.Deletes)+len(q.Patches)+len(q.Puts)+len(q.Posts) > batchLimit {
		return invalid(codeBadJSON, "A batch may change 200 records at most.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	draft := &zone{id: c.zone.id, name: c.zone.name, records: maps.Clone(c.zone.records)}
	result := map[string]any{}
	steps := []struct {
		key    string
		inputs []input
		apply  func(input) (*record, error)
	}{
		{"deletes", q.Deletes, func(i input) (*record, error) { return s.remove(draft, i.ID) }},
		{"patches", q.Patches, func(i input) (*record, error) { return s.patch(draft, i.ID, i) }},
		{"puts", q.Puts, func(i input) (*record, error) { return s.put(draft, i.ID, i) }},
		{"posts", q.Posts, func(i input) (*record, error) { return s.post(draft, i) }},
	}
	for _, step := range steps {
		result[step.key] = nil
		var bodies []any
		for _, i := range step.inputs {
			r, err := step.apply(i)
			if err != nil {
				return err
			}
			bodies = append(bodies, r.body())
		}
		if bodies != nil {
			result[step.key] = bodies
		}
	}
	c.zone.records = draft.records
	writeResult(c.w, result, nil)
	return nil
}

// The four changes below need the lock.

func (s *Server) post(z *zone, i input) (*record, error) {
	r := record{TTL: 1, Created: s.clock.Now().UTC(), Modified: s.clock.Now().UTC()}.with(i, z.name)
	if err := r.check(); err != nil {
		return nil, err
	}
	if err := r.conflict(z.all()); err != nil {
		return nil, err
	}
	if len(z.records) >= s.recordLimit {
		return nil, errorOf(codeQuota)
	}
	r.ID = s.nextID()
	z.records[r.ID] = &r
	return &r, nil
}

func (s *Server) put(z *zone, id string, i input) (*record, error) {
	old := z.records[id]
	if old == nil {
		return nil, errorOf(codeNoRecord)
	}
	return s.replace(z, record{ID: id, TTL: 1, Created: old.Created}.with(i, z.name))
}

func (s *Server) patch(z *zone, id string, i input) (*record, error) {
	old := z.records[id]
	if old == nil {
		return nil, errorOf(codeNoRecord)
	}
	return s.replace(z, old.with(i, z.name))
}

func (s *Server) replace(z *zone, r record) (*record, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	if err := r.conflict(z.all()); err != nil {
		return nil, err
	}
	r.Modified = s.clock.Now().UTC()
	z.records[r.ID] = &r
	return &r, nil
}

func (s *Server) remove(z *zone, id string) (*record, error) {
	r := z.records[id]
	if r == nil {
		return nil, errorOf(codeNoRecord)
	}
	delete(z.records, id)
	return r, nil
}
