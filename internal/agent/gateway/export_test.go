package gateway

import "github.com/devcontainer-manager/devcontainer-manager/internal/dcm"

// MaxLimitedClients is how many clients a limiter remembers.
const MaxLimitedClients = maxLimitedClients

// ParseHost is what a host name stands for, for tests.
func ParseHost(host, hostname string) (label string, port int, ok bool) {
	t, ok := parseHost(host, hostname)
	if !ok {
		return "", 0, false
	}
	return t.label(), t.port, true
}

// LimitedClients tries once as each client, and counts those remembered.
func LimitedClients(clock dcm.Clock, clients []string) int {
	l := newLimiter(clock)
	for _, c := range clients {
		l.take(c)
		l.giveBack(c)
	}
	return len(l.clients)
}

// MessageSeen reports, for each chunk of a WebSocket's bytes, whether any of it
// belonged to a message.
func MessageSeen(chunks ...[]byte) []bool {
	f := &frameReader{}
	var seen []bool
	for _, c := range chunks {
		seen = append(seen, f.hasMessage(c))
	}
	return seen
}
