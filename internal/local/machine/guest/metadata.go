package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// serveMetadata answers as the cloud's metadata service does: everybody hears
// of themselves. It speaks two dialects: Hetzner's own, and that of
// cloud-init's NoCloud, which guests boot with that have no DMI to show
// Hetzner's name in.
func (g *Guests) serveMetadata() (*http.Server, error) {
	m := http.NewServeMux()
	m.HandleFunc("GET /hetzner/v1/userdata", g.told(func(v *server) any { return v.info.UserData }))
	m.HandleFunc("GET /hetzner/v1/metadata", g.told(func(v *server) any { return v.metadata() }))
	m.HandleFunc("GET /hetzner/v1/metadata/{key}", func(w http.ResponseWriter, r *http.Request) {
		g.told(func(v *server) any { return v.metadata()[r.PathValue("key")] })(w, r)
	})
	m.HandleFunc("GET /nocloud/user-data", g.told(func(v *server) any { return v.info.UserData }))
	m.HandleFunc("GET /nocloud/vendor-data", g.told(func(*server) any { return "" }))
	m.HandleFunc("GET /nocloud/network-config", g.told(func(v *server) any { return v.network() }))
	m.HandleFunc("GET /nocloud/meta-data", g.told(func(v *server) any {
		return map[string]any{"instance-id": "i-" + v.info.ID, "local-hostname": v.info.Name}
	}))
	network, address := "tcp4", metadataAddress
	if g.options.IPv6Metadata {
		network, address = "tcp6", "::" // it comes with the first cable
	}
	listener, err := net.Listen(network, net.JoinHostPort(address, "80"))
	if err != nil {
		return nil, fmt.Errorf("serve metadata: %w", err)
	}
	s := &http.Server{Handler: m, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			g.logger.Error("the metadata service ended", "error", err)
		}
	}()
	return s, nil
}

// told answers a guest: text as it is, anything else as JSON, which is YAML.
func (g *Guests) told(about func(*server) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := g.caller(r)
		if v == nil {
			http.Error(w, "nobody has this address", http.StatusNotFound)
			return
		}
		switch answer := about(v).(type) {
		case nil:
			http.NotFound(w, r)
		case string:
			_, _ = io.WriteString(w, answer) // a client that left gets no answer
		default:
			_ = json.NewEncoder(w).Encode(answer)
		}
	}
}

func (g *Guests) caller(r *http.Request) *server {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return nil
	}
	for _, v := range g.all() {
		if v.info.IPv4 == host || g.options.IPv6Metadata && slaac(v.info.ID) == host {
			return v
		}
	}
	return nil
}

// slaac is the address that a guest makes itself in the metadata service's
// network, of its hardware address.
func slaac(id string) string {
	m, err := net.ParseMAC(hardwareAddress(id))
	if err != nil {
		return ""
	}
	a := netip.MustParseAddr(metadataAddress6).As16()
	copy(a[8:], []byte{m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
	return netip.AddrFrom16(a).String()
}

// seed is where a container's cloud-init looks for its data.
func (v *server) seed() string {
	if v.options.IPv6Metadata {
		return "http://[" + metadataAddress6 + "]/nocloud/"
	}
	return "http://" + metadataAddress + "/nocloud/"
}

// metadata is what Hetzner says of a server.
func (v *server) metadata() map[string]any {
	return map[string]any{
		"availability-zone": "fsn1-dc14", "region": "eu-central",
		"hostname": v.info.Name, "instance-id": v.info.ID, "local-ipv4": "", "public-ipv4": v.info.IPv4,
		"public-keys": []string{}, "network-config": v.network(),
	}
}

// nic is the name of the guest's network interface.
func (v *server) nic() string {
	if v.options.Kernel != "" {
		return "eth0"
	}
	return "host0"
}

// network is how cloud-init is to configure the network.
func (v *server) network() map[string]any {
	return map[string]any{"version": 1, "config": []any{map[string]any{
		"type": "physical", "name": v.nic(), "mac_address": hardwareAddress(v.info.ID),
		"subnets": []any{map[string]any{"type": "dhcp", "ipv4": true}},
	}}}
}
