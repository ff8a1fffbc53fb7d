// Package httpapi stands between a Lambda's HTTP event and an endpoint. What
// every endpoint needs is written here once: who is calling, what they may do,
// decoding and its errors, problem+json, panics, and one log line per request.
package httpapi

import (
	"context"
	"net/http"
	"net/url"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Endpoint is one route's behaviour.
type Endpoint struct {
	// Name is the function's name, "vms-create".
	Name string
	// Permission is what a caller needs. Exactly one of Permission, Audience
	// and Public is set.
	Permission dcm.Permission
	// Audience makes this a VM's route: the caller is the VM named in the
	// path, and proves it by a token of this audience.
	Audience dcm.Audience
	// Public lets everyone call, whoever they are: for what tells nothing
	// about anybody. The gateway has no authorizer there either.
	Public bool
	// Audit names what a call changes, such as "vms/vm-k3j9x2m4qa": its result
	// goes to the tenant's audit log, failures too, but of a VM's only those that
	// say forbidden. nil for an endpoint that changes nothing.
	Audit func(r *Request) (resource string)
	// Handle does the work. Its errors become problem+json.
	Handle func(ctx context.Context, r *Request) (Response, error)
}

// AuditPath audits the thing in the path: AuditPath("vms") names "vms/{id}".
func AuditPath(collection string) func(*Request) string {
	return func(r *Request) string { return collection + "/" + r.Path["id"] }
}

// AuditOne audits what a tenant has one of, or a collection itself.
func AuditOne(resource string) func(*Request) string {
	return func(*Request) string { return resource }
}

// Request is a call that may go ahead.
type Request struct {
	// Principal is who is calling; its user is empty on a VM's route.
	Principal dcm.Principal
	// VM are the claims of the calling VM's token, on a VM's route.
	VM dcm.TokenClaims

	Path    map[string]string
	Query   url.Values
	Headers http.Header
	Body    []byte
	// APIURL is where this API was reached, without a trailing slash.
	APIURL    string
	RequestID string
	SourceIP  string
}

// Response is an answer. Body is marshalled as JSON, unless it is a Content.
type Response struct {
	Status  int
	Headers map[string]string
	Body    any
	// Audited says that the audit log has this call already, written in the
	// transaction that made the change, or that the call has changed nothing.
	Audited bool
	// Tenant is another tenant whose settings the caller, who must be the
	// platform's owner, has changed: its log gets an entry too.
	Tenant dcm.TenantID
	// Resource is what a call turned out to change, for the audit log; "" for
	// what Endpoint.Audit said.
	Resource string
}

// Content is a body that is sent as it is.
type Content struct {
	// Type is its media type.
	Type string
	Text string
}

// JSON answers with a status and a body.
func JSON(status int, body any) Response { return Response{Status: status, Body: body} }
