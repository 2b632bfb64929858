package sink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// errTooLate stops a request that could reach the stream after its deadline.
var errTooLate = errors.New("the request's deadline has passed")

// dialError marks a failure to connect, whatever the dialer: nothing was sent.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// proxyError is a proxy that refuses the way to AWS: nothing was sent.
type proxyError struct{ status int }

func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy refuses the connection, HTTP %d %s", e.status, http.StatusText(e.status))
}

// operationHeader names the operation of a request to Kinesis.
const operationHeader = "X-Amz-Target"

// Connections to AWS.
const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 5 * time.Second
	// idleTimeout is below the 60 s or so after which load balancers drop idle
	// connections: a request on a dropped one is an ambiguous failure.
	idleTimeout = 50 * time.Second
)

// transport carries the requests to AWS, and learns from them where the stream is
// and what time it has.
type transport struct {
	base  http.RoundTripper
	own   bool                    // the clock of this host is trusted: AWS_DISABLE_CLOCK_SKEW_CORRECTION
	asked atomic.Pointer[url.URL] // where the last request to the stream went
	skew  atomic.Int64            // how much the service's clock is ahead of ours, as of its last answer
}

// now is the service's time, which signatures are of.
func (t *transport) now() time.Time { return time.Now().Add(time.Duration(t.skew.Load())) }

// configureTransport sets up the transport below it.
func configureTransport(t *http.Transport, dial func(ctx context.Context, network, address string) (net.Conn, error), lanes int) {
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, &dialError{err}
		}
		return bodyConn{conn}, nil
	}
	t.TLSHandshakeTimeout = handshakeTimeout
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 2*lanes+4, lanes+2
	t.IdleConnTimeout = idleTimeout
	t.WriteBufferSize = 64 << 10
	t.MaxResponseHeaderBytes = maxAnswerHeader
	t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
		if answer.StatusCode != http.StatusOK {
			return &proxyError{answer.StatusCode}
		}
		return nil
	}
	// A connection per lane: no head-of-line blocking between them. The SDK's
	// transport has HTTP/2 among what it offers in TLS handshakes, and not being
	// able to speak it does not take that back.
	t.ForceAttemptHTTP2, t.Protocols = false, new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	if t.TLSClientConfig != nil {
		t.TLSClientConfig.NextProtos = nil
	}
}

// dialTLS has the transport's TLS connections take bodies without a copy as well. Its
// own would be above those that DialContext makes. They are made the same way; inside
// a proxy's tunnel the transport goes on to make its own.
func dialTLS(t *http.Transport) {
	t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := t.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		cfg := t.TLSClientConfig.Clone() // nil, if it is
		if cfg == nil {
			cfg = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		if host, _, err := net.SplitHostPort(address); err == nil && cfg.ServerName == "" {
			cfg.ServerName = host
		}
		ctx, cancel := context.WithTimeout(ctx, t.TLSHandshakeTimeout)
		defer cancel()
		secure := tls.Client(conn, cfg)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close() // nothing was sent
			return nil, err
		}
		return bodyConn{secure}, nil
	}
}

// CloseIdleConnections lets http.Client reach the transport's pool.
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(*http.Transport); ok {
		base.CloseIdleConnections()
	}
}

// RoundTrip implements http.RoundTripper for the SDK. It gives the transport below
// a request body of its own. The SDK closes the one that it made when the answer is
// there, although the transport may still be reading it, and then calls a stored
// request failed (aws-sdk-go-v2 #2737).
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength < 0 {
		return t.send(r)
	}
	data := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, data)
	_ = r.Body.Close() // it is in memory: closing it cannot fail
	if err != nil {
		return nil, fmt.Errorf("read the request body: %w", err)
	}
	own := newBody(r.Context(), data)
	r = r.Clone(r.Context())
	r.Body, r.GetBody = own, own.again
	return t.send(r)
}

// send carries a request whose body nobody else closes.
func (t *transport) send(r *http.Request) (*http.Response, error) {
	stream := r.Header.Get(operationHeader) != "" // not STS
	if stream {
		t.asked.Store(r.URL)
	}
	response, err := t.base.RoundTrip(r)
	if timedOut(err) {
		// No answer in time: the stream may have moved to another address, and idle
		// connections lead to where it was.
		t.CloseIdleConnections()
	}
	if err == nil && stream && !t.own && response.Header.Get("Age") == "" { // not an old one of a cache
		if at, err := http.ParseTime(response.Header.Get("Date")); err == nil {
			t.skew.Store(int64(time.Until(at)))
		}
	}
	return response, err
}
