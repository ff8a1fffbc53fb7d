package dcm

import (
	"fmt"
	"regexp"
	"sync"
	"time"
)

// Month is a calendar month in UTC: "2026-11".
type Month string

var monthPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]{4}-(0[1-9]|1[0-2])$`) })

// Valid reports whether m is a month.
func (m Month) Valid() bool { return monthPattern().MatchString(string(m)) }

// MonthOf returns the month of t.
func MonthOf(t time.Time) Month { return Month(t.UTC().Format("2006-01")) }

// nextMonth is the first moment after t's month.
func nextMonth(t time.Time) time.Time {
	y, m, _ := t.UTC().Date()
	return time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC)
}

// Usage is what one tenant used in one month at one provider with VMs of one
// size. Sums of it are exact.
type Usage struct {
	Month       Month
	Provider    string
	Size        Size
	VMsStarted  int64
	VMSeconds   int64
	BilledHours int64
	Cost        Micros
}

// StorageUsage is what one tenant stored in one month.
type StorageUsage struct {
	Month       Month
	ByteSeconds ByteSeconds
}

// MonthlyUsage is a tenant's usage of one month. It is what ended VMs used: a
// VM is counted in the transaction that ends its record.
type MonthlyUsage struct {
	Month   Month
	VMs     []Usage
	Storage ByteSeconds
	// Cost is the sum of VMs' costs.
	Cost Micros
}

// Started is the usage that the launch of a VM adds.
func (v VM) Started() Usage {
	return Usage{Month: MonthOf(v.CreatedAt), Provider: v.Provider, Size: v.Size, VMsStarted: 1}
}

// UsageUntil is what a VM used from its creation until its end, split where
// months end. Every started hour is billed, in the month in which it started
// (which is how Hetzner rounds), at the price when the VM was created. A VM
// that never got a server used nothing.
func (v VM) UsageUntil(end time.Time) ([]Usage, error) {
	if v.ProviderID == "" || !end.After(v.CreatedAt) {
		return nil, nil
	}
	hourly := Micros(0)
	if v.Price != nil {
		var err error
		if hourly, err = ParseMicros(v.Price.Hourly); err != nil {
			return nil, fmt.Errorf("price of %s: %w", v.ID, err)
		}
	}
	var all []Usage
	started := int64(0) // hours, so far
	for from := v.CreatedAt; from.Before(end); {
		until := end
		if next := nextMonth(from); next.Before(end) {
			until = next
		}
		hours := hoursStarted(until.Sub(v.CreatedAt)) - started
		started += hours
		all = append(all, Usage{
			Month: MonthOf(from), Provider: v.Provider, Size: v.Size,
			// Whole seconds since creation, so that the parts add up exactly.
			VMSeconds:   int64(until.Sub(v.CreatedAt)/time.Second) - int64(from.Sub(v.CreatedAt)/time.Second),
			BilledHours: hours, Cost: hourly * Micros(hours),
		})
		from = until
	}
	return all, nil
}

// hoursStarted is how many hours have begun after d, the first at once.
func hoursStarted(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d-1)/time.Hour) + 1
}

// WorstCase is what a VM can cost at most: every hour of its longest life, and
// the time a stop may take.
func WorstCase(hourly Micros, lifetime time.Duration) Micros {
	return hourly * Micros(hoursStarted(lifetime+StopGrace))
}

// SplitStorage splits what was stored from one moment to another where months
// end.
func SplitStorage(bytes int64, from, to time.Time) []StorageUsage {
	var all []StorageUsage
	for bytes > 0 && from.Before(to) {
		until := to
		if next := nextMonth(from); next.Before(to) {
			until = next
		}
		all = append(all, StorageUsage{Month: MonthOf(from), ByteSeconds: StoredFor(bytes, int64(until.Sub(from)/time.Second))})
		from = until
	}
	return all
}
