package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

// WorkspacesList is GET /workspaces.
func WorkspacesList(store dcm.Store) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "workspaces-list",
		Permission: dcm.PermissionWorkspacesRead,
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			query, err := workspaceQuery(r.Query)
			if err != nil {
				return httpapi.Response{}, err
			}
			page, err := store.Tenant(r.Principal.Tenant).Workspaces(ctx, query)
			if err != nil {
				return httpapi.Response{}, fmt.Errorf("list workspaces: %w", err)
			}
			answer := Page[Workspace]{Items: make([]Workspace, 0, len(page.Items)), NextCursor: optional(page.NextCursor)}
			for _, w := range page.Items {
				answer.Items = append(answer.Items, viewWorkspace(w))
			}
			return httpapi.JSON(http.StatusOK, answer), nil
		},
	}
}

func workspaceQuery(q url.Values) (dcm.WorkspaceQuery, error) {
	limit, cursor, wrong := pageParameters(q)
	wrong = append(unknownParameters(q, "limit", "cursor"), wrong...)
	return dcm.WorkspaceQuery{Limit: limit, Cursor: cursor}, dcm.InvalidFields(wrong...)
}
