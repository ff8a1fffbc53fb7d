package cognito_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/infra/cognito"
)

type claims = map[string]string

// TestSampleEvents replays events/; what is wanted of each is named here, and
// an event without a line here fails.
func TestSampleEvents(t *testing.T) {
	t.Parallel()
	want := map[string]claims{
		"ok-member":                  {"tenant_id": "acme", "permissions": "vms:read vms:write workspaces:read"},
		"ok-owner":                   {"tenant_id": "acme", "permissions": "*"},
		"ok-federated":               {"tenant_id": "acme", "permissions": "vms:read"},
		"ok-no-tenant":               {},
		"ok-attributes-give-nothing": {},
		"refused-two-tenants":        nil,
		"refused-invalid-tenant":     nil,
	}
	files, err := filepath.Glob("events/*.json")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d events, want %d: %v", len(files), len(want), err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wanted, known := want[name]
			if !known {
				t.Fatal("nothing is said of this event")
			}
			before := mustEvent(t, path)
			after, err := cognito.PreToken(t.Context(), mustEvent(t, path))
			if wanted == nil {
				if err == nil {
					t.Errorf("a token was made: %s", after["response"])
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := mustClaims(t, after); !maps.Equal(got, wanted) {
				t.Errorf("claims %v, want %v", got, wanted)
			}
			delete(before, "response")
			for field, value := range before {
				if string(after[field]) != string(value) {
					t.Errorf("%s came back as %s", field, after[field])
				}
			}
		})
	}
}

func mustEvent(t *testing.T, path string) cognito.Event {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var e cognito.Event
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// mustClaims fails if the answer holds anything but claims of the access token:
// an empty groupOverrideDetails would take the user's groups away.
func mustClaims(t *testing.T, e cognito.Event) claims {
	t.Helper()
	var r map[string]map[string]map[string]claims
	if err := json.Unmarshal(e["response"], &r); err != nil {
		t.Fatal(err)
	}
	details := r["claimsAndScopeOverrideDetails"]
	if len(r) != 1 || len(details) != 1 || len(details["accessTokenGeneration"]) != 1 {
		t.Errorf("the response is %s", e["response"])
	}
	return details["accessTokenGeneration"]["claimsToAddOrOverride"]
}

func TestClaims(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		groups  []string
		want    claims
		refused bool
	}{
		"none":                      {nil, claims{}, false},
		"a tenant alone":            {[]string{"tenant:acme"}, claims{"tenant_id": "acme"}, false},
		"the same tenant twice":     {[]string{"tenant:acme", "tenant:acme"}, claims{"tenant_id": "acme"}, false},
		"permissions twice":         {[]string{"tenant:a", "may:vms:read", "may:vms:read"}, claims{"tenant_id": "a", "permissions": "vms:read"}, false},
		"no permission of ours":     {[]string{"tenant:a", "may:vms:admin", "may:", "may:vms:read tenant:write", "vms:write", "*"}, claims{"tenant_id": "a"}, false},
		"other groups":              {[]string{"xtenant:acme", "Tenant:acme", " tenant:acme", "tenant", "admins"}, claims{}, false},
		"an empty tenant":           {[]string{"tenant:"}, nil, true},
		"a tenant with a space":     {[]string{"tenant:acme evil"}, nil, true},
		"a tenant with a newline":   {[]string{"tenant:acme\n"}, nil, true},
		"a homograph":               {[]string{"tenant:асme"}, nil, true},
		"a long tenant":             {[]string{"tenant:" + strings.Repeat("a", 33)}, nil, true},
		"a partition key":           {[]string{"tenant:TENANT#acme"}, nil, true},
		"a good and an invalid one": {[]string{"tenant:acme", "tenant:-"}, nil, true},
		"the platform's owner":      {[]string{"tenant:ops", "may:platform:admin"}, claims{"tenant_id": "ops", "permissions": "platform:admin"}, false},
		"all is not the platform's": {[]string{"tenant:ops", "may:*"}, claims{"tenant_id": "ops", "permissions": "*"}, false},
	} {
		got, err := cognito.Claims(c.groups)
		if (err != nil) != c.refused || !c.refused && !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
}

func TestEventThatIsNone(t *testing.T) {
	t.Parallel()
	for _, e := range []cognito.Event{nil, {}, {"request": json.RawMessage(`[]`)}, {"request": json.RawMessage(`{"groupConfiguration":{"groupsToOverride":"tenant:acme"}}`)}} {
		if got, err := cognito.PreToken(t.Context(), e); err == nil {
			t.Errorf("%v was answered %v", e, got)
		}
	}
}
