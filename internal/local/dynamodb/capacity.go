package dynamodb

import (
	"maps"
	"slices"
)

const (
	readUnitBytes  = 4096
	writeUnitBytes = 1024
)

// readUnits is the price of reading so many bytes: one unit for 4 KB, at
// least one; half if eventually consistent.
func readUnits(bytes int, consistent bool) float64 {
	units := float64(max(1, (bytes+readUnitBytes-1)/readUnitBytes))
	if consistent {
		return units
	}
	return units / 2
}

// writeUnits is the price of writing so many bytes: one unit for 1 KB, at
// least one.
func writeUnits(bytes int) float64 {
	return float64(max(1, (bytes+writeUnitBytes-1)/writeUnitBytes))
}

// transactional is by how much a transaction multiplies every price.
const transactional = 2

// consumed is what a call used of one table's capacity, indexes included.
type consumed struct {
	TableName     string
	CapacityUnits float64
}

// Capacity is how many units were consumed since the start, by what succeeded.
func (s *Server) Capacity() float64 { return float64(s.spent.Load()) / 2 }

// spend counts what a call consumed, by table, and returns it.
func (s *Server) spend(units map[string]float64) map[string]float64 {
	for _, n := range units {
		s.spent.Add(int64(2 * n))
	}
	return units
}

// spendOn is spend for one table.
func (s *Server) spendOn(table string, units float64) float64 {
	return s.spend(map[string]float64{table: units})[table]
}

// capacityRequest is the part of a request that asks for consumed capacity.
type capacityRequest struct{ ReturnConsumedCapacity string }

func (c capacityRequest) check() error {
	switch c.ReturnConsumedCapacity {
	case "", "NONE", "TOTAL":
		return nil
	case "INDEXES":
		return unsupported("ReturnConsumedCapacity INDEXES")
	}
	return invalid("1 validation error detected: Value '%s' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]", c.ReturnConsumedCapacity)
}

// report is the answer's ConsumedCapacity, nil if not asked for.
func (c capacityRequest) report(table string, units float64) *consumed {
	if c.ReturnConsumedCapacity != "TOTAL" {
		return nil
	}
	return &consumed{table, units}
}

// reportAll is the answer's ConsumedCapacity for several tables.
func (c capacityRequest) reportAll(units map[string]float64) []consumed {
	if c.ReturnConsumedCapacity != "TOTAL" {
		return nil
	}
	var all []consumed
	for _, name := range slices.Sorted(maps.Keys(units)) {
		all = append(all, consumed{name, units[name]})
	}
	return all
}
