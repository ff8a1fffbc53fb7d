package app_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/app"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// environment is the least that an installation needs, with more on top.
func environment(more map[string]string) func(string) string {
	least := map[string]string{
		"INSTALLATION": "test", "TABLE_NAME": "t", "BUCKET_NAME": "b", "DATA_KEY_ID": "d", "TOKEN_KEY_ID": "k",
		"BASE_DOMAIN": "example.com", "CLOUDFLARE_ZONE_ID": "z",
		"SIZES": `{"hetzner":{"small":[{"type":"cx23","location":"fsn1"}]}}`,
	}
	return func(name string) string {
		if v, ok := more[name]; ok {
			return v
		}
		return least[name]
	}
}

func TestDefaultPermissions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]dcm.Permission{
		"":                       nil,
		"*":                      {dcm.PermissionAll},
		"vms:read, vms:write":    {dcm.PermissionVMsRead, dcm.PermissionVMsWrite},
		" vms:read  tenant:read": {dcm.PermissionVMsRead, dcm.PermissionTenantRead},
	} {
		c, err := app.ReadConfig(environment(map[string]string{"DEFAULT_PERMISSIONS": text}))
		if err != nil || !slices.Equal(c.DefaultPermissions, want) {
			t.Errorf("%q: %v, %v", text, c.DefaultPermissions, err)
		}
	}
	for _, text := range []string{"platform:admin", "* platform:admin", "vms:read,platform:admin", "vms", "[*]", "VMS:READ"} {
		if _, err := app.ReadConfig(environment(map[string]string{"DEFAULT_PERMISSIONS": text})); err == nil || !strings.Contains(err.Error(), "DEFAULT_PERMISSIONS") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCurrency(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "EUR", "USD": "USD"} {
		c, err := app.ReadConfig(environment(map[string]string{"CURRENCY": text}))
		if err != nil || c.Currency != want {
			t.Errorf("%q: %q, %v", text, c.Currency, err)
		}
	}
	for _, text := range []string{"eur", "EURO", "€"} {
		if _, err := app.ReadConfig(environment(map[string]string{"CURRENCY": text})); err == nil {
			t.Errorf("%q is a currency", text)
		}
	}
}
