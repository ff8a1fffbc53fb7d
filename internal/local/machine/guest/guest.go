// Package guest is hardware that boots: every server is a Linux of its own in
// a container of systemd-nspawn, with its own init, network and disk; or, with
// a kernel too, in a machine of QEMU. It gets
// its address by DHCP and its user-data from 169.254.169.254, and cloud-init
// and systemd do with it what they do at Hetzner.
//
// It needs root and a network namespace with nothing in it but the process
// that boots guests: `unshare --net --mount --pid --fork --kill-child
// --mount-proc` in front of the program makes one. In there lie the guests'
// addresses, and from there no way leads out; when the program ends, all of it
// is gone.
package guest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
	"github.com/devcontainer-manager/devcontainer-manager/internal/local/machine"
)

// Address is where the guests find what runs beside them, the local stack for
// one: Hetzner's gateway, by which a server reaches everything.
const Address = "172.31.1.1"

// The words of Status.
const (
	running = "running"
	off     = "off"
)

// Options set up the hardware.
type Options struct {
	// Dir is where servers get their directories. It must exist.
	Dir string
	// Disk is the directory, or with a kernel the ext4 image, that a server's
	// disk is at first (see infra/guest/rootfs.sh). It is never written to.
	Disk string
	// Kernel is the path of the kernel that servers boot; "" for containers.
	Kernel string
	// Trust is PEM certificates of authorities that guests trust besides
	// Debian's.
	Trust []byte
	// Prepare, if set, changes a container's new disk, whose root it is given,
	// before its first boot.
	Prepare func(root string) error
	// Engine gives containers what a container engine in them needs: capabilities,
	// system calls, and a directory for its images that lies on no overlay.
	Engine bool
	// IPv6Metadata serves metadata at an IPv6 address alone. It is for one server
	// at a time.
	IPv6Metadata bool
	// Hosts are names that guests can look up, and their addresses.
	Hosts  map[string]string
	Logger *slog.Logger
}

// Guests are all servers there are.
type Guests struct {
	options  Options
	name     string // tells these guests' control groups from another's
	logger   *slog.Logger
	metadata *http.Server
	names    *daemon // the DNS server

	mu      sync.Mutex
	servers map[string]*server
	closed  bool
}

var _ machine.Hardware = (*Guests)(nil)

// New returns hardware without a server. Its error says what is missing, if
// guests can't be booted here.
func New(o Options) (*Guests, error) {
	if err := check(o); err != nil {
		return nil, fmt.Errorf("boot guests: %w", err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Guests{options: o, name: rand.Text()[:8], logger: o.Logger, servers: map[string]*server{}}
	if err := g.setUp(); err != nil {
		return nil, errors.Join(fmt.Errorf("boot guests: %w", err), g.Close())
	}
	return g, nil
}

func (g *Guests) setUp() (err error) {
	if err := setUpNetwork(); err != nil {
		return err
	}
	if err := setUpGroups(g.groups()); err != nil {
		return err
	}
	if g.names, err = serveNames(g.options.Dir, g.options.Hosts); err != nil {
		return err
	}
	g.metadata, err = g.serveMetadata()
	return err
}

// Boot makes the server's disk, unless it has one from before it was switched
// off, and starts it. It returns when the guest's init is about to run.
func (g *Guests) Boot(ctx context.Context, info hetzner.ServerInfo) error {
	v, err := g.admit(info)
	if err != nil {
		return fmt.Errorf("boot %s: %w", info.Name, err)
	}
	v.power.Lock()
	defer v.power.Unlock()
	if ctx.Err() != nil || v.destroyed {
		return fmt.Errorf("boot %s: it was deleted meanwhile", info.Name)
	}
	if err := v.start(); err != nil {
		return fmt.Errorf("boot %s: %w", info.Name, err)
	}
	g.logger.Info("a guest boots", "server", info.Name, "directory", v.dir)
	return nil
}

// admit finds the server, or makes its record.
func (g *Guests) admit(info hetzner.ServerInfo) (*server, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, errors.New("the hardware is closed")
	}
	v := g.servers[info.ID]
	if v == nil {
		v = &server{
			info: info, dir: filepath.Join(g.options.Dir, "server-"+info.ID), options: g.options,
			group: filepath.Join(g.groups(), groupPrefix+g.name+"-"+info.ID),
		}
		g.servers[info.ID] = v
	}
	return v, nil
}

// Stop destroys the server and its disk.
func (g *Guests) Stop(_ context.Context, id string) error {
	g.mu.Lock()
	v := g.servers[id]
	delete(g.servers, id)
	g.mu.Unlock()
	if v == nil {
		return nil
	}
	if err := v.destroy(); err != nil {
		return fmt.Errorf("destroy %s: %w", v.info.Name, err)
	}
	return nil
}

// PowerOff cuts the server's power, and keeps its disk.
func (g *Guests) PowerOff(_ context.Context, id string) error {
	v := g.find(id)
	if v == nil {
		return nil
	}
	v.power.Lock()
	defer v.power.Unlock()
	v.cut()
	return nil
}

func (g *Guests) find(id string) *server {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.servers[id]
}

func (g *Guests) all() []*server {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []*server
	for _, v := range g.servers {
		all = append(all, v)
	}
	return all
}

// Status is "running" while the guest runs, reboots included, else "off".
func (g *Guests) Status(id string) string {
	if v := g.find(id); v != nil && v.running() {
		return running
	}
	return off
}

// WorkspaceDir is where the server's workspace lies, as this process sees it.
func (g *Guests) WorkspaceDir(id string) string {
	if root := g.Root(id); root != "" {
		return filepath.Join(root, "workspace")
	}
	return ""
}

// Root is a container's file system, as this process sees it; "" for a server
// that there isn't, and for a machine.
func (g *Guests) Root(id string) string {
	if v := g.find(id); v != nil && v.options.Kernel == "" {
		return v.root()
	}
	return ""
}

// Locate returns the port of the gateway on the server with this address.
func (g *Guests) Locate(ip string) string {
	for _, v := range g.all() {
		if v.info.IPv4 == ip && v.running() {
			return ip + ":443"
		}
	}
	return ""
}

// Live lists the guests that run.
func (g *Guests) Live() []hetzner.ServerInfo {
	var live []hetzner.ServerInfo
	for _, v := range g.all() {
		if v.running() {
			live = append(live, v.info)
		}
	}
	return live
}

// Kill ends every guest at once.
func (g *Guests) Kill() {
	for _, v := range g.all() {
		v.killGroup()
	}
}

// Close destroys every server.
func (g *Guests) Close() error {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	var failed error
	for _, v := range g.all() {
		failed = errors.Join(failed, g.Stop(context.Background(), v.info.ID))
	}
	if g.metadata != nil {
		failed = errors.Join(failed, g.metadata.Close())
	}
	g.names.stop()
	return errors.Join(failed, tearDownGroups(g.groups()))
}

func (g *Guests) groups() string { return filepath.Join(g.options.Dir, "..", "control-groups") }

// check says what a guest needs that is not here.
func check(o Options) error {
	if os.Geteuid() != 0 {
		return errors.New("only root can")
	}
	if o.Kernel != "" {
		return errors.Join(checkMachines(o), checkNamespace())
	}
	for tool, from := range map[string]string{
		"systemd-nspawn": "systemd-container", "dnsmasq": "dnsmasq-base", "ip": "iproute2", "nsenter": "util-linux", "unshare": "util-linux",
	} {
		if err := need(tool, from); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(o.Disk, "usr/bin/cloud-init")); err != nil {
		return fmt.Errorf("%q is no disk that infra/guest/rootfs.sh made: %w", o.Disk, err)
	}
	return checkNamespace()
}
