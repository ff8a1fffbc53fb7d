// Package nameserver answers over DNS what the simulated Cloudflare holds, to
// whoever must see it as the world would: an ACME server that checks a challenge.
package nameserver

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// Lookup returns the contents of the TXT records with this name, without a dot
// at the end.
type Lookup func(name string) []string

// Server answers questions for TXT, and says of everything else that there is
// none. It speaks TCP, which Pebble and Go's resolver both can.
type Server struct {
	lookup   Lookup
	listener net.Listener
	serving  sync.WaitGroup
	mu       sync.Mutex
	open     map[net.Conn]bool
	closed   bool
}

// Listen serves at the address until Close.
func Listen(address string, lookup Lookup) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s := &Server{lookup: lookup, listener: l, open: map[net.Conn]bool{}}
	s.serving.Go(s.accept)
	return s, nil
}

// Addr is where it listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close ends every connection and returns when all is still.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	err := s.listener.Close()
	for c := range s.open {
		err = errors.Join(err, c.Close())
	}
	clear(s.open)
	s.mu.Unlock()
	s.serving.Wait()
	return err
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			_ = c.Close()
		} else {
			s.open[c] = true
			s.serving.Go(func() { s.serve(c) })
		}
		s.mu.Unlock()
	}
}

// serve answers until the other end has asked enough. Each message has its
// length in front.
func (s *Server) serve(c net.Conn) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[c] {
			delete(s.open, c)
			_ = c.Close()
		}
	}()
	for {
		var size uint16
		if binary.Read(c, binary.BigEndian, &size) != nil {
			return
		}
		question := make([]byte, size)
		if _, err := io.ReadFull(c, question); err != nil {
			return
		}
		answer, err := s.answer(question)
		if err != nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

func (s *Server) answer(question []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil, err
	}
	if len(m.Questions) != 1 {
		return nil, errors.New("there is not one question")
	}
	q := m.Questions[0]
	m.Response, m.Authoritative, m.Answers, m.Authorities, m.Additionals = true, true, nil, nil, nil
	if q.Type == dnsmessage.TypeTXT {
		for _, text := range s.lookup(strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))) {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: dcm.RecordTTLSeconds},
				Body:   &dnsmessage.TXTResource{TXT: []string{text}},
			})
		}
	}
	return m.Pack()
}
