package gateway

import (
	"net"
	"strconv"
	"strings"
)

// uiLabel is the first label of the terminal page's host.
const uiLabel = "ui"

// target is what a host name stands for: the terminal page, or a port.
type target struct {
	ui   bool
	port int
}

// label is the first label of the target's host.
func (t target) label() string {
	if t.ui {
		return uiLabel
	}
	return strconv.Itoa(t.port)
}

// parseHost reads a request's Host, which may carry a port. hostname is the
// VM's, in lower case. Anything but one known label before it is refused.
func parseHost(host, hostname string) (target, bool) {
	name, _ := splitPort(host)
	label, found := strings.CutSuffix(strings.ToLower(name), "."+hostname)
	if !found || hostname == "" {
		return target{}, false
	}
	if label == uiLabel {
		return target{ui: true}, true
	}
	port, ok := parsePort(label)
	return target{port: port}, ok
}

// parsePort reads a port as a label spells it: decimal, no sign, no leading
// zero, so that one port has one origin.
func parsePort(label string) (int, bool) {
	n, err := strconv.ParseUint(label, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != label {
		return 0, false
	}
	return int(n), true
}

// splitPort splits a Host header into name and port, which is empty where the
// scheme's own is meant.
func splitPort(host string) (name, port string) {
	if n, p, err := net.SplitHostPort(host); err == nil {
		return n, p
	}
	return host, ""
}

// underHostname reports whether host, with or without port, is a name of this
// VM.
func underHostname(host, hostname string) bool {
	_, ok := parseHost(host, hostname)
	return ok
}
