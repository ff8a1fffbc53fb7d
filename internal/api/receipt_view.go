package api

import (
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Receipt shows how a VM's release ended. Its usage is what GET /tenant/usage
// counts of the VM.
type Receipt struct {
	// ServerID is null if there never was a server.
	ServerID     *string    `json:"serverId"`
	DNSRecordIDs []string   `json:"dnsRecordIds"`
	AskedAt      *time.Time `json:"askedAt"`
	// ConfirmedAt is null if the VM was abandoned: nobody has seen its server go.
	ConfirmedAt *time.Time     `json:"confirmedAt"`
	Usage       []ReceiptUsage `json:"usage"`
}

// ReceiptUsage is what a VM used in one month.
type ReceiptUsage struct {
	Month       dcm.Month `json:"month"`
	Provider    string    `json:"provider"`
	Size        dcm.Size  `json:"size"`
	VMSeconds   int64     `json:"vmSeconds"`
	BilledHours int64     `json:"billedHours"`
	Cost        string    `json:"cost"`
}

// viewReceipt shows nothing of a release that is still under way.
func viewReceipt(vm dcm.VM) *Receipt {
	if vm.Status != dcm.StatusStopped || vm.Receipt == nil {
		return nil
	}
	r := vm.Receipt
	v := &Receipt{
		ServerID: optional(r.ServerID), DNSRecordIDs: append([]string{}, r.DNSRecordIDs...),
		AskedAt: optionalTime(r.AskedAt), ConfirmedAt: optionalTime(r.ConfirmedAt), Usage: make([]ReceiptUsage, 0, len(r.Usage)),
	}
	for _, u := range r.Usage {
		v.Usage = append(v.Usage, ReceiptUsage{
			Month: u.Month, Provider: u.Provider, Size: u.Size,
			VMSeconds: u.VMSeconds, BilledHours: u.BilledHours, Cost: u.Cost.String(),
		})
	}
	return v
}
