package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/segmentio/kafka-go/protocol/saslauthenticate"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
)

// session is a connection that a broker knows the user of. Where the broker
// limits the session (the life of a token, connections.max.reauth.ms), the user
// is told anew before it ends, between two requests (KIP-368): otherwise the
// broker closes the connection amid the work.
//
// kafka-go's connections send a request and read its answer, one at a time, so a
// write that follows a read begins a request.
type session struct {
	net.Conn
	sasl    SASL
	address string

	broker   *protocol.Conn
	versions map[protocol.ApiKey]int16 // the highest that the broker knows

	renew   time.Time // zero: the session has no end
	sending bool      // the last call was a write
}

// A session is renewed after this share of its life, as other clients do, and
// never before a broker takes it: it refuses a second time within a second.
const (
	renewAfter  = 0.85
	renewFloor  = 1100 * time.Millisecond
	renewWithin = 5 * time.Second
)

// hello has the broker give its first answer, and negotiates the versions of the
// two requests.
func (s *session) hello(ctx context.Context) error {
	defer s.limit(ctx)()
	s.broker = protocol.NewConn(s.Conn, ClientID)
	answer, err := s.broker.RoundTrip(&apiversions.Request{})
	if err != nil {
		return s.failed("ask for the API versions of", err)
	}
	versions := map[protocol.ApiKey]int16{}
	s.versions = map[protocol.ApiKey]int16{}
	for _, api := range answer.(*apiversions.Response).ApiKeys {
		key := protocol.ApiKey(api.ApiKey)
		s.versions[key] = api.MaxVersion
		if key == protocol.SaslHandshake || key == protocol.SaslAuthenticate {
			versions[key] = key.SelectVersion(api.MinVersion, api.MaxVersion)
		}
	}
	s.broker.SetVersions(versions)
	return nil
}

// start authenticates.
func (s *session) start(ctx context.Context) error {
	defer s.limit(ctx)()
	return s.authenticate(ctx)
}

// limit has the connection end with ctx, until the returned function is called.
func (s *session) limit(ctx context.Context) (lift func()) {
	if deadline, ok := ctx.Deadline(); ok {
		_ = s.SetDeadline(deadline) // a connection that takes none fails in what follows
	}
	return func() { _ = s.SetDeadline(time.Time{}) }
}

// failed is an error of the connection; a TLS alert among them is no outage.
func (s *session) failed(act string, err error) error {
	err = fmt.Errorf("%s the broker %s: %w", act, s.address, err)
	if Alerted(err) {
		return &Error{err: err}
	}
	return err
}

// refused is an answer that the credentials or the mechanism are not taken.
func (s *session) refused(err error) error {
	return &Error{Credentials: true, err: fmt.Errorf("authenticate with %s at the broker %s: %w", s.sasl.Mechanism, s.address, err)}
}

// ended is an error of the connection amid the exchange.
func (s *session) ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return s.refused(fmt.Errorf("the broker closed the connection, as some do with a mechanism or credentials that they do not take: %w", err))
	}
	return s.failed("authenticate at", err)
}

func (s *session) authenticate(ctx context.Context) error {
	mechanism, err := s.sasl.mechanism()
	if err != nil {
		return s.refused(err)
	}
	answer, err := s.broker.RoundTrip(&saslhandshake.Request{Mechanism: mechanism.Name()})
	if err != nil {
		return s.ended(err)
	}
	if shake := answer.(*saslhandshake.Response); shake.ErrorCode != 0 {
		return s.refused(fmt.Errorf("%w; it offers: %s", kafka.Error(shake.ErrorCode), strings.Join(shake.Mechanisms, ", ")))
	}
	exchange, message, err := mechanism.Start(ctx)
	if err != nil {
		return s.refused(err)
	}
	for done := false; !done; {
		answer, err := s.broker.RoundTrip(&saslauthenticate.Request{AuthBytes: message})
		if err != nil {
			return s.ended(err)
		}
		reply := answer.(*saslauthenticate.Response)
		if reply.ErrorCode != 0 {
			return s.refused(fmt.Errorf("%w: the broker says %.200q", kafka.Error(reply.ErrorCode), reply.ErrorMessage))
		}
		s.lasts(time.Duration(reply.SessionLifetimeMs) * time.Millisecond)
		if done, message, err = exchange.Next(ctx, reply.AuthBytes); err != nil {
			return s.refused(err)
		}
	}
	return nil
}

func (s *session) lasts(life time.Duration) {
	s.renew = time.Time{}
	if life > 0 {
		s.renew = time.Now().Add(max(time.Duration(renewAfter*float64(life)), renewFloor))
	}
}

// Write implements net.Conn.
func (s *session) Write(b []byte) (int, error) {
	if !s.sending && !s.renew.IsZero() && !time.Now().Before(s.renew) {
		ctx, cancel := context.WithTimeout(context.Background(), renewWithin)
		defer cancel()
		if err := s.authenticate(ctx); err != nil {
			return 0, err
		}
	}
	s.sending = true
	return s.Conn.Write(b)
}

// Read implements net.Conn.
func (s *session) Read(b []byte) (int, error) {
	s.sending = false
	return s.Conn.Read(b)
}
