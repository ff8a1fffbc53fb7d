package store

import (
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Attributes of a VM's item that are its receipt.
const (
	attrAskedAt       = "askedAt"
	attrServerID      = "serverId"
	attrWithdrawnIDs  = "withdrawnIds"
	attrGoneAt        = "goneAt"
	attrUsed          = "used"
	attrOrphanMinutes = "orphanMinutes"
)

// receiptItem is the part of a VM's item that is its receipt. They are
// attributes of the item itself: while the VM is stopping, a map around them
// would make the largest one too large.
type receiptItem struct {
	AskedAt       *instant   `dynamodbav:"askedAt,omitempty"`
	ServerID      string     `dynamodbav:"serverId,omitempty"`
	WithdrawnIDs  []string   `dynamodbav:"withdrawnIds,omitempty"`
	GoneAt        *instant   `dynamodbav:"goneAt,omitempty"`
	Used          []usedItem `dynamodbav:"used,omitempty"`
	OrphanMinutes int        `dynamodbav:"orphanMinutes,omitempty"`
}

type usedItem struct {
	Month    string `dynamodbav:"month"`
	Provider string `dynamodbav:"provider"`
	Size     string `dynamodbav:"size"`
	Started  int64  `dynamodbav:"started,omitempty"`
	Seconds  int64  `dynamodbav:"seconds"`
	Hours    int64  `dynamodbav:"hours"`
	Cost     int64  `dynamodbav:"cost"`
}

func itemOfReceipt(r *dcm.Receipt, orphanMinutes int) receiptItem {
	i := receiptItem{OrphanMinutes: orphanMinutes}
	if r == nil {
		return i
	}
	i.AskedAt, i.GoneAt = known(r.AskedAt), known(r.ConfirmedAt)
	i.ServerID, i.WithdrawnIDs = r.ServerID, r.DNSRecordIDs
	for _, u := range r.Usage {
		i.Used = append(i.Used, usedItem{
			Month: string(u.Month), Provider: u.Provider, Size: string(u.Size),
			Started: u.VMsStarted, Seconds: u.VMSeconds, Hours: u.BilledHours, Cost: int64(u.Cost),
		})
	}
	return i
}

// receipt is nil if nothing was ever asked.
func (i receiptItem) receipt() *dcm.Receipt {
	if i.AskedAt == nil {
		return nil
	}
	r := &dcm.Receipt{ServerID: i.ServerID, DNSRecordIDs: i.WithdrawnIDs, AskedAt: i.AskedAt.time()}
	if i.GoneAt != nil {
		r.ConfirmedAt = i.GoneAt.time()
	}
	for _, u := range i.Used {
		r.Usage = append(r.Usage, dcm.Usage{
			Month: dcm.Month(u.Month), Provider: u.Provider, Size: dcm.Size(u.Size),
			VMsStarted: u.Started, VMSeconds: u.Seconds, BilledHours: u.Hours, Cost: dcm.Micros(u.Cost),
		})
	}
	return r
}

// known is a time that has come.
func known(t time.Time) *instant {
	if t.IsZero() {
		return nil
	}
	return instantOfOptional(&t)
}

// receipt sets what the receipt has. What it lacks stays as an earlier release
// has left it.
func (e *edit) receipt(r dcm.Receipt) {
	i := itemOfReceipt(&r, 0)
	e.setText(attrServerID, i.ServerID)
	if i.AskedAt != nil {
		e.set(attrAskedAt, *i.AskedAt)
	}
	if i.GoneAt != nil {
		e.set(attrGoneAt, *i.GoneAt)
	}
	if len(i.WithdrawnIDs) > 0 {
		e.set(attrWithdrawnIDs, i.WithdrawnIDs)
	}
	if len(i.Used) > 0 {
		e.set(attrUsed, i.Used)
	}
}
