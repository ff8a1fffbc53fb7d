package api

import (
	"fmt"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Links says how a VM's URLs begin and end.
type Links struct {
	Scheme string // "https"
	Port   string // "" for the scheme's own
}

// VM is a VM as the API shows it.
type VM struct {
	ID          dcm.VMID        `json:"id"`
	ProviderID  *string         `json:"providerId"`
	TenantID    dcm.TenantID    `json:"tenantId"`
	WorkspaceID dcm.WorkspaceID `json:"workspaceId"`
	Provider    string          `json:"provider"`
	Region      *string         `json:"region"`
	ServerType  *string         `json:"serverType"`
	Name        string          `json:"name"`
	RepoURL     string          `json:"repoUrl"`
	Branch      *string         `json:"branch"`
	Size        dcm.Size        `json:"size"`
	IP          *string         `json:"ip"`
	IPv6        *string         `json:"ipv6"`

	Status  dcm.Status `json:"status"`
	Phase   *string    `json:"phase"`
	Runtime *string    `json:"runtime"`
	// Boot is how the boot went, part by part; null until it is over.
	Boot       *dcm.BootTrace `json:"boot"`
	StopReason *string        `json:"stopReason"`
	Error      *dcm.Problem   `json:"error"`
	Hostname   string         `json:"hostname"`
	URLs       URLs           `json:"urls"`
	CreatedAt  time.Time      `json:"createdAt"`
	RunningAt  *time.Time     `json:"runningAt"`
	LastSeenAt *time.Time     `json:"lastSeenAt"`
	StoppingAt *time.Time     `json:"stoppingAt"`
	StoppedAt  *time.Time     `json:"stoppedAt"`
	ExpiresAt  time.Time      `json:"expiresAt"`
	Idle       Idle           `json:"idle"`
	Price      *Price         `json:"price"`
	Generation int64          `json:"generation"`
	Labels     dcmLabels      `json:"labels"`
	// Receipt is null until the VM has ended. OrphanMinutes is for how long a
	// server of it existed after StoppedAt.
	Receipt       *Receipt `json:"receipt"`
	OrphanMinutes int      `json:"orphanMinutes"`
}

type dcmLabels map[string]string

// URLs are where a VM answers. Port holds "{port}" for the caller to fill in.
type URLs struct {
	UI   string `json:"ui"`
	Port string `json:"port"`
}

// Idle says when the VM counts as idle, and which signs of work keep it.
type Idle struct {
	TimeoutMinutes int         `json:"timeoutMinutes"`
	IdleSince      *time.Time  `json:"idleSince"`
	Signals        dcm.Signals `json:"signals"`
}

// Price is what the VM costs while it exists.
type Price struct {
	Hourly   string `json:"hourly"`
	Currency string `json:"currency"`
}

// View shows a VM.
func (l Links) View(vm dcm.VM) VM {
	v := VM{
		ID: vm.ID, ProviderID: optional(vm.ProviderID), TenantID: vm.TenantID, WorkspaceID: vm.WorkspaceID,
		Provider: vm.Provider, Region: optional(vm.Region), ServerType: optional(vm.ServerType),
		Name: vm.Name, RepoURL: vm.RepoURL, Branch: optional(vm.Branch), Size: vm.Size,
		IP: optional(vm.IPv4), IPv6: optional(vm.IPv6),
		Status: vm.Status, Phase: optional(string(vm.Phase)), Runtime: optional(vm.Runtime), Boot: vm.Boot,
		StopReason: optional(string(vm.StopReason)), Error: vm.Error,
		Hostname: vm.Hostname, URLs: URLs{UI: l.url("ui", vm), Port: l.url("{port}", vm)},
		CreatedAt: vm.CreatedAt, RunningAt: vm.RunningAt, LastSeenAt: vm.LastSeenAt,
		StoppingAt: vm.StoppingAt, StoppedAt: vm.StoppedAt, ExpiresAt: vm.ExpiresAt,
		Idle:       Idle{TimeoutMinutes: int(vm.IdleTimeout / time.Minute), IdleSince: vm.IdleSince, Signals: vm.Signals},
		Generation: vm.Generation, Labels: dcmLabels{},
		Receipt: viewReceipt(vm), OrphanMinutes: vm.OrphanMinutes,
	}
	for name, value := range vm.Labels {
		v.Labels[name] = value
	}
	if vm.Price != nil {
		v.Price = &Price{Hourly: vm.Price.Hourly, Currency: vm.Price.Currency}
	}
	return v
}

func (l Links) url(label string, vm dcm.VM) string {
	port := l.Port
	if port != "" {
		port = ":" + port
	}
	return fmt.Sprintf("%s://%s.%s%s", l.Scheme, label, vm.Hostname, port)
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
