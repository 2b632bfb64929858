package destination

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"kinesis-destination/cmd/internal/resend"
)

// Limits of the admin endpoints and of profiling: who asks slowly, reads slowly or
// opens connections without end costs a bounded amount, and does not keep a probe
// out.
const (
	headerTime = 5 * time.Second
	// readTime is for a whole request, which has no body.
	readTime = 10 * time.Second
	// writeTime is for the metrics of 10,000 partitions (some MB) at 1 Mbit/s. What
	// lasts as long as it is asked to, a profile, adds that time.
	writeTime = 30 * time.Second
	idleTime  = time.Minute
	// maxHeader is what a probe, Prometheus and a browser send, some times over.
	maxHeader = 16 << 10
	// maxConnections is for the probes, some Prometheus servers and people.
	maxConnections = 64
	// maxScrapes at a time is more than the Prometheus servers that one has.
	maxScrapes = 8
)

// newServer is an HTTP server within the limits; log takes what net/http tells.
// A time to read would end a profile that takes longer, so it is not set there.
func newServer(handler http.Handler, log *slog.Logger, read time.Duration) *http.Server {
	doors := &doors{most: maxConnections, since: map[net.Conn]time.Time{}}
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTime, ReadTimeout: read, WriteTimeout: writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader, ConnState: doors.watch, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// doors bounds a server's connections. One too many ends the one that has waited
// for longest for its request, so that many that ask nothing keep nobody out; where
// all are being answered it is ended itself.
type doors struct {
	most int

	mu    sync.Mutex
	since map[net.Conn]time.Time // when each began to wait for a request; the zero time: it is being answered
}

// watch is for http.Server.ConnState.
func (d *doors) watch(conn net.Conn, state http.ConnState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch state {
	case http.StateActive:
		d.since[conn] = time.Time{}
	case http.StateIdle:
		d.since[conn] = time.Now()
	case http.StateClosed, http.StateHijacked:
		delete(d.since, conn)
	case http.StateNew:
		d.since[conn] = time.Now()
		if len(d.since) > d.most {
			last := d.longestWaiting()
			delete(d.since, last)
			_ = last.Close() // it is given up
		}
	}
}

// longestWaiting is at least the newest connection, which waits too.
func (d *doors) longestWaiting() (last net.Conn) {
	for conn, since := range d.since {
		if !since.IsZero() && (last == nil || since.Before(d.since[last])) {
			last = conn
		}
	}
	return last
}

// byAddress lets through what asks for this machine by an address, as localhost or by
// a name that was configured. A page in somebody's browser whose name leads here
// (DNS rebinding) asks for a name of its own.
func byAddress(next http.Handler, names ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostOf(r.Host)
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		allowed := isLocalName(host)
		if !allowed && (local == nil || !isLoopback(local.String())) {
			allowed = net.ParseIP(host) != nil || slices.Contains(names, host)
		}
		if !allowed {
			http.Error(w, "ask for this by IP address or as localhost (over a loopback address only as that)", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serve begins to serve until close.
func (a *admin) serve(server *http.Server, listener net.Listener, what string, log *slog.Logger) {
	a.servers = append(a.servers, server)
	a.serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("a server ended", "server", what, "listen", listener.Addr().String(), "error", err)
		}
	})
	log.Info("a server is up", "server", what, "listen", listener.Addr().String())
}

func (a *admin) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, resend.CloseTimeout)
	defer cancel()
	for _, server := range a.servers {
		if err := server.Shutdown(ctx); err != nil {
			_ = server.Close() // what is still being served is cut off
		}
	}
	a.serving.Wait()
}
