package hetzner

import (
	"fmt"
	"slices"
)

// The catalogue is a sample of what Hetzner sells. Prices are of the real
// order of magnitude; the API gives them net and with 19 % VAT.

type kind struct {
	id           int
	name         string
	cores        int
	memory       float64
	disk         int
	architecture string
	hourly       float64
	monthly      float64
	locations    []string
	deprecated   bool
}

func kinds() []kind {
	germany := []string{"fsn1", "nbg1", "hel1"}
	everywhere := []string{"fsn1", "nbg1", "hel1", "ash", "hil", "sin"}
	return []kind{
		{22, "cpx11", 2, 2, 40, "x86", 0.0075, 4.69, everywhere, true},
		{45, "cax11", 2, 4, 40, "arm", 0.0080, 4.99, germany, false},
		{93, "cax21", 4, 8, 80, "arm", 0.0136, 8.49, germany, false},
		{94, "cax31", 8, 16, 160, "arm", 0.0264, 16.49, germany, false},
		{109, "cx23", 2, 4, 40, "x86", 0.0096, 5.99, germany, false},
		{110, "cx33", 4, 8, 80, "x86", 0.0160, 9.99, germany, false},
		{111, "cx43", 8, 16, 160, "x86", 0.0288, 17.99, germany, false},
		{112, "cx53", 16, 32, 320, "x86", 0.0520, 32.49, germany, false},
		{113, "cpx22", 2, 4, 80, "x86", 0.0136, 8.49, everywhere, false},
		{114, "cpx32", 4, 8, 160, "x86", 0.0240, 14.99, everywhere, false},
		{115, "cpx42", 8, 16, 320, "x86", 0.0432, 26.99, everywhere, false},
	}
}

func kindNamed(name string) (kind, bool) {
	i := slices.IndexFunc(kinds(), func(k kind) bool { return k.name == name || fmt.Sprint(k.id) == name })
	if i < 0 {
		return kind{}, false
	}
	return kinds()[i], true
}

func price(net float64) map[string]string {
	return map[string]string{"net": fmt.Sprintf("%.10f", net), "gross": fmt.Sprintf("%.16f", net*1.19)}
}

// body is the server type as the API shows it. stock says what is sold out.
func (k kind) body(stock map[offer]int) map[string]any {
	prices, places := []any{}, []any{}
	for _, name := range k.locations {
		prices = append(prices, map[string]any{
			"location": name, "price_hourly": price(k.hourly), "price_monthly": price(k.monthly),
			"included_traffic": 20 << 40, "price_per_tb_traffic": price(1),
		})
		left, limited := stock[offer{k.name, name}]
		l, _ := locationNamed(name)
		places = append(places, map[string]any{
			"id": l.id, "name": name, "deprecation": k.deprecation(), "recommended": !k.deprecated,
			"available": !k.deprecated && (!limited || left != 0),
		})
	}
	return map[string]any{
		"id": k.id, "name": k.name, "description": k.name, "category": "shared_vcpu", "cores": k.cores,
		"memory": k.memory, "disk": k.disk, "storage_type": "local", "cpu_type": "shared",
		"architecture": k.architecture, "prices": prices, "locations": places,
		"deprecated": k.deprecated, "deprecation": k.deprecation(), "included_traffic": 0,
	}
}

func (k kind) deprecation() any {
	if !k.deprecated {
		return nil
	}
	return map[string]string{"announced": "2025-10-15T00:00:00+00:00", "unavailable_after": "2026-01-01T00:00:00+00:00"}
}

type location struct {
	id                  int
	name, city, country string
	zone                string
	latitude, longitude float64
}

func locations() []location {
	return []location{
		{1, "fsn1", "Falkenstein", "DE", "eu-central", 50.47612, 12.370071},
		{2, "nbg1", "Nuremberg", "DE", "eu-central", 49.452102, 11.076665},
		{3, "hel1", "Helsinki", "FI", "eu-central", 60.169855, 24.938379},
		{4, "ash", "Ashburn, VA", "US", "us-east", 39.045821, -77.487073},
		{5, "hil", "Hillsboro, OR", "US", "us-west", 45.54222, -122.951924},
		{6, "sin", "Singapore", "SG", "ap-southeast", 1.283333, 103.833333},
	}
}

func locationNamed(name string) (location, bool) {
	i := slices.IndexFunc(locations(), func(l location) bool { return l.name == name || fmt.Sprint(l.id) == name })
	if i < 0 {
		return location{}, false
	}
	return locations()[i], true
}

func (l location) body() map[string]any {
	return map[string]any{
		"id": l.id, "name": l.name, "description": l.city + " DC Park 1", "city": l.city, "country": l.country,
		"latitude": l.latitude, "longitude": l.longitude, "network_zone": l.zone,
	}
}

func (s *Server) listServerTypes(c *call) error {
	s.mu.Lock()
	var all []map[string]any
	for _, k := range kinds() {
		if name := c.r.URL.Query().Get("name"); name == "" || name == k.name {
			all = append(all, k.body(s.stock))
		}
	}
	s.mu.Unlock()
	return list(c, "server_types", all)
}

func (s *Server) listLocations(c *call) error {
	var all []map[string]any
	for _, l := range locations() {
		if name := c.r.URL.Query().Get("name"); name == "" || name == l.name {
			all = append(all, l.body())
		}
	}
	return list(c, "locations", all)
}

// listDatacenters is gone: the API removed it on 1 October 2026.
func (s *Server) listDatacenters(*call) error {
	e := errorOf(codeGone)
	e.Details = map[string]string{"announcement": "https://docs.hetzner.cloud/changelog#2026-06-02-datacenters-deprecated"}
	return e
}

func (s *Server) getPricing(c *call) error {
	types := []any{}
	for _, k := range kinds() {
		types = append(types, map[string]any{"id": k.id, "name": k.name, "prices": k.body(nil)["prices"]})
	}
	writeJSON(c.w, 200, map[string]any{"pricing": map[string]any{
		"currency": "EUR", "vat_rate": "19.000000", "server_types": types,
	}})
	return nil
}
