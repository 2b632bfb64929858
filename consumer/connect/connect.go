package connect

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// ClientID is what brokers know this program by.
const ClientID = "kinesis-destination"

const (
	// dialTimeout bounds the opening of a TCP connection, where the caller has given
	// no dialler of its own.
	dialTimeout = 3 * time.Second
	// helloTimeout bounds what it takes until a broker has given its first answer. One
	// that takes connections and answers nothing is no reason to wait for it: the next
	// address is tried, and of four in a row the last still has its turn.
	helloTimeout = 3 * time.Second
	// silentTimeout is that time for an address that gave no answer within the last
	// silentFor: one call opens two connections (kafka-go looks the cluster up on one,
	// and asks on another) and would wait twice for each address that is silent.
	silentTimeout = helloTimeout / 6
	silentFor     = 10 * time.Second
	// ConnectTimeout is for all addresses, and for the exchange of credentials.
	ConnectTimeout = 3*helloTimeout + 5*time.Second
)

// New opens connections by dial; nil: TCP. The brokers name the region
// where tokens are made for MSK.
func New(dial func(ctx context.Context, network, address string) (net.Conn, error), security TLS, credentials SASL, brokers []string) *Connector {
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	c := &Connector{Dial: dial, Tls: security, sasl: credentials}
	c.sasl.region = MskRegion(brokers)
	return c
}

// Connector opens connections as far as a broker takes requests: TCP, TLS, SASL.
// kafka-go would do the last two itself, but reads certificates and secrets only
// once, does not say what a broker answered, and does not authenticate again
// before a broker ends the session (KIP-368).
type Connector struct {
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	Tls  TLS
	sasl SASL

	silent sync.Map // address -> time.Time when it last gave no answer in time
}

// Error is a connection that came about, but not as far as requests.
type Error struct {
	Credentials bool // they were refused; else TLS did not come about
	err         error
}

func (e *Error) Error() string { return e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// Connect reads certificates and secrets anew each time: what was rotated on disk
// holds for the next connection, and those that are open go on.
//
// The connection is one to a broker that has answered: kafka-go tries the next
// address where this fails, and none where the broker then says nothing.
func (c *Connector) Connect(ctx context.Context, network, address string) (net.Conn, error) {
	hello, cancel := context.WithTimeout(ctx, c.answerTimeout(address))
	defer cancel()
	conn, err := c.open(ctx, hello, network, address)
	switch {
	case err == nil:
		c.silent.Delete(address)
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded):
		c.silent.Store(address, time.Now())
	}
	return conn, err
}

// answerTimeout is how long an address has for its first answer.
func (c *Connector) answerTimeout(address string) time.Duration {
	if at, silent := c.silent.Load(address); silent && time.Since(at.(time.Time)) < silentFor {
		return silentTimeout
	}
	return helloTimeout
}

func (c *Connector) open(ctx, hello context.Context, network, address string) (net.Conn, error) {
	conn, err := c.Dial(hello, network, address)
	if err != nil {
		return nil, fmt.Errorf("connect to the broker %s: %w", address, err)
	}
	ready, err := c.establish(ctx, hello, conn, address)
	if err != nil {
		_ = conn.Close() // what counts is why it is of no use
		return nil, err
	}
	return ready, nil
}

func (c *Connector) establish(ctx, hello context.Context, conn net.Conn, address string) (net.Conn, error) {
	ready, err := c.Secure(hello, conn, address)
	if err != nil {
		return nil, err
	}
	s := &session{Conn: ready, sasl: c.sasl, address: address}
	if err := s.hello(hello); err != nil {
		return nil, err
	}
	if c.sasl.Mechanism != "" {
		if err := s.start(ctx); err != nil {
			return nil, err
		}
		ready = s
	}
	return &brokerConn{ready, &brokerAddr{ready.RemoteAddr(), s.versions}}, nil
}

// Secure is the connection with TLS on it, where that is configured.
func (c *Connector) Secure(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	if !c.Tls.Enabled {
		return &plainConn{Conn: conn, address: address}, nil
	}
	config, err := c.Tls.Client("source.kafka.tls")
	if err != nil {
		return nil, &Error{err: err}
	}
	if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("connect to the broker %s: %w", address, err)
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		err = fmt.Errorf("TLS handshake with the broker %s: %w", address, err)
		if hungUp(err) {
			err = fmt.Errorf("%w; if it does not speak TLS on this port, source.kafka.tls.enabled must be false", err)
		}
		return nil, &Error{err: err}
	}
	return secured, nil
}

// hungUp tells of a broker that ended the connection where TLS would have gone
// on, or went on in something else. Kafka does the first without TLS: what begins
// a handshake is a request that is too large.
func hungUp(err error) bool {
	_, other := errors.AsType[tls.RecordHeaderError](err)
	return other || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// plainConn is a connection without TLS. A broker that speaks it answers the
// first request with a TLS alert, the first bytes of which would be the length of
// an answer of 352 MB.
type plainConn struct {
	net.Conn
	address string
	begun   bool // the first bytes have come: kafka-go reads from one goroutine
}

const tlsAlert = 0x15

// Read implements net.Conn.
func (c *plainConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n == 0 || c.begun {
		return n, err
	}
	c.begun = true
	if b[0] == tlsAlert {
		return 0, &Error{err: fmt.Errorf("the broker %s speaks TLS on this port: set source.kafka.tls.enabled", c.address)}
	}
	return n, err
}

// Alerted tells of a TLS alert, which also comes after the handshake: a broker
// that does not take a client's certificate says so with its first answer.
func Alerted(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error")
}

// BrokerVersion is the highest version of an API that the broker knows, also one
// that kafka-go does not speak; -1: none.
func BrokerVersion(rw io.ReadWriter, key protocol.ApiKey) int16 {
	if conn, ok := rw.(net.Conn); ok {
		if addr, ok := conn.RemoteAddr().(*brokerAddr); ok {
			if highest, ok := addr.versions[key]; ok {
				return highest
			}
		}
	}
	return -1
}

// brokerConn is a connection on which a broker has said which versions it knows.
// kafka-go shows of the connection under an exchange its address alone.
type brokerConn struct {
	net.Conn
	addr *brokerAddr
}

type brokerAddr struct {
	net.Addr
	versions map[protocol.ApiKey]int16 // the highest ones
}

// RemoteAddr implements net.Conn.
func (c *brokerConn) RemoteAddr() net.Addr { return c.addr }
