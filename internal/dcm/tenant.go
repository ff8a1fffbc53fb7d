package dcm

import "time"

// Tenant is a customer's profile. A tenant that has not written anything yet
// has none stored, and counts as one with the installation's defaults.
type Tenant struct {
	ID        TenantID
	CreatedAt time.Time
	Quotas    Quotas
	// ActiveVMs counts the VMs that hold a quota slot. It moves in the same
	// transaction as the VM's status.
	ActiveVMs int
}

// Quotas limit what a tenant may use at once.
type Quotas struct {
	MaxConcurrentVMs int
}
