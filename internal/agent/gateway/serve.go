package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// Listeners is where a gateway serves. With TLS nil it serves plain HTTP on
// HTTP, as in the local stack; otherwise it serves TLS on TLS, and HTTP, which
// may then be nil, sends every browser there.
type Listeners struct {
	HTTP net.Listener
	TLS  net.Listener
	// GetCertificate finds the certificate of a handshake. When it is nil, or
	// answers nil, one stands in that is signed by itself as serving starts, for
	// the host name and its wildcard.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

const (
	headerTimeout = 15 * time.Second
	idleTimeout   = 2 * time.Minute
	// shutdownGrace is how long requests under way have, once serving ends.
	// Streams and WebSockets are ended at once: they would never end by
	// themselves.
	shutdownGrace = 5 * time.Second
)

// Serve answers on the listeners until ctx ends, then lets requests under way
// finish and returns nil. It closes the listeners. Terminals live on until
// Close.
func (g *Gateway) Serve(ctx context.Context, l Listeners) error {
	servers, err := g.servers(l)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range servers {
		group.Go(func() error {
			if err := s.serve(); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serving the gateway: %w", err)
			}
			return nil
		})
		group.Go(func() error {
			<-ctx.Done()
			g.endStreams()
			shutdown(s.Server)
			return nil
		})
	}
	return group.Wait()
}

// server is an http.Server and the listener it serves.
type server struct {
	*http.Server
	serve func() error
}

func (g *Gateway) servers(l Listeners) ([]server, error) {
	switch {
	case l.TLS == nil && l.HTTP == nil:
		return nil, errors.New("the gateway was given no listener")
	case l.TLS == nil:
		plain := g.httpServer(g)
		return []server{{plain, func() error { return plain.Serve(l.HTTP) }}}, nil
	}
	standIn, err := selfSigned(g.hostname, g.options.Clock.Now())
	if err != nil {
		return nil, fmt.Errorf("making the gateway's certificate: %w", err)
	}
	secure := g.httpServer(g)
	// Not by Config.Certificates: a client that names no host would then never be
	// shown the real one.
	secure.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if l.GetCertificate == nil {
			return standIn, nil
		}
		if c, err := l.GetCertificate(hello); c != nil || err != nil {
			return c, err
		}
		return standIn, nil
	}}
	servers := []server{{secure, func() error { return secure.ServeTLS(l.TLS, "", "") }}}
	if l.HTTP != nil {
		redirect := g.httpServer(redirectToTLS(g.hostname, l.TLS.Addr()))
		servers = append(servers, server{redirect, func() error { return redirect.Serve(l.HTTP) }})
	}
	return servers, nil
}

// httpServer has no limit on a whole request or answer: both may be streams.
func (g *Gateway) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          debugLog(g.options.Logger),
	}
}

// debugLog takes net/http's complaints, most of them about broken clients.
func debugLog(l *slog.Logger) *log.Logger {
	return slog.NewLogLogger(l.Handler(), slog.LevelDebug)
}

func shutdown(s *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	if s.Shutdown(ctx) != nil {
		_ = s.Close()
	}
}

// redirectToTLS sends a browser to the same address under https. Hosts that
// are not ours are not repeated.
func redirectToTLS(hostname string, secure net.Addr) http.Handler {
	_, port := splitPort(secure.String())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to, ok := parseHost(r.Host, hostname)
		if !ok {
			writeUnknownHost(w, r)
			return
		}
		host := to.label() + "." + hostname
		if port != "443" {
			host = net.JoinHostPort(host, port)
		}
		w.Header().Set("Connection", "close")
		http.Redirect(w, r, "https://"+host+pathOf(r.URL), http.StatusPermanentRedirect)
	})
}
