package hetzner

import "context"

// ServerInfo is what a machine needs to know to boot.
type ServerInfo struct {
	ID     string
	Name   string
	IPv4   string
	IPv6   string
	Labels map[string]string
	// UserData is the cloud-init document. It holds a secret.
	UserData string
}

// Machine stands for the hardware: it is told when a server is ordered, and
// when it is deleted.
type Machine interface {
	// Boot starts the server. It is called once per server, on a goroutine of
	// its own; ctx ends when the server is deleted meanwhile.
	Boot(ctx context.Context, s ServerInfo) error
	// Stop destroys the server: when it returns, nothing of it runs. An
	// unknown id is not an error.
	Stop(ctx context.Context, id string) error
	// Status says whether a booted server still runs: "running" or "off".
	Status(id string) string
}

// Power is implemented by a Machine that can be switched off and keep its
// disk. For one that doesn't, power-off destroys.
type Power interface {
	// PowerOff stops the server and keeps its disk. Boot with the same ID
	// starts it again.
	PowerOff(ctx context.Context, id string) error
}

// boot runs the server's first start in the background.
func (s *Server) boot(v *server) {
	if s.machine == nil {
		v.Status = statusRunning
		return
	}
	info := ServerInfo{
		ID: idText(v.ID), Name: v.Name, IPv4: v.ip(), IPv6: v.hostIPv6(),
		Labels: v.Labels, UserData: v.userData,
	}
	ctx, cancel := context.WithCancel(s.life)
	done := make(chan struct{})
	v.stopBoot = func() { cancel(); <-done }
	v.Status = statusStarting
	s.background.Go(func() {
		defer close(done)
		defer cancel()
		err := s.machine.Boot(ctx, info)
		s.mu.Lock()
		defer s.mu.Unlock()
		if v.Status != statusStarting {
			return
		}
		v.Status = statusRunning
		if err != nil {
			v.Status = statusOff
			s.logger.Warn("a simulated server did not boot", "server", v.Name, "error", err)
		}
	})
}

// destroy ends what the server runs. It must be called without the lock: the
// boot it interrupts may need it.
func (s *Server) destroy(ctx context.Context, v *server) {
	if v.stopBoot != nil {
		v.stopBoot()
	}
	if s.machine == nil {
		return
	}
	if err := s.machine.Stop(ctx, idText(v.ID)); err != nil {
		s.logger.Warn("a simulated server did not stop", "server", v.Name, "error", err)
	}
}

// powerOff switches the server off, keeping its disk if the machine can.
func (s *Server) powerOff(ctx context.Context, v *server) {
	if v.stopBoot != nil {
		v.stopBoot()
	}
	if p, ok := s.machine.(Power); ok {
		if err := p.PowerOff(ctx, idText(v.ID)); err != nil {
			s.logger.Warn("a simulated server did not power off", "server", v.Name, "error", err)
		}
		return
	}
	if s.machine != nil {
		s.destroy(ctx, v)
	}
}

// status is the server's status as the API shows it: what the machine says
// overrides what the simulation last knew.
func (s *Server) status(v *server) string {
	if v.Status == statusRunning && s.machine != nil {
		if word := s.machine.Status(idText(v.ID)); word == statusOff {
			return statusOff
		}
	}
	return v.Status
}
