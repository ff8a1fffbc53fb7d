package agent

import "time"

// clockGrace is how long the agent waits to learn the control plane's time
// before it takes the machine's word for it.
const clockGrace = 10 * time.Minute

// planeClock is the control plane's clock: the machine's own, which may be
// wrong by years until it has found a time server, corrected by what the
// control plane's answers say. While nobody has said anything it is the
// beginning of time, at which nothing is over yet.
type planeClock struct{ agent *agent }

// Now returns the time.
func (c planeClock) Now() time.Time {
	now := c.agent.clock.Now()
	if ahead, known := c.agent.client.Ahead(); known {
		return now.Add(ahead)
	}
	if now.Sub(c.agent.started) < clockGrace {
		return time.Time{}
	}
	return now
}
