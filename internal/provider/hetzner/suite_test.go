package hetzner_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm/clocktest"
	sim "github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/wire"
	"github.com/devcontainer-manager/devcontainer-manager/internal/provider/hetzner"
	"github.com/devcontainer-manager/devcontainer-manager/internal/provider/providertest"
)

// stack is the provider, over HTTP, against a simulated API.
type stack struct {
	provider *hetzner.Provider
	api      *sim.Server
	wire     *wire.Wire
	clock    *clocktest.Clock
}

func newStack(t *testing.T, o sim.Options) stack {
	t.Helper()
	c := clocktest.New(time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC))
	o.Clock = c
	if o.Tokens == nil {
		o.Tokens = map[string]sim.Token{
			"full": {Project: "ours"}, "reader": {Project: "ours", ReadOnly: true}, "another": {Project: "theirs"},
		}
	}
	api, w := sim.New(o), wire.New()
	server := httptest.NewServer(w.Wrap(wire.Service{
		Name: "hetzner", Handler: api, Operation: sim.Operation, Operations: sim.Operations(), WriteError: sim.WriteError, DefaultCode: "unavailable",
	}))
	t.Cleanup(func() { w.Close(); server.Close(); api.Close() })
	return stack{hetzner.New(hetzner.Options{Endpoint: server.URL + "/v1", Application: "dcm", Version: "test"}), api, w, c}
}

func credential(token string) dcm.Credential { return dcm.Credential{Token: dcm.NewSecret(token)} }

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, delay := range map[string]time.Duration{"deletion at once": 0, "deletion takes a while": 20 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			providertest.Run(t, func(t *testing.T) providertest.Subject { return subject(newStack(t, sim.Options{DeleteDelay: delay})) })
		})
	}
}

func subject(s stack) providertest.Subject {
	return providertest.Subject{
		Provider:   s.provider,
		Credential: credential("full"), ReadOnly: credential("reader"),
		Another: credential("another"), Unknown: credential("nobody-issued-this"),
		Offers: []dcm.Offer{{ServerType: "cx23", Location: "fsn1"}, {ServerType: "cpx22", Location: "nbg1"}},
		Image:  "debian-12",
		NoOffers: []dcm.Offer{
			{ServerType: "cx23", Location: "ash"}, {ServerType: "cpx11", Location: "fsn1"},
			{ServerType: "cx9000", Location: "fsn1"}, {ServerType: "cx23", Location: "mars1"},
		},
		SoldOut:     func(o dcm.Offer) { s.api.SetStock(o.ServerType, o.Location, 0) },
		Unaddressed: func() { s.api.SetPrivate(true) },
		AddSSHKey:   func(name string) string { s.api.AddSSHKey("ours", 4711, name); return "4711" },
		SwitchOff: func(id string) {
			r := httptest.NewRequest(http.MethodPost, "/v1/servers/"+id+"/actions/poweroff", nil)
			r.Header.Set("Authorization", "Bearer full")
			s.api.ServeHTTP(httptest.NewRecorder(), r)
		},
		Settle:   func() { s.clock.Advance(time.Minute) },
		PageSize: 50, CheckCalls: 2,
		Wire: s.wire, Service: "hetzner",
		Create: "CreateServer", Get: "GetServer", List: "ListServers", Delete: "DeleteServer",
		Codes: map[dcm.ProviderKind][]string{
			dcm.KindExists: {"uniqueness_error"},
			dcm.KindCapacity: {
				"resource_unavailable", "resource_unavailable:server location disabled", "placement_error", "invalid_server_type",
				"invalid_input:unsupported location for server type", "invalid_input:server type cx22 is deprecated",
				"not_found:server_type not found",
			},
			dcm.KindQuota:       {"resource_limit_exceeded"},
			dcm.KindAuth:        {"unauthorized", "forbidden", "token_readonly"},
			dcm.KindRateLimited: {"rate_limit_exceeded"},
			dcm.KindUnavailable: {
				"server_error", "service_error", "unknown_error", "maintenance", "unavailable", "bad_gateway", "timeout",
				"conflict", "locked", "resource_locked", "deprecated_api_endpoint", "a_code_of_tomorrow",
			},
			dcm.KindInvalid: {"invalid_input", "json_error", "protected", "unsupported_error"},
			dcm.KindImage: {
				"not_found:image not found", "invalid_input:image is not available",
				"invalid_input:image disk is bigger than server type disk", "unsupported_error:image is deprecated",
			},
		},
	}
}
