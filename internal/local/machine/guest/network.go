package guest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/hetzner"
)

// The cloud's metadata service, see metadata.go, in IPv4 and, as some clouds
// have it, in IPv6.
const (
	metadataAddress  = "169.254.169.254"
	metadataAddress6 = "fd00:ec2::254"
)

func need(tool, from string) error {
	if _, err := exec.LookPath(tool); err != nil {
		return fmt.Errorf("%s is missing (Debian: apt-get install %s)", tool, from)
	}
	return nil
}

// checkNamespace keeps guests, and addresses like theirs, out of this
// machine's own network.
func checkNamespace() error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("look at the network: %w", err)
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback == 0 && !strings.HasPrefix(i.Name, cablePrefix) {
			return fmt.Errorf("this is no network namespace of its own: it has %s; "+
				"run it under unshare --net --mount --pid --fork --kill-child --mount-proc", i.Name)
		}
	}
	return nil
}

// OpenNetwork makes Address this namespace's, as New does, for what has to
// listen there before there is hardware.
func OpenNetwork() error {
	if err := checkNamespace(); err != nil {
		return fmt.Errorf("open the guests' network: %w", err)
	}
	return setUpNetwork()
}

// setUpNetwork gives the namespace the addresses that all guests reach.
func setUpNetwork() error {
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("keep mounts to this process: %w", err)
	}
	return ip("link set lo up\n" +
		"address replace " + Address + "/32 dev lo\n" +
		"address replace " + metadataAddress + "/32 dev lo\n")
}

// ip runs ip's commands, one a line.
func ip(batch string) error {
	c := exec.Command("ip", "-batch", "-")
	c.Stdin = strings.NewReader(batch)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// cablePrefix begins the names of our ends of the guests' cables.
const cablePrefix = "guest"

func (v *server) cable() string { return cablePrefix + v.info.ID }

// layCable connects the network namespace of the process with ours: host0
// there, name here.
func layCable(name string, info hetzner.ServerInfo, pid int) error {
	removeCable(name)
	return ip(fmt.Sprintf("link add %[1]s type veth peer name host0 address %[2]s netns %[3]d\n"+
		"address add %[4]s/32 dev %[1]s\n"+
		"link set %[1]s up\n"+
		"route replace %[5]s/32 dev %[1]s\n",
		name, hardwareAddress(info.ID), pid, Address, info.IPv4))
}

// layTap is a cable whose other end is a program.
func layTap(name string, info hetzner.ServerInfo) error {
	removeCable(name)
	return ip(fmt.Sprintf("tuntap add dev %[1]s mode tap\n"+
		"address add %[2]s/32 dev %[1]s\n"+
		"link set %[1]s up\n"+
		"route replace %[3]s/32 dev %[1]s\n", name, Address, info.IPv4))
}

// removeCable fails where there is none.
func removeCable(name string) { _ = ip("link delete " + name + "\n") }

// hardwareAddress is a server's, like Hetzner's.
func hardwareAddress(id string) string {
	n, _ := strconv.ParseUint(id, 10, 64) // the simulated Hetzner's ids are numbers
	return fmt.Sprintf("96:00:00:%02x:%02x:%02x", byte(n>>16), byte(n>>8), byte(n))
}

// daemon is a program that runs beside the guests.
type daemon struct{ command *exec.Cmd }

func (d *daemon) stop() {
	if d != nil {
		_ = d.command.Process.Kill() // it may have ended
		_ = d.command.Wait()
	}
}

// serveAddress answers DHCP on the cable, as Hetzner does: one address, and a
// gateway outside of its network.
func (v *server) serveAddress() (*daemon, error) {
	cable, info := v.cable(), v.info
	var more []string
	if v.options.IPv6Metadata {
		if err := ip("address replace " + metadataAddress6 + "/64 dev " + cable + " nodad\n"); err != nil {
			return nil, err
		}
		more = []string{"--enable-ra", "--dhcp-range=::,constructor:" + cable + ",ra-only"}
	}
	return dnsmasq(filepath.Join(v.dir, "dhcp.log"), append(more,
		"--port=0", "--interface="+cable, "--no-ping", "--leasefile-ro",
		// A boot has two clients, which call themselves by two names.
		"--dhcp-ignore-clid", "--dhcp-authoritative",
		"--dhcp-range="+info.IPv4+","+info.IPv4+",255.255.255.255,1h",
		"--shared-network="+cable+","+info.IPv4,
		"--dhcp-option=option:router,"+Address,
		"--dhcp-option=option:dns-server,"+Address,
		"--dhcp-option=option:classless-static-route,"+Address+"/32,0.0.0.0,0.0.0.0/0,"+Address)...)
}

// serveNames answers DNS for what the guests may know.
func serveNames(dir string, hosts map[string]string) (*daemon, error) {
	// Nobody else is asked: what is not here does not exist, and is said so at
	// once, or guests would ask again for seconds.
	arguments := []string{"--port=53", "--listen-address=" + Address, "--no-hosts", "--no-resolv", "--address=/#/"}
	for name, address := range hosts {
		arguments = append(arguments, "--host-record="+name+","+address, "--local=/"+name+"/")
	}
	return dnsmasq(filepath.Join(dir, "..", "dns.log"), arguments...)
}

func dnsmasq(log string, arguments ...string) (*daemon, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start dnsmasq: %w", err)
	}
	defer file.Close()
	c := exec.Command("dnsmasq", append([]string{
		"--keep-in-foreground", "--conf-file=" + os.DevNull, "--bind-interfaces", "--user=root", "--log-facility=-", "--pid-file=",
	}, arguments...)...)
	c.Stdout, c.Stderr = file, file
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start dnsmasq: %w", err)
	}
	return &daemon{command: c}, nil
}

// Unplug pulls the network cable of a server.
func (g *Guests) Unplug(id string) error { return g.link(id, "down") }

// Plug puts it back.
func (g *Guests) Plug(id string) error { return g.link(id, "up") }

func (g *Guests) link(id, word string) error {
	v := g.find(id)
	if v == nil {
		return errors.New("there is no such server")
	}
	commands := "link set " + v.cable() + " " + word + "\n"
	if word == "up" {
		commands += "route replace " + v.info.IPv4 + "/32 dev " + v.cable() + "\n"
	}
	return ip(commands)
}
