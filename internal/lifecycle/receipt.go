package lifecycle

import (
	"slices"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// receiptOf is what earlier tries to release the VM have left of its receipt.
func receiptOf(vm dcm.VM) dcm.Receipt {
	var r dcm.Receipt
	if vm.Receipt != nil {
		r = *vm.Receipt
		r.DNSRecordIDs = slices.Clone(r.DNSRecordIDs)
	}
	if vm.ProviderID != "" {
		r.ServerID = vm.ProviderID
	}
	return r
}

// ask notes that the deletion is asked for, if it never was before.
func (c Common) ask(r *dcm.Receipt) {
	if r.AskedAt.IsZero() {
		r.AskedAt = c.Clock.Now()
	}
}

// confirm notes that the provider knows no server, whether or not there was one.
func (c Common) confirm(r *dcm.Receipt) {
	c.ask(r)
	r.ConfirmedAt = c.Clock.Now()
}

func withdrawn(r *dcm.Receipt, id string) {
	if !slices.Contains(r.DNSRecordIDs, id) {
		r.DNSRecordIDs = append(r.DNSRecordIDs, id)
	}
}

// unrecorded is what the receipt of a release that is put off has beyond the
// VM's record; nil for nothing. Nobody else knows when the deletion was asked
// for, nor which server or DNS records were found by name once they are gone.
// While a VM has not been heard of, its record may lack what its launch knew,
// and has room for it; later it has neither.
func unrecorded(vm dcm.VM, r dcm.Receipt) *dcm.Receipt {
	if r.AskedAt.IsZero() {
		return nil
	}
	known, note := dcm.Receipt{}, dcm.Receipt{AskedAt: r.AskedAt}
	if vm.Receipt != nil {
		known = *vm.Receipt
	}
	unheard := vm.BootstrappedAt == nil
	if vm.ProviderID == "" || unheard {
		note.ServerID = r.ServerID
	}
	if len(vm.DNS.RecordIDs) == 0 || unheard {
		note.DNSRecordIDs = r.DNSRecordIDs
	}
	if note.AskedAt.Equal(known.AskedAt) && note.ServerID == known.ServerID && slices.Equal(note.DNSRecordIDs, known.DNSRecordIDs) {
		return nil
	}
	return &note
}
