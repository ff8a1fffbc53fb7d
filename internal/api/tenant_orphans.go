package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

// Orphan is a thing that was found without an owner, and the receipt for its
// deletion.
type Orphan struct {
	Kind dcm.OrphanKind `json:"kind"`
	// Service is a provider's name, "cloudflare" or "s3".
	Service string `json:"service"`
	// Account is "platform", or the id of the tenant's own account.
	Account string `json:"account"`
	// ID is the service's id of it.
	ID          string           `json:"id"`
	Name        string           `json:"name"`
	VMID        *dcm.VMID        `json:"vmId"`
	WorkspaceID *dcm.WorkspaceID `json:"workspaceId"`
	Why         string           `json:"why"`
	CreatedAt   time.Time        `json:"createdAt"`
	EndedAt     time.Time        `json:"endedAt"`
	FoundAt     time.Time        `json:"foundAt"`
	// ConfirmedAt is null until the service, asked again, did not know it.
	ConfirmedAt   *time.Time `json:"confirmedAt"`
	OrphanMinutes int        `json:"orphanMinutes"`
}

// TenantOrphans is GET /tenant/orphans: what was found without an owner, newest
// first.
func TenantOrphans(store dcm.Store) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "tenant-orphans",
		Permission: dcm.PermissionTenantRead,
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			query, err := orphanQuery(r.Query)
			if err != nil {
				return httpapi.Response{}, err
			}
			page, err := store.Tenant(r.Principal.Tenant).Orphans(ctx, query)
			if err != nil {
				return httpapi.Response{}, fmt.Errorf("list orphans: %w", err)
			}
			items := make([]Orphan, 0, len(page.Items))
			for _, o := range page.Items {
				items = append(items, viewOrphan(o))
			}
			return httpapi.JSON(http.StatusOK, Page[Orphan]{Items: items, NextCursor: optional(page.NextCursor)}), nil
		},
	}
}

func orphanQuery(q url.Values) (dcm.OrphanQuery, error) {
	limit, cursor, wrong := pageParameters(q)
	wrong = append(unknownParameters(q, "limit", "cursor"), wrong...)
	return dcm.OrphanQuery{Limit: limit, Cursor: cursor}, dcm.InvalidFields(wrong...)
}

func viewOrphan(o dcm.Orphan) Orphan {
	v := Orphan{
		Kind: o.Kind, Service: o.Service, Account: "platform", ID: o.ExternalID, Name: o.Name, Why: o.Why,
		CreatedAt: o.CreatedAt, EndedAt: o.EndedAt, FoundAt: o.FoundAt, ConfirmedAt: o.ConfirmedAt, OrphanMinutes: o.Minutes,
	}
	if o.AccountID != dcm.PlatformAccount {
		v.Account = string(o.AccountID)
	}
	if o.VM != "" {
		v.VMID = &o.VM
	}
	if o.Workspace != "" {
		v.WorkspaceID = &o.Workspace
	}
	return v
}
