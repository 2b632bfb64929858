package destination

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

func TestStatusAndProfilesAreGivenToWhoAsksByAddress(t *testing.T) {
	admin := adminHandler(NewFleet(Options{}), nil, "v1", nil)
	mux := http.NewServeMux()
	mux.Handle("/", byAddress(http.NotFoundHandler(), hostOf("leads.internal:8080")))
	for _, c := range []struct {
		local, host string
		allowed     bool
	}{
		{"127.0.0.1:8080", "localhost:8080", true},
		{"127.0.0.1:8080", "LOCALHOST.", true},
		{"127.0.0.1:8080", "127.0.0.1:8080", true},
		{"[::1]:8080", "[::1]:8080", true},
		{"[::1]:8080", "[::1]", true},
		{"127.0.0.1:8080", "rebound.example.com:8080", false},
		{"127.0.0.1:8080", "localhost.example.com", false},
		{"127.0.0.1:8080", "10.0.0.7:8080", false}, // a name's address, relayed
		{"127.0.0.1:8080", "", false},
		{"10.0.0.7:8080", "10.0.0.7:8080", true},
		{"[2001:db8::7]:8080", "[2001:db8::7]:8080", true},
		{"10.0.0.7:8080", "leads.default.svc:8080", false},
		{"10.0.0.7:8080", "rebound.example.com", false},
	} {
		for path, handler := range map[string]http.Handler{"/status": admin, "/debug/pprof/": profiling("127.0.0.1:6060"), "/metrics": admin, "/healthz": admin, "/readyz": admin} {
			code := ask(t, handler, path, c.local, c.host, nil)
			open := path != "/status" && path != "/debug/pprof/"
			if want := map[bool]int{true: http.StatusOK, false: http.StatusForbidden}[c.allowed || open]; code != want {
				t.Errorf("%s on %s for %q: %d", path, c.local, c.host, code)
			}
		}
	}
	if code := ask(t, mux, "/status", "10.0.0.7:8080", "leads.internal:8080", nil); code != http.StatusNotFound {
		t.Errorf("the name in server.listen: %d", code)
	}
	if code := ask(t, profiling("127.0.0.1:6060"), "/debug/pprof/", "127.0.0.1:6060", "localhost", http.Header{"X-Forwarded-For": {"203.0.113.9"}}); code != http.StatusForbidden {
		t.Errorf("through a proxy: %d", code)
	}
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap"} {
		if code := ask(t, admin, path, "127.0.0.1:8080", "localhost", nil); code != http.StatusNotFound {
			t.Errorf("%s on the admin endpoints: %d", path, code)
		}
	}
}

func ask(t *testing.T, handler http.Handler, path, local, host string, header http.Header) int {
	t.Helper()
	address, err := net.ResolveTCPAddr("tcp", local)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = host
	if header != nil {
		r.Header = header
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, address)))
	return w.Code
}

func TestProfilesWithoutAHostAreForThisMachine(t *testing.T) {
	for listen, want := range map[string]string{":6060": "127.0.0.1:6060", "[::1]:6060": "[::1]:6060", "10.0.0.7:6060": "10.0.0.7:6060", "6060": ""} {
		if got, err := ProfilingAddress(listen); got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %s, %v", listen, got, err)
		}
	}
}

// TestAProfileMayTakeLongerThanAnAnswer asks for more time than the server gives
// to write an answer, and to send a request.
func TestAProfileMayTakeLongerThanAnAnswer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(profiling(listener.Addr().String()), slog.New(slog.DiscardHandler), 0)
	server.WriteTimeout, server.ReadHeaderTimeout = 300*time.Millisecond, 300*time.Millisecond
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	defer func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	for _, path := range []string{"profile", "trace"} {
		began := time.Now()
		res, err := http.Get("http://" + listener.Addr().String() + "/debug/pprof/" + path + "?seconds=1")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if took := time.Since(began); err != nil || res.StatusCode != http.StatusOK || len(body) == 0 || took < time.Second {
			t.Errorf("%s: %s, %d bytes after %v: %v", path, res.Status, len(body), took, err)
		}
	}
}

// servers are what is limited: with a handler that answers a megabyte.
func limitedServer(t *testing.T, log io.Writer) *kfake.VirtualNetwork {
	t.Helper()
	network := new(kfake.VirtualNetwork)
	listener, err := network.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		for range 1 << 10 {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("two\nlines") })
	server := newServer(mux, slog.New(slog.NewJSONHandler(log, nil)), readTime)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return network
}

func dial(t *testing.T, network *kfake.VirtualNetwork) net.Conn {
	t.Helper()
	conn, err := network.DialContext(t.Context(), "tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestWhoAsksSlowlyOrReadsNothingIsLetGo(t *testing.T) {
	for what, c := range map[string]struct {
		request string
		within  time.Duration
	}{
		"says nothing":        {"", headerTime},
		"half a header":       {"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", headerTime},
		"a body that is late": {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n", readTime},
		"asks no more":        {"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", idleTime},
		"a large header":      {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", headerTime},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := dial(t, limitedServer(t, io.Discard))
				go func() { _, _ = io.WriteString(conn, c.request) }()
				began := time.Now()
				_, err := io.Copy(io.Discard, conn)
				if took := time.Since(began); took > c.within+time.Second {
					t.Errorf("let go after %v: %v", took, err)
				}
			})
		})
	}
	t.Run("reads nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			conn := dial(t, limitedServer(t, io.Discard))
			if _, err := io.WriteString(conn, "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			pass(writeTime + time.Second)
			n, err := io.Copy(io.Discard, conn)
			if n >= 1<<20 {
				t.Errorf("the whole answer came to who read nothing for %v: %d bytes, %v", writeTime, n, err)
			}
		})
	})
}

func TestConnectionsWithoutEndKeepNoProbeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := limitedServer(t, io.Discard)
		var idle []net.Conn
		for range 3 * maxConnections {
			idle = append(idle, dial(t, network))
			pass(time.Millisecond)
		}
		probe := dial(t, network)
		if _, err := io.WriteString(probe, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(probe), nil)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("the probe: %v", err)
		}
		_ = res.Body.Close()
		open := 0
		for _, conn := range idle {
			_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond)) // a failure shows in the count
			if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
				open++
			}
		}
		if open > maxConnections {
			t.Errorf("%d of %d connections are open", open, len(idle))
		}
	})
}

func TestWhatNetHTTPTellsIsALineOfTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		conn := dial(t, limitedServer(t, &log))
		if _, err := fmt.Fprint(conn, "GET /panic HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, conn)
		synctest.Wait()
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, `{"time":`) || !strings.Contains(got, "panic serving") {
			t.Errorf("%q", got)
		}
	})
}
