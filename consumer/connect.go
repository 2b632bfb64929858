package consumer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
)

const clientID = "kinesis-destination"

// dialTimeout bounds the opening of a TCP connection, where the caller has given
// no dialler of its own.
const dialTimeout = 3 * time.Second

// Transport opens a pool of connections of its own to the cluster. A broker
// serves one connection's requests in turn, so whatever must not wait behind a
// long request (heartbeats behind a join or a fetch) needs its own transport.
func (c *Config) Transport(dial func(ctx context.Context, network, address string) (net.Conn, error)) (*kafka.Transport, error) {
	if _, err := c.TLS.Client("source.kafka.tls"); err != nil {
		return nil, err
	}
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	connector := &connector{dial: dial, tls: c.TLS, sasl: c.SASL}
	connector.sasl.region = mskRegion(c.Brokers)
	return &kafka.Transport{
		Dial:           connector.connect,
		ClientID:       clientID,
		MetadataTTL:    5 * time.Second,
		MetadataTopics: c.MetadataTopics(),
	}, nil
}

// connector opens connections as far as a broker takes requests: TCP, TLS, SASL.
// kafka-go would do the last two itself, but reads certificates and secrets only
// once, does not say what a broker answered, and does not authenticate again
// before a broker ends the session (KIP-368).
type connector struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	tls  TLS
	sasl SASL
}

// connectError is a connection that came about, but not as far as requests.
type connectError struct {
	reason string // of the hold
	err    error
}

func (e *connectError) Error() string { return e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

// connect reads certificates and secrets anew each time: what was rotated on disk
// holds for the next connection, and those that are open go on.
func (c *connector) connect(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.dial(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connect to the broker %s: %w", address, err)
	}
	ready, err := c.secure(ctx, conn, address)
	if err == nil && c.sasl.Mechanism != "" {
		ready, err = c.authenticate(ctx, ready, address)
	}
	if err != nil {
		_ = conn.Close() // what counts is why it is of no use
		return nil, err
	}
	return ready, nil
}

func (c *connector) secure(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	if !c.tls.Enabled {
		return conn, nil
	}
	config, err := c.tls.Client("source.kafka.tls")
	if err != nil {
		return nil, &connectError{ReasonTLS, err}
	}
	if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("connect to the broker %s: %w", address, err)
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, &connectError{ReasonTLS, fmt.Errorf("TLS handshake with the broker %s: %w", address, err)}
	}
	return secured, nil
}

func (c *connector) authenticate(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	s := &session{Conn: conn, sasl: c.sasl, address: address}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // a connection that takes none fails below
		defer func() { _ = conn.SetDeadline(time.Time{}) }()
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// alerted tells of a TLS alert, which also comes after the handshake: a broker
// that does not take a client's certificate says so with its first answer.
func alerted(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error")
}
