package local

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/apigateway"
)

// listeners are the stack's servers, all on one address.
type listeners struct {
	address string
	logger  *slog.Logger
	servers []*http.Server
}

// serve starts a server on a port, 0 for any, and returns its port.
func (l *listeners) serve(name string, port int, h http.Handler) (int, error) {
	listener, err := l.listen(name, port)
	if err != nil {
		return 0, err
	}
	l.serveOn(name, listener, h)
	return portOf(listener), nil
}

func (l *listeners) listen(name string, port int) (net.Listener, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(l.address, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	return listener, nil
}

func (l *listeners) serveOn(name string, listener net.Listener, h http.Handler) {
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: apigateway.MaxHeaderBytes,
		ErrorLog: slog.NewLogLogger(l.logger.With("server", name).Handler(), slog.LevelWarn),
	}
	l.servers = append(l.servers, s)
	go func() {
		if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			l.logger.Error("a server ended", "server", name, "error", err)
		}
	}()
}

// close drops every connection.
func (l *listeners) close() {
	for _, s := range l.servers {
		_ = s.Close() // what cannot be closed is closed
	}
}

func portOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

func baseURL(address string, port int) string {
	return "http://" + net.JoinHostPort(address, strconv.Itoa(port))
}
