package embeddedkafka

import (
	"net"
	"slices"
	"sync"
)

// severing ends the connections that it accepted when it is closed: a broker
// that is removed takes its connections with it, which kfake leaves open.
type severing struct {
	net.Listener
	mu     sync.Mutex
	closed bool
	conns  []*severedConn
}

type severedConn struct {
	net.Conn
	of *severing
}

func sever(listen func(network, address string) (net.Listener, error)) func(network, address string) (net.Listener, error) {
	return func(network, address string) (net.Listener, error) {
		l, err := listen(network, address)
		if err != nil {
			return nil, err
		}
		return &severing{Listener: l}, nil
	}
}

// Accept implements net.Listener.
func (s *severing) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &severedConn{conn, s}
	if s.closed {
		_ = conn.Close() // its reader sees that
		return c, nil
	}
	s.conns = append(s.conns, c)
	return c, nil
}

// Close implements net.Listener.
func (s *severing) Close() error {
	err := s.Listener.Close()
	s.mu.Lock()
	conns := s.conns
	s.closed, s.conns = true, nil
	s.mu.Unlock()
	for _, c := range conns {
		_ = c.Conn.Close() // its reader sees that
	}
	return err
}

// Close implements net.Conn.
func (c *severedConn) Close() error {
	c.of.mu.Lock()
	c.of.conns = slices.DeleteFunc(c.of.conns, func(other *severedConn) bool { return other == c })
	c.of.mu.Unlock()
	return c.Conn.Close()
}
