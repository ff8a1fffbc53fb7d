package hetzner

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// server says in our words what Hetzner says of a server.
func (p *Provider) server(s *hcloud.Server) dcm.Server {
	out := dcm.Server{
		ID: strconv.FormatInt(s.ID, 10), Name: s.Name, Status: string(s.Status),
		Off:  s.Status == hcloud.ServerStatusOff,
		IPv4: ipv4(s.PublicNet.IPv4), IPv6: ipv6(s.PublicNet.IPv6),
		Labels: maps.Clone(s.Labels), CreatedAt: s.Created.UTC(),
	}
	if s.Location != nil {
		out.Location = s.Location.Name
	}
	if s.ServerType != nil {
		out.ServerType = s.ServerType.Name
		out.Price = p.price(s.ServerType, out.Location)
	}
	return out
}

func ipv4(n hcloud.ServerPublicNetIPv4) string {
	if n.IsUnspecified() {
		return ""
	}
	return n.IP.String()
}

// ipv6 returns the address that the server has in its network: Hetzner gives a
// /64, and its images configure the first address, ::1, of it.
func ipv6(n hcloud.ServerPublicNetIPv6) string {
	if n.IsUnspecified() || n.Network == nil {
		return ""
	}
	return firstHost(n.Network)
}

func firstHost(n *net.IPNet) string {
	base, ok := netip.AddrFromSlice(n.IP)
	if !ok || !base.Is6() {
		return ""
	}
	return base.Next().String()
}

// price returns the hourly price of a type at a location, net of VAT: gross
// depends on where the account's owner lives. It returns nil if Hetzner named
// none.
func (p *Provider) price(t *hcloud.ServerType, location string) *dcm.Price {
	i := slices.IndexFunc(t.Pricings, func(l hcloud.ServerTypeLocationPricing) bool {
		return l.Location != nil && l.Location.Name == location
	})
	if i < 0 || t.Pricings[i].Hourly.Net == "" {
		return nil
	}
	return &dcm.Price{Hourly: shortDecimal(t.Pricings[i].Hourly.Net), Currency: p.currency}
}

// shortDecimal drops a decimal number's trailing zeros: Hetzner writes
// "0.0096000000".
func shortDecimal(text string) string {
	if !strings.Contains(text, ".") {
		return text
	}
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
