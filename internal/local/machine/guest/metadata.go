package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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
	listener, err := net.Listen("tcp", net.JoinHostPort(metadataAddress, "80"))
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
		if v.info.IPv4 == host {
			return v
		}
	}
	return nil
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
