package sink

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// writes is a connection of which each write is looked at.
type writes struct {
	net.Conn
	look func(p []byte)
}

// Write implements net.Conn.
func (w writes) Write(p []byte) (int, error) {
	w.look(p)
	if w.Conn == nil {
		return len(p), nil
	}
	return w.Conn.Write(p)
}

func TestABodyIsWrittenFromItsOwnMemory(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"Records":[]}`)
	}))
	t.Cleanup(server.Close)
	head := true
	c := clientOf(t, server.URL, func(_ *Config, o *Options) {
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			return writes{conn, func(p []byte) {
				if !head {
					p[0] = 'x' // the body has it where this is no copy
				}
				head = false
			}}, err
		}
	})
	x := &exchange{body: make([]byte, 1<<20)}
	if _, err := c.putRecords(t.Context(), x); err != nil || !slices.Contains(x.body, 'x') {
		t.Errorf("a copy of the body is written, or there is an error: %v", err)
	}
}

// TestABodyStopsAtItsDeadline: of a process that was stopped amid a request. What
// is in the hands of the connection counts as being read.
func TestABodyStopsAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(3*time.Second))
		defer cancel()
		b := newBody(ctx, make([]byte, 10*writeAtOnce))
		conn := bodyConn{writes{look: func([]byte) { <-time.After(2 * time.Second) }}}
		n, err := conn.ReadFrom(io.LimitReader(b, int64(len(b.data))))
		if n != 2*writeAtOnce || !errors.Is(err, errTooLate) || b.done() {
			t.Errorf("%d bytes, %v, done %v", n, err, b.done())
		}
		b = newBody(t.Context(), make([]byte, 2*writeAtOnce))
		conn = bodyConn{writes{look: func([]byte) {
			if b.done() {
				t.Error("it is done while it is being written")
			}
		}}}
		if n, err := conn.ReadFrom(io.LimitReader(b, int64(len(b.data)))); n != int64(len(b.data)) || err != nil || !b.done() {
			t.Errorf("%d bytes, %v, done %v", n, err, b.done())
		}
	})
}

// tunnel is a proxy that leads wherever it is told.
func tunnel(w http.ResponseWriter, r *http.Request) {
	to, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer func() { _ = to.Close() }()
	from, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = from.Close() }()
	_, _ = io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(to, from) }() // ends with from
	_, _ = io.Copy(from, to)
}

func TestABodyArrivesWholeOverTLSAndThroughProxies(t *testing.T) {
	x := &exchange{body: make([]byte, 1<<20)}
	for i := range x.body {
		x.body[i] = byte(rand.Uint32())
	}
	var got []byte
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		_, _ = io.WriteString(w, `{"Records":[]}`)
	}))
	t.Cleanup(server.Close)
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	plain, secure := httptest.NewServer(http.HandlerFunc(tunnel)), httptest.NewTLSServer(http.HandlerFunc(tunnel))
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	for _, proxy := range []string{"", plain.URL, secure.URL} {
		c := clientOf(t, server.URL, nil)
		if proxy != "" {
			to, err := url.Parse(proxy)
			if err != nil {
				t.Fatal(err)
			}
			c.transport.base.(*http.Transport).Proxy = http.ProxyURL(to)
		}
		got = nil
		if _, err := c.putRecords(t.Context(), x); err != nil || !bytes.Equal(got, x.body) {
			t.Errorf("proxy %q: %d bytes, %v", proxy, len(got), err)
		}
		c.close()
	}
}
