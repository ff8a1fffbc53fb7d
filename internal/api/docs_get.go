package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api/reference"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

// DocsGet is GET /docs: the API's description as a page, for everyone.
func DocsGet() httpapi.Endpoint {
	html, policy := reference.Page()
	return httpapi.Endpoint{
		Name:   "docs-get",
		Public: true,
		Handle: func(context.Context, *httpapi.Request) (httpapi.Response, error) {
			return httpapi.Response{
				Status: http.StatusOK,
				Headers: map[string]string{
					"cache-control": forAnHour, "content-security-policy": policy, "referrer-policy": "no-referrer",
				},
				Body: httpapi.Content{Type: "text/html; charset=utf-8", Text: html},
			}, nil
		},
	}
}
