package machine

import "time"

// watch starts an agent again that failed or was killed, as its unit says. As
// with systemd, what the dead agent had started ends first.
func (m *Machines) watch(v *server, p *process, u service) {
	<-p.done
	if !p.failed || u.restart == 0 || !m.stillIts(v, p, true) {
		return
	}
	killMarked(p.mark)
	timer := time.NewTimer(u.restart)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-m.closing:
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.its(v, p) {
		return
	}
	next, err := m.starter.start(u.command, v, m.options.Environment...)
	v.restarting = false
	if err != nil {
		m.logger.Error("the agent can't be started again", "server", v.info.Name, "error", err)
		return
	}
	v.process = next
	m.logger.Info("the agent was started again", "server", v.info.Name, "process", next.id())
	go m.watch(v, next, u)
}

// stillIts notes whether the agent will be started again, if it still is the
// server's.
func (m *Machines) stillIts(v *server, p *process, restarting bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.its(v, p) {
		return false
	}
	v.restarting = restarting
	return true
}

// its reports whether p is the server's agent, and nobody has switched the
// server off or deleted it.
func (m *Machines) its(v *server, p *process) bool {
	return !m.closed && m.servers[v.info.ID] == v && v.process == p && !p.killed.Load()
}
