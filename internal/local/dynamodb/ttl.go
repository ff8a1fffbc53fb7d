package dynamodb

import (
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
)

type timeToLive struct {
	AttributeName string
	Enabled       bool
}

type timeToLiveRequest struct {
	TableName               string
	TimeToLiveSpecification timeToLive
}

func (s *Server) updateTimeToLive(r *timeToLiveRequest) (any, error) {
	t, err := s.table(r.TableName)
	if err != nil {
		return nil, err
	}
	spec := r.TimeToLiveSpecification
	switch {
	case spec.AttributeName == "":
		return nil, invalid("TimeToLiveSpecification.AttributeName must have a length of at least 1")
	case spec.Enabled && t.ttl != "":
		return nil, invalid("TimeToLive is already enabled")
	case !spec.Enabled && t.ttl == "":
		return nil, invalid("TimeToLive is already disabled")
	case !spec.Enabled && t.ttl != spec.AttributeName:
		return nil, invalid("TimeToLive is active on a different AttributeName: current AttributeName is %s", t.ttl)
	}
	t.ttl = ""
	if spec.Enabled {
		t.ttl = spec.AttributeName
	}
	return map[string]any{"TimeToLiveSpecification": spec}, nil
}

func (s *Server) describeTimeToLive(r *tableRequest) (any, error) {
	t, err := s.table(r.TableName)
	if err != nil {
		return nil, err
	}
	description := map[string]string{"TimeToLiveStatus": "DISABLED"}
	if t.ttl != "" {
		description = map[string]string{"TimeToLiveStatus": "ENABLED", "AttributeName": t.ttl}
	}
	return map[string]any{"TimeToLiveDescription": description}, nil
}

// maxExpiredAge is how long past its time an item may be and still be
// deleted: DynamoDB takes an older time for a mistake.
const maxExpiredAge = 5 * 365 * 24 * time.Hour

// PurgeExpired deletes the items whose time to live has passed by the clock
// and returns how many. Until it is called they stay visible, as DynamoDB
// itself deletes them only within days.
func (s *Server) PurgeExpired() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, purged := s.clock.Now(), 0
	for _, t := range s.tables {
		for key, r := range t.expired(now) {
			t.store(key, r, nil)
			purged++
		}
	}
	return purged
}

func (t *table) expired(now time.Time) map[string]record {
	found := map[string]record{}
	if t.ttl == "" {
		return found
	}
	t.records.Scan(func(key string, r record) bool {
		v, ok := r.item[t.ttl]
		if !ok || v.Kind != attribute.Number {
			return true
		}
		at := v.Number.Int64()
		if at <= now.Unix() && at > now.Add(-maxExpiredAge).Unix() {
			found[key] = r
		}
		return true
	})
	return found
}
