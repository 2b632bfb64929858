package sink

import (
	"context"
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

// ownedBody is a RoundTripper that gives the transport a request body of its
// own. The SDK closes the one that it made when the answer is there, although
// the transport may still be reading it, and then calls a stored request
// failed (aws-sdk-go-v2 #2737).
type ownedBody struct {
	base  http.RoundTripper
	asked *atomic.Pointer[url.URL] // where requests to the stream go
}

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
		return conn, nil
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

// CloseIdleConnections lets http.Client reach the transport's pool.
func (o ownedBody) CloseIdleConnections() {
	if t, ok := o.base.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// RoundTrip implements http.RoundTripper.
func (o ownedBody) RoundTrip(r *http.Request) (*http.Response, error) {
	if o.asked != nil && r.Header.Get(operationHeader) != "" { // the client of the stream, not STS
		o.asked.Store(r.URL)
	}
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength < 0 {
		return o.base.RoundTrip(r)
	}
	data := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, data)
	_ = r.Body.Close() // it is in memory: closing it cannot fail
	if err != nil {
		return nil, fmt.Errorf("read the request body: %w", err)
	}
	deadline, _ := r.Context().Deadline()
	r = r.Clone(r.Context())
	// The transport asks for another body only if nothing of the first was
	// written, so this repeats nothing.
	r.GetBody = func() (io.ReadCloser, error) { return &body{rest: data, deadline: deadline}, nil }
	r.Body, _ = r.GetBody()
	response, err := o.base.RoundTrip(r)
	if errors.Is(err, context.DeadlineExceeded) {
		// No answer in time: the stream may have moved to another address, and idle
		// connections lead to where it was.
		o.CloseIdleConnections()
	}
	return response, err
}

// body is read by the transport only. A process that was stopped for a while
// finds the deadline passed when it goes on, before it has written anything
// more: its successor may be writing already.
type body struct {
	rest     []byte
	deadline time.Time
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if !b.deadline.IsZero() && time.Now().After(b.deadline) {
		return 0, errTooLate
	}
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Close implements io.Closer.
func (*body) Close() error { return nil }
