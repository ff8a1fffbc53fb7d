package api

import (
	"context"
	"net/http"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api/reference"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
)

// forAnHour lets caches keep what changes with a deployment only.
const forAnHour = "public, max-age=3600"

// OpenapiGet is GET /openapi.json: the API's description, for everyone.
func OpenapiGet() httpapi.Endpoint {
	return httpapi.Endpoint{
		Name:   "openapi-get",
		Public: true,
		Handle: func(context.Context, *httpapi.Request) (httpapi.Response, error) {
			return httpapi.Response{
				Status: http.StatusOK,
				// Tools in a browser may read it: it is no secret.
				Headers: map[string]string{"cache-control": forAnHour, "access-control-allow-origin": "*"},
				Body:    httpapi.Content{Type: "application/json", Text: reference.Document()},
			}, nil
		},
	}
}
