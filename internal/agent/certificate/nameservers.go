package certificate

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"
)

const (
	lookupTimeout = 5 * time.Second
	// searchTimeout bounds the search for a zone's name servers.
	searchTimeout = 10 * time.Second
)

// nameservers are those of the zone that a name lies in. They are asked
// themselves, since a resolver between us would remember what is not there yet.
type nameservers []string

// publish reports whether each of them has the value at the name.
func (n nameservers) publish(ctx context.Context, name, value string) bool {
	for _, host := range n {
		if !hasText(ctx, host, name, value) {
			return false
		}
	}
	return len(n) > 0
}

// serversOf finds the zone by going up from the name. There is none to be found
// where a network keeps its DNS to itself.
func serversOf(ctx context.Context, name string) nameservers {
	ctx, cancel := context.WithTimeout(ctx, searchTimeout)
	defer cancel()
	for zone := name; strings.Contains(zone, "."); _, zone, _ = strings.Cut(zone, ".") {
		found, err := net.DefaultResolver.LookupNS(ctx, zone+".")
		if err != nil || len(found) == 0 {
			continue
		}
		hosts := make(nameservers, len(found))
		for i, ns := range found {
			hosts[i] = ns.Host
		}
		return hosts
	}
	return nil
}

func hasText(ctx context.Context, host, name, value string) bool {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var d net.Dialer
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return d.DialContext(ctx, network, net.JoinHostPort(host, "53"))
	}}
	texts, err := r.LookupTXT(ctx, name+".")
	return err == nil && slices.Contains(texts, value)
}
