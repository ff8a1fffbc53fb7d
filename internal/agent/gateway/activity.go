package gateway

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
)

// activeBody reports that a client is still sending its request.
type activeBody struct {
	io.ReadCloser
	activity func()
}

func (b activeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.activity()
	}
	return n, err
}

// activeWriter is a ResponseWriter whose connection, once it is hijacked for a
// WebSocket or another upgrade, reports what the client sends.
type activeWriter struct {
	http.ResponseWriter
	activity  func()
	webSocket bool
}

// Unwrap lets http.ResponseController find the real writer.
func (w *activeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack wraps the connection.
func (w *activeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	active := &activeConn{Conn: conn, activity: w.activity}
	if w.webSocket {
		active.frames = &frameReader{}
	}
	return active, buffered, nil
}

// activeConn reports data from the client. On a WebSocket only messages count:
// a browser answers a server's pings by itself, however long its user is gone.
type activeConn struct {
	net.Conn
	activity func()
	frames   *frameReader
}

func (c *activeConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && (c.frames == nil || c.frames.hasMessage(p[:n])) {
		c.activity()
	}
	return n, err
}

// CloseWrite passes a half-close on, as ReverseProxy does where it can.
func (c *activeConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Conn.Close()
}

// frameReader follows the frames of one direction of a WebSocket (RFC 6455,
// section 5.2), without looking at what they carry.
type frameReader struct {
	header  []byte // of the frame being read, as far as it has come
	payload uint64 // bytes of the frame still to come
	control bool
}

// hasMessage reads on and reports whether p held any part of a message, rather
// than only pings, pongs and closes.
func (f *frameReader) hasMessage(p []byte) (found bool) {
	for len(p) > 0 {
		if f.payload > 0 {
			n := min(f.payload, uint64(len(p)))
			f.payload -= n
			p = p[n:]
			found = found || !f.control
			continue
		}
		f.header = append(f.header, p[0])
		p = p[1:]
		if length, done := frameLength(f.header); done {
			f.control = f.header[0]&0x08 != 0
			found = found || !f.control
			f.payload, f.header = length, f.header[:0]
		}
	}
	return found
}

// frameLength reads a frame's payload length once its header is whole.
func frameLength(h []byte) (length uint64, done bool) {
	if len(h) < 2 {
		return 0, false
	}
	size, extended := 2, 0
	switch h[1] & 0x7f {
	case 126:
		extended = 2
	case 127:
		extended = 8
	default:
		length = uint64(h[1] & 0x7f)
	}
	size += extended
	if h[1]&0x80 != 0 {
		size += 4 // the mask
	}
	if len(h) < size {
		return 0, false
	}
	for _, b := range h[2 : 2+extended] {
		length = length<<8 | uint64(b)
	}
	return length, true
}

func isWebSocket(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}
