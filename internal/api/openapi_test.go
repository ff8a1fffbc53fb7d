package api_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/api"
	"github.com/devcontainer-manager/devcontainer-manager/internal/api/reference"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/httpapi"
	"github.com/devcontainer-manager/devcontainer-manager/internal/sam"
	"github.com/devcontainer-manager/devcontainer-manager/internal/tenancy"
)

// contract is what a route's code says of it: the endpoint, and the types of
// its body and its answer; nil for none.
type contract struct {
	endpoint        httpapi.Endpoint
	request, answer any
}

// contracts are all routes' but for those of the reference itself. A route that
// is not here fails the tests below.
func contracts() map[string]contract {
	links, tenants := api.Links{}, api.TenantPresenter{}
	return map[string]contract{
		"vms-create":             {api.VmsCreate(nil, links), dcm.LaunchRequest{}, api.CreatedVM{}},
		"vms-list":               {api.VmsList(nil, links), nil, api.Page[api.VM]{}},
		"vms-get":                {api.VmsGet(nil, links), nil, api.VM{}},
		"vms-delete":             {api.VmsDelete(nil, links), nil, api.VM{}},
		"vms-bootstrap":          {api.VmsBootstrap(nil), dcm.BootstrapRequest{}, dcm.BootstrapAnswer{}},
		"vms-heartbeat":          {api.VmsHeartbeat(nil), dcm.Heartbeat{}, dcm.HeartbeatAnswer{}},
		"vms-backup-start":       {api.VmsBackupStart(nil), dcm.BackupStart{}, dcm.BackupStarted{}},
		"vms-backup-parts":       {api.VmsBackupParts(nil), dcm.BackupParts{}, dcm.BackupPartURLs{}},
		"vms-backup-complete":    {api.VmsBackupComplete(nil), dcm.BackupComplete{}, dcm.BackupCompleted{}},
		"vms-dns-challenge":      {api.VmsDNSChallenge(nil), dcm.DNSChallenge{}, dcm.DNSChallenges{}},
		"vms-cleanup":            {api.VmsCleanup(nil, links), dcm.Cleanup{}, api.VM{}},
		"workspaces-list":        {api.WorkspacesList(nil), nil, api.Page[api.Workspace]{}},
		"workspaces-get":         {api.WorkspacesGet(nil), nil, api.Workspace{}},
		"workspaces-delete":      {api.WorkspacesDelete(nil), nil, api.Workspace{}},
		"workspaces-rotate-key":  {api.WorkspacesRotateKey(nil), nil, api.Workspace{}},
		"tenant-get":             {api.TenantGet(nil, tenants), nil, api.Tenant{}},
		"tenant-put":             {api.TenantPut(nil, tenants), tenancy.ProfileRequest{}, api.Tenant{}},
		"tenant-usage":           {api.TenantUsage(nil, nil, ""), nil, api.Usage{}},
		"tenant-events":          {api.TenantEvents(nil), nil, api.Page[dcm.Event]{}},
		"tenant-orphans":         {api.TenantOrphans(nil), nil, api.Page[api.Orphan]{}},
		"tenant-provider-add":    {api.TenantProviderAdd(nil), tenancy.ProviderRequest{}, api.AddedProvider{}},
		"tenant-provider-remove": {api.TenantProviderRemove(nil), nil, api.RemovedProvider{}},
		"tenant-dns-set":         {api.TenantDNSSet(nil), tenancy.DNSRequest{}, api.DNSConfig{}},
		"tenant-dns-reset":       {api.TenantDNSReset(nil, tenants), nil, api.DNSConfig{}},
		"tenant-storage-set":     {api.TenantStorageSet(nil), tenancy.StorageRequest{}, api.StorageConfig{}},
		"tenant-storage-reset":   {api.TenantStorageReset(nil), nil, api.StorageConfig{}},
		"admin-quotas-put":       {api.AdminQuotasPut(nil, tenants), tenancy.QuotasRequest{}, api.TenantQuotas{}},
		"openapi-get":            {api.OpenapiGet(), nil, nil},
		"docs-get":               {api.DocsGet(), nil, nil},
	}
}

// The OpenAPI document, as far as the tests read it.
type (
	openAPI struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct {
			Schemas   map[string]schema
			Responses map[string]response
		}
	}
	operation struct {
		OperationID string
		Security    []map[string][]string
		RequestBody *struct{ Content map[string]media }
		Responses   map[string]response
	}
	response struct {
		Ref     string `json:"$ref"`
		Content map[string]media
	}
	media  struct{ Schema schema }
	schema struct {
		Ref                  string `json:"$ref"`
		Type                 kinds
		Properties           map[string]schema
		Required             []string
		Items                *schema
		AdditionalProperties json.RawMessage
		AllOf, OneOf         []schema
		Enum                 []any
	}
	kinds []string
)

// UnmarshalJSON reads one type or a list.
func (k *kinds) UnmarshalJSON(b []byte) error {
	if b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(k))
	}
	*k = kinds{""}
	return json.Unmarshal(b, &(*k)[0])
}

func mustDocument(t *testing.T) *openAPI {
	t.Helper()
	var d openAPI
	if err := json.Unmarshal([]byte(reference.Document()), &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

// operations are the document's, by "POST /vms".
func (d *openAPI) operations(t *testing.T) map[string]operation {
	t.Helper()
	found := map[string]operation{}
	for path, item := range d.Paths {
		for method, raw := range item {
			if method == "parameters" {
				continue
			}
			var o operation
			if err := json.Unmarshal(raw, &o); err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
			found[strings.ToUpper(method)+" "+path] = o
		}
	}
	return found
}

func (d *openAPI) response(r response) response {
	if name, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); ok {
		return d.Components.Responses[name]
	}
	return r
}

// whole follows references, merges allOf, and takes "this or null" for this.
func (d *openAPI) whole(s schema) (merged schema, nullable bool) {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return d.whole(d.Components.Schemas[name])
	}
	for _, one := range s.OneOf {
		if !slices.Contains(one.Type, "null") {
			merged, _ = d.whole(one)
			return merged, len(s.OneOf) > 1
		}
	}
	for _, part := range s.AllOf {
		p, _ := d.whole(part)
		s.Type = p.Type
		all := maps.Clone(p.Properties)
		maps.Copy(all, s.Properties)
		s.Properties, s.Required = all, append(slices.Clone(p.Required), s.Required...)
	}
	return s, slices.Contains(s.Type, "null")
}

func mustTemplate(t *testing.T) *sam.Template {
	t.Helper()
	template, err := sam.Load("../../template.yaml", sam.Options{Parameters: map[string]string{
		"BaseDomain": "example.test", "CloudflareZoneId": "zone", "JwtIssuer": "https://issuer.test",
	}})
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// TestDocumentIsTheTemplates: the same routes, behind the same doors.
func TestDocumentIsTheTemplates(t *testing.T) {
	t.Parallel()
	described := mustDocument(t).operations(t)
	all := contracts()
	for _, r := range mustTemplate(t).Routes {
		o, ok := described[r.Key()]
		if delete(described, r.Key()); !ok {
			t.Errorf("infra/openapi.yaml does not describe %s", r.Key())
			continue
		}
		c, ok := all[r.Function]
		if !ok {
			t.Errorf("%s has no contract in this test", r.Function)
			continue
		}
		if o.OperationID != r.Function || c.endpoint.Name != r.Function {
			t.Errorf("%s of %s is described as %q, and calls itself %q", r.Key(), r.Function, o.OperationID, c.endpoint.Name)
		}
		if want := security(c.endpoint); !reflect.DeepEqual(o.Security, want) {
			t.Errorf("%s is described with security %v, want %v", r.Key(), o.Security, want)
		}
		if person := c.endpoint.Permission != ""; person != (r.Authorizer != nil) {
			t.Errorf("%s: its endpoint wants a person: %v; it has an authorizer: %v", r.Key(), person, r.Authorizer != nil)
		}
	}
	for key := range described {
		t.Errorf("infra/openapi.yaml describes %s, which template.yaml has not", key)
	}
}

func security(e httpapi.Endpoint) []map[string][]string {
	switch {
	case e.Public:
		return []map[string][]string{}
	case e.Audience == dcm.AudienceBootstrap:
		return []map[string][]string{{"vmBootstrap": {}}}
	case e.Audience == dcm.AudienceVM:
		return []map[string][]string{{"vm": {}}}
	default:
		return []map[string][]string{{"person": {string(e.Permission)}}}
	}
}

// TestSchemasAreTheTypes: every field of every body and answer, and no other.
func TestSchemasAreTheTypes(t *testing.T) {
	t.Parallel()
	d := mustDocument(t)
	for key, o := range d.operations(t) {
		c := contracts()[o.OperationID]
		if (c.request != nil) != (o.RequestBody != nil) {
			t.Errorf("%s: described with a body: %v; takes one: %v", key, o.RequestBody != nil, c.request != nil)
		} else if c.request != nil {
			typesMatch(t, d, key+" body", o.RequestBody.Content["application/json"].Schema, reflect.TypeOf(c.request), false)
		}
		if c.answer == nil {
			continue
		}
		good := 0
		for status, r := range o.Responses {
			if strings.HasPrefix(status, "2") {
				good++
				typesMatch(t, d, key+" "+status, d.response(r).Content["application/json"].Schema, reflect.TypeOf(c.answer), true)
			}
		}
		if good != 1 {
			t.Errorf("%s has %d good answers described, want 1", key, good)
		}
	}
	typesMatch(t, d, "problem", d.Components.Schemas["Problem"], reflect.TypeFor[httpapi.Problem](), true)
	var codes []string
	for _, v := range d.Components.Schemas["Code"].Enum {
		codes = append(codes, v.(string))
	}
	if want := []string{
		string(dcm.CodeInvalid), string(dcm.CodeUnauthenticated), string(dcm.CodeForbidden), string(dcm.CodeNotFound),
		string(dcm.CodeConflict), string(dcm.CodePreconditionFailed), string(dcm.CodeQuotaExceeded), string(dcm.CodeCapacityUnavailable),
		string(dcm.CodeProviderAuth), string(dcm.CodeProviderUnavailable), string(dcm.CodeRateLimited), string(dcm.CodeInternal),
	}; !slices.Equal(codes, want) {
		t.Errorf("codes %v, want %v", codes, want)
	}
}

// typesMatch compares a schema with a Go type, all the way down. Of answers it
// also compares which fields are always there, and which may be null.
func typesMatch(t *testing.T, d *openAPI, at string, s schema, g reflect.Type, answer bool) {
	t.Helper()
	s, _ = d.whole(s)
	for g.Kind() == reflect.Pointer {
		g = g.Elem()
	}
	want := kindOf(g)
	if want != "" && !slices.Contains(s.Type, want) {
		t.Errorf("%s: described as %v, is %s (%s)", at, s.Type, want, g)
		return
	}
	switch {
	case want == "array":
		if s.Items == nil {
			t.Errorf("%s: no items are described", at)
			return
		}
		typesMatch(t, d, at+"[]", *s.Items, g.Elem(), answer)
	case g.Kind() == reflect.Map:
		var element schema
		if err := json.Unmarshal(s.AdditionalProperties, &element); err != nil {
			t.Errorf("%s: its values are not described: %v", at, err)
			return
		}
		typesMatch(t, d, at+"{}", element, g.Elem(), answer)
	case want == "object":
		fieldsMatch(t, d, at, s, g, answer)
	}
}

func fieldsMatch(t *testing.T, d *openAPI, at string, s schema, g reflect.Type, answer bool) {
	t.Helper()
	described := maps.Clone(s.Properties)
	for _, f := range reflect.VisibleFields(g) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" || !f.IsExported() || name == "-" {
			continue
		}
		p, ok := described[name]
		if delete(described, name); !ok {
			t.Errorf("%s: %s is not described", at, name)
			continue
		}
		omitted := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
		if answer && slices.Contains(s.Required, name) == omitted {
			t.Errorf("%s: %s is described as required: %v; may be left out: %v", at, name, omitted, omitted)
		}
		if _, nullable := d.whole(p); answer && !omitted && nullable != (f.Type.Kind() == reflect.Pointer) {
			t.Errorf("%s: %s is described as nullable: %v; is %s", at, name, nullable, f.Type)
		}
		typesMatch(t, d, at+"."+name, p, f.Type, answer)
	}
	for name := range described {
		t.Errorf("%s: %s is described, and does not exist", at, name)
	}
}

// kindOf is JSON Schema's word for what encoding/json makes of a type.
func kindOf(g reflect.Type) string {
	switch {
	case g == reflect.TypeFor[time.Time](), g == reflect.TypeFor[dcm.Secret](), g.Kind() == reflect.String:
		return "string"
	case g.Kind() == reflect.Bool:
		return "boolean"
	case g.Kind() == reflect.Slice:
		return "array"
	case g.Kind() == reflect.Struct, g.Kind() == reflect.Map:
		return "object"
	case g.Kind() == reflect.Float64, g == reflect.TypeFor[dcm.Tenths]():
		return "number"
	default:
		return "integer"
	}
}
