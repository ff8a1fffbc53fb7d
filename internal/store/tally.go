package store

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// tally is what a transaction adds to the months' usage: amounts by the
// counter's name. Every counter is an attribute of its own, so that an update
// can add to it without knowing whether the item exists.
type tally map[dcm.Month]amounts

// amounts are what is added to one month's counters. What is stored is apart
// from the others: it may need more than 64 bits.
type amounts struct {
	counters map[string]int64
	stored   dcm.ByteSeconds
}

// What is counted of VMs. The names of their counters also say the provider and
// the size.
const (
	countStarted = "started"
	countSeconds = "seconds"
	countHours   = "hours"
	countCost    = "cost"
)

// What is stored is counted by its changes, without ever reading it. A change
// adds its bytes to countBytes, and to countByteSeconds its bytes times the
// seconds left of the month. What was stored in a month follows exactly: the
// bytes at its start, which are the sum of all changes before, times its length,
// plus the month's countByteSeconds.
const (
	countBytes       = "storageBytes"
	countByteSeconds = "storageByteSeconds"
)

const vmCounterPrefix = "vm"

// vmCounter is the name of a counter. Its parts are escaped: an attribute's name
// can't have brackets, and its parts no slash.
func vmCounter(provider string, size dcm.Size, what string) string {
	return strings.Join([]string{vmCounterPrefix, url.PathEscape(provider), url.PathEscape(string(size)), what}, "/")
}

func (t tally) add(m dcm.Month, counter string, n int64) {
	if n == 0 {
		return
	}
	month := t[m]
	if month.counters == nil {
		month.counters = map[string]int64{}
	}
	month.counters[counter] += n
	t[m] = month
}

func (t tally) vm(u dcm.Usage) {
	t.add(u.Month, vmCounter(u.Provider, u.Size, countStarted), u.VMsStarted)
	t.add(u.Month, vmCounter(u.Provider, u.Size, countSeconds), u.VMSeconds)
	t.add(u.Month, vmCounter(u.Provider, u.Size, countHours), u.BilledHours)
	t.add(u.Month, vmCounter(u.Provider, u.Size, countCost), int64(u.Cost))
}

// storage counts a change of what is stored. Seconds are whole ones.
func (t tally) storage(change int64, at time.Time) {
	m := dcm.MonthOf(at)
	_, end := span(m)
	t.add(m, countBytes, change)
	month := t[m]
	month.stored = month.stored.Plus(dcm.StoredFor(change, end-at.Unix()))
	t[m] = month
}

// span is the first second of a month and of the next, since 1970.
func span(m dcm.Month) (start, end int64) {
	first, err := time.Parse("2006-01", string(m))
	if err != nil {
		return 0, 0
	}
	return first.Unix(), first.AddDate(0, 1, 0).Unix()
}

// count makes the writes of a tally, a month each.
func (t *tenantStore) count(used tally) []write {
	var writes []write
	for _, m := range slices.Sorted(maps.Keys(used)) {
		var e edit
		for _, counter := range slices.Sorted(maps.Keys(used[m].counters)) {
			e.add(counter, used[m].counters[counter])
		}
		if stored := used[m].stored; stored.Sign() != 0 {
			e.addNumber(countByteSeconds, stored.String())
		}
		writes = append(writes, write{key: usageKey(t.id, m), update: &e.UpdateBuilder})
	}
	return writes
}

// stored counts a change of what the tenant stores, in its profile and in its
// usage.
func (t *tenantStore) stored(change int64, at time.Time) []write {
	if change == 0 {
		return nil
	}
	var e edit
	e.add(attrStorageBytes, change)
	known := exists()
	used := tally{}
	used.storage(change, at)
	profile := write{key: profileKey(t.id), update: &e.UpdateBuilder, condition: &known}
	return append([]write{profile}, t.count(used)...)
}
