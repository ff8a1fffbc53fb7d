package cloudflare_test

import (
	"net/http/httptest"
	"testing"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dns/cloudflare"
	"github.com/devcontainer-manager/devcontainer-manager/internal/dns/dnstest"
	sim "github.com/devcontainer-manager/devcontainer-manager/internal/local/cloudflare"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/wire"
)

const (
	zoneID  = "023e105f4ecef8ad9ca31a8372d0c353"
	otherID = "023e105f4ecef8ad9ca31a8372d0c354"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	dnstest.Run(t, newSubject)
}

func zone(id, token string) dcm.DNSZone { return dcm.DNSZone{ZoneID: id, Token: dcm.NewSecret(token)} }

func newSubject(t *testing.T) dnstest.Subject {
	t.Helper()
	const limit = 25
	api := sim.New(sim.Options{
		Clock: dcm.SystemClock{}, RecordLimit: limit + 1, PageLimit: 10,
		Zones: map[string]string{zoneID: "example.com", otherID: "example.org"},
		Tokens: map[string]sim.Token{
			"hunter2-full": {Zones: []string{zoneID}}, "hunter2-reader": {Zones: []string{zoneID}, ReadOnly: true},
		},
	})
	w := wire.New()
	server := httptest.NewServer(w.Wrap(wire.Service{
		Name: "cloudflare", Handler: api, Operation: sim.Operation, Operations: sim.Operations(), WriteError: sim.WriteError, DefaultCode: "503",
	}))
	t.Cleanup(func() { w.Close(); server.Close() })
	foreign := dcm.DNSRecord{Name: "www.example.com", Type: "A", Content: "198.51.100.99", TTL: 60}
	api.AddRecord(zoneID, sim.RecordState{Name: foreign.Name, Type: foreign.Type, Content: foreign.Content})
	return dnstest.Subject{
		DNS:  cloudflare.New(cloudflare.Options{Endpoint: server.URL + "/client/v4"}),
		Zone: zone(zoneID, "hunter2-full"), ReadOnly: zone(zoneID, "hunter2-reader"),
		Unknown: zone(zoneID, "hunter2-unknown"), Other: zone(otherID, "hunter2-full"),
		Records:  func() []dcm.DNSRecord { return recordsOf(api, zoneID) },
		ZoneName: "example.com", Foreign: foreign, Limit: limit, PageSize: 10,
		Wire: w, Service: "cloudflare",
		Create: "CreateRecord", Batch: "BatchRecords", List: "ListRecords", Delete: "DeleteRecord",
		Codes: map[dcm.ProviderKind][]string{
			dcm.KindExists:      {"81057", "81058", "81053"},
			dcm.KindQuota:       {"81045"},
			dcm.KindAuth:        {"9109", "10000", "6003", "401", "403"},
			dcm.KindRateLimited: {"429", "971"},
			dcm.KindUnavailable: {"500", "502", "503", "504"},
			dcm.KindInvalid:     {"1004", "9005", "9021", "9207"},
			dcm.KindNotFound:    {"7003", "7000"},
		},
	}
}

func recordsOf(api *sim.Server, zoneID string) (records []dcm.DNSRecord) {
	for _, r := range api.Records() {
		if r.Zone == zoneID {
			records = append(records, dcm.DNSRecord{ID: r.ID, Name: r.Name, Type: r.Type, Content: r.Content, Comment: r.Comment})
		}
	}
	return records
}
