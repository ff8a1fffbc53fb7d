package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

// Usage is what a tenant used in a calendar month (UTC). VMs count when they
// have ended, in the months in which they ran; one that still runs is in
// "started" only. Amounts of money are decimal numbers of Currency.
type Usage struct {
	Month dcm.Month   `json:"month"`
	Items []UsageItem `json:"items"`
	// StorageGBHours are hours of 10⁹ bytes: what the newest backups weighed.
	StorageGBHours float64 `json:"storageGBHours"`
	TotalCost      string  `json:"totalCost"`
	Currency       string  `json:"currency"`
}

// UsageItem is what VMs of one size at one provider used.
type UsageItem struct {
	Provider    string   `json:"provider"`
	Size        dcm.Size `json:"size"`
	VMsStarted  int64    `json:"vmsStarted"`
	VMSeconds   int64    `json:"vmSeconds"`
	BilledHours int64    `json:"billedHours"`
	Cost        string   `json:"cost"`
}

// TenantUsage is GET /tenant/usage, of ?month= or of the current month.
// Currency is that of the installation's prices.
func TenantUsage(store dcm.Store, clock dcm.Clock, currency string) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "tenant-usage",
		Permission: dcm.PermissionTenantRead,
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			month, err := usageMonth(r.Query, dcm.MonthOf(clock.Now()))
			if err != nil {
				return httpapi.Response{}, err
			}
			used, err := store.Tenant(r.Principal.Tenant).Usage(ctx, month)
			if err != nil {
				return httpapi.Response{}, fmt.Errorf("read the usage of %s: %w", month, err)
			}
			return httpapi.JSON(http.StatusOK, viewUsage(used, currency)), nil
		},
	}
}

func usageMonth(q url.Values, current dcm.Month) (dcm.Month, error) {
	wrong := unknownParameters(q, "month")
	month := current
	if q.Has("month") {
		month = dcm.Month(q.Get("month"))
		switch {
		case !month.Valid():
			wrong = append(wrong, dcm.FieldError{Field: "month", Message: "must be a month such as 2026-11"})
		case month > current:
			wrong = append(wrong, dcm.FieldError{Field: "month", Message: "must not be in the future"})
		}
	}
	return month, dcm.InvalidFields(wrong...)
}

func viewUsage(u dcm.MonthlyUsage, currency string) Usage {
	v := Usage{
		Month: u.Month, Items: make([]UsageItem, 0, len(u.VMs)),
		StorageGBHours: u.Storage.GBHours(),
		TotalCost:      u.Cost.String(), Currency: currency,
	}
	for _, i := range u.VMs {
		v.Items = append(v.Items, UsageItem{
			Provider: i.Provider, Size: i.Size, VMsStarted: i.VMsStarted, VMSeconds: i.VMSeconds,
			BilledHours: i.BilledHours, Cost: i.Cost.String(),
		})
	}
	return v
}
