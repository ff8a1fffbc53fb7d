package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

// TenantEvents is GET /tenant/events: the audit log, newest first.
func TenantEvents(store dcm.Store) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "tenant-events",
		Permission: dcm.PermissionTenantRead,
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			query, err := eventQuery(r.Query)
			if err != nil {
				return httpapi.Response{}, err
			}
			page, err := store.Tenant(r.Principal.Tenant).Events(ctx, query)
			if err != nil {
				return httpapi.Response{}, fmt.Errorf("list events: %w", err)
			}
			items := page.Items
			if items == nil {
				items = []dcm.Event{}
			}
			return httpapi.JSON(http.StatusOK, Page[dcm.Event]{Items: items, NextCursor: optional(page.NextCursor)}), nil
		},
	}
}

func eventQuery(q url.Values) (dcm.EventQuery, error) {
	limit, cursor, wrong := pageParameters(q)
	wrong = append(unknownParameters(q, "limit", "cursor"), wrong...)
	return dcm.EventQuery{Limit: limit, Cursor: cursor}, dcm.InvalidFields(wrong...)
}
