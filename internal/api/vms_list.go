package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

// Page is one page of a list. NextCursor is null on the last one.
type Page[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"nextCursor"`
}

const (
	maxPage     = 100
	defaultPage = 50
	maxCursor   = 1024
)

// VmsList is GET /vms.
func VmsList(store dcm.Store, links Links) httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:       "vms-list",
		Permission: dcm.PermissionVMsRead,
		Handle: func(ctx context.Context, r *httpapi.Request) (httpapi.Response, error) {
			query, err := vmQuery(r.Query)
			if err != nil {
				return httpapi.Response{}, err
			}
			page, err := store.Tenant(r.Principal.Tenant).VMs(ctx, query)
			if err != nil {
				return httpapi.Response{}, fmt.Errorf("list VMs: %w", err)
			}
			answer := Page[VM]{Items: make([]VM, 0, len(page.Items)), NextCursor: optional(page.NextCursor)}
			for _, vm := range page.Items {
				answer.Items = append(answer.Items, links.View(vm))
			}
			return httpapi.JSON(http.StatusOK, answer), nil
		},
	}
}

func vmQuery(q url.Values) (dcm.VMQuery, error) {
	wrong := unknownParameters(q, "status", "workspaceId", "limit", "cursor")
	out := dcm.VMQuery{
		Status: dcm.Status(q.Get("status")), Workspace: dcm.WorkspaceID(q.Get("workspaceId")),
	}
	if q.Has("status") && !out.Status.Valid() {
		wrong = append(wrong, dcm.FieldError{Field: "status", Message: "must be creating, running, stopping or stopped"})
	}
	if q.Has("workspaceId") && !out.Workspace.Valid() {
		wrong = append(wrong, dcm.FieldError{Field: "workspaceId", Message: "is not a workspace id"})
	}
	var more []dcm.FieldError
	out.Limit, out.Cursor, more = pageParameters(q)
	return out, dcm.InvalidFields(append(wrong, more...)...)
}

// pageParameters are what every list takes.
func pageParameters(q url.Values) (limit int, cursor string, wrong []dcm.FieldError) {
	limit, cursor = defaultPage, q.Get("cursor")
	if q.Has("limit") {
		n, err := strconv.Atoi(q.Get("limit"))
		if err != nil || n < 1 || n > maxPage {
			wrong = append(wrong, dcm.FieldError{Field: "limit", Message: "must be between 1 and 100"})
		}
		limit = n
	}
	if len(cursor) > maxCursor || q.Has("cursor") && cursor == "" {
		wrong = append(wrong, dcm.FieldError{Field: "cursor", Message: "is not a cursor of this list"})
	}
	return limit, cursor, wrong
}

// unknownParameters names what a route does not take, and what is given twice.
func unknownParameters(q url.Values, known ...string) []dcm.FieldError {
	var wrong []dcm.FieldError
	for name, values := range q {
		switch {
		case !slices.Contains(known, name):
			if len(name) > 64 {
				name = name[:64]
			}
			wrong = append(wrong, dcm.FieldError{Field: name, Message: "is not a known parameter"})
		case len(values) > 1:
			wrong = append(wrong, dcm.FieldError{Field: name, Message: "is given twice"})
		}
	}
	slices.SortFunc(wrong, func(a, b dcm.FieldError) int {
		if a.Field < b.Field {
			return -1
		}
		return 1
	})
	return wrong
}
