package edge

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// helloTimeout is how long a connection may take to say what it is.
	helloTimeout = 10 * time.Second
	dialTimeout  = 5 * time.Second
	// tlsHandshake is the first byte of a TLS connection.
	tlsHandshake = 0x16
)

// Passage takes the TLS connections off a listener and passes each on, as it
// is, to the VM that it names: whoever made it checks the VM's certificate, and
// nobody here could. What is left for Accept is plain HTTP.
func (e *Edge) Passage(l net.Listener) net.Listener {
	p := &passage{Listener: l, edge: e, plain: make(chan net.Conn), over: make(chan struct{}), open: map[net.Conn]bool{}}
	go p.accept()
	return p
}

type passage struct {
	net.Listener
	edge  *Edge
	plain chan net.Conn

	over    chan struct{} // closed when the listener is
	closing sync.Once
	mu      sync.Mutex
	open    map[net.Conn]bool // all that were not given to Accept
}

// Accept returns a connection that speaks no TLS.
func (p *passage) Accept() (net.Conn, error) {
	select {
	case c := <-p.plain:
		return c, nil
	case <-p.over:
		return nil, net.ErrClosed
	}
}

// Close ends the listener, and every connection that was passed on.
func (p *passage) Close() error {
	err := p.Listener.Close()
	p.closing.Do(func() { close(p.over) })
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Close() // what cannot be closed is closed
	}
	return err
}

func (p *passage) accept() {
	defer p.closing.Do(func() { close(p.over) })
	for {
		c, err := p.Listener.Accept()
		if err != nil {
			return
		}
		go p.sort(c)
	}
}

// keep notes a connection, to be closed with the listener; false if that is
// closed.
func (p *passage) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.over:
		_ = c.Close()
		return false
	default:
		p.open[c] = true
		return true
	}
}

func (p *passage) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	_ = c.Close() // it may be already
}

// sort passes a connection on, or gives it to Accept.
func (p *passage) sort(c net.Conn) {
	if !p.keep(c) {
		return
	}
	first := make([]byte, 1)
	_ = c.SetReadDeadline(time.Now().Add(helloTimeout)) // a socket has deadlines
	if _, err := io.ReadFull(c, first); err != nil {
		p.drop(c)
		return
	}
	if first[0] == tlsHandshake {
		defer p.drop(c)
		p.pass(&begun{c, bytes.NewReader(first)})
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	p.mu.Lock()
	delete(p.open, c)
	p.mu.Unlock()
	select {
	case p.plain <- &begun{c, bytes.NewReader(first)}:
	case <-p.over:
		_ = c.Close()
	}
}

// begun is a connection of which some has been read, to be read again.
type begun struct {
	net.Conn
	read io.Reader
}

func (b *begun) Read(to []byte) (int, error) {
	if n, err := b.read.Read(to); n > 0 || !errors.Is(err, io.EOF) {
		return n, err
	}
	return b.Conn.Read(to)
}

func (p *passage) pass(c *begun) {
	hello := &bytes.Buffer{}
	address := p.edge.locate(serverName(io.TeeReader(c, hello)))
	if address == "" {
		return // a name that leads nowhere
	}
	vm, err := (&net.Dialer{Timeout: dialTimeout}).Dial("tcp", address)
	if err != nil {
		p.edge.options.Logger.Debug("the edge reached no agent", "address", address, "error", err)
		return
	}
	if !p.keep(vm) {
		return
	}
	defer p.drop(vm)
	_ = c.SetReadDeadline(time.Time{})
	var both sync.WaitGroup
	both.Go(func() { flow(vm, io.MultiReader(hello, c)) })
	both.Go(func() { flow(c.Conn, vm) })
	both.Wait()
}

// flow copies until one side has said all, and tells the other.
func flow(to net.Conn, from io.Reader) {
	_, _ = io.Copy(to, from) // an end is an end, however it came
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// serverName reads a TLS connection's first message; "" if it names no server.
func serverName(hello io.Reader) string {
	name := ""
	_ = tls.Server(listenOnly{hello}, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		name = h.ServerName
		return nil, errHeard
	}}).HandshakeContext(context.Background()) // fails with errHeard, if nothing else
	return name
}

var errHeard = errors.New("that is all there is to hear")

// listenOnly is a connection to which nothing can be said.
type listenOnly struct{ io.Reader }

func (listenOnly) Write([]byte) (int, error)        { return 0, io.ErrClosedPipe }
func (listenOnly) Close() error                     { return nil }
func (listenOnly) LocalAddr() net.Addr              { return nil }
func (listenOnly) RemoteAddr() net.Addr             { return nil }
func (listenOnly) SetDeadline(time.Time) error      { return nil }
func (listenOnly) SetReadDeadline(time.Time) error  { return nil }
func (listenOnly) SetWriteDeadline(time.Time) error { return nil }
