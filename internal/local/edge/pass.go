package edge

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// helloTimeout is how long a client may take to say which name it wants.
const helloTimeout = 10 * time.Second

// Pass takes TLS connections, and passes each on, unopened, to the server that
// has the name that it is for. It returns when the listener is closed.
func (e *Edge) Pass(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go e.pass(c)
	}
}

// pass serves one connection. To one that leads nowhere there is no answer that
// its client would take.
func (e *Edge) pass(client net.Conn) {
	defer client.Close()
	_ = client.SetReadDeadline(time.Now().Add(helloTimeout)) // a closed one fails below
	name, hello := serverName(client)
	_ = client.SetReadDeadline(time.Time{})
	address := e.locate(name)
	if address == "" {
		e.options.Logger.Debug("the edge knows no server", "name", name)
		return
	}
	server, err := net.Dial("tcp", address)
	if err != nil {
		e.options.Logger.Debug("the edge reached no agent", "name", name, "error", err)
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, io.MultiReader(bytes.NewReader(hello), client))
		_ = server.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(client, server)
}

// locate returns the address of the agent that serves a name; "" for none.
func (e *Edge) locate(name string) string {
	wildcard := Wildcard(name)
	if wildcard == "" {
		return ""
	}
	ip := e.options.Resolve(wildcard)
	if ip == "" {
		return ""
	}
	return e.options.Locate(ip)
}

var errSeen = errors.New("the name was seen")

// serverName reads the beginning of a TLS connection. It returns the name that
// the client wants, "" for none, and all that was read.
func serverName(c net.Conn) (name string, read []byte) {
	var taken bytes.Buffer
	_ = tls.Server(deaf{c, io.TeeReader(c, &taken)}, &tls.Config{
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			name = hello.ServerName
			return nil, errSeen
		},
	}).Handshake()
	return name, taken.Bytes()
}

// deaf is a connection of which one side only listens: what is said in reply is
// lost.
type deaf struct {
	net.Conn
	from io.Reader
}

func (d deaf) Read(b []byte) (int, error) { return d.from.Read(b) }

func (d deaf) Write(b []byte) (int, error) { return len(b), nil }
