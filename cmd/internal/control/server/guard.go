package server

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/sink"
)

// The bounds of what one caller may ask: a page with all its parts is a dozen requests,
// and a script that makes a hundred flows some hundred; a request takes about a millisecond.
const (
	callerRate  = 500 // requests a second
	callerBurst = 2000
	// mostCallers bounds whom a rate is kept of; beyond it the oldest are forgotten.
	mostCallers = 10_000
)

// The bounds of time of a connection. A test of a stream takes the longest of all
// answers.
const (
	HeaderTimeout = 10 * time.Second
	ReadTimeout   = 30 * time.Second
	WriteTimeout  = 60 * time.Second
	IdleTimeout   = 2 * time.Minute
)

// isCall says whether a path is one of the API's; all others are pages.
func isCall(path string) bool {
	return strings.HasPrefix(path, "/data/") || path == "/openapi.yaml"
}

// guard is what every request is held to before a service or a page sees it.
func guard(o Options, mux *http.ServeMux, pages http.Handler) http.Handler {
	limits := &limiters{}
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				// What panicked may quote what must not be shown: where it did is enough.
				o.Log.Error("a request panicked", "method", r.Method, "path", r.URL.Path, "stack", string(debug.Stack()))
				api.Fail(o.Log, w, r, api.Refuse(api.CodeInternal, "an internal error has occurred; the log of the control plane has the place"))
			}
		}()
		if !knownHost(o, r.Host) {
			api.Fail(o.Log, w, r, api.Refuse(api.CodeForbiddenOrigin, "this server is not called %q: serve --host NAME allows a name", r.Host[:min(len(r.Host), 100)]))
			return
		}
		if err := crossOrigin.Check(r); err != nil {
			api.Fail(o.Log, w, r, api.Refuse(api.CodeForbiddenOrigin, "the request comes from a page of another site"))
			return
		}
		if !limits.allow(who(r), time.Now()) {
			w.Header().Set("Retry-After", "1")
			api.Fail(o.Log, w, r, api.Refuse(api.CodeTooMany, "more than %d requests a second; try again in a second", callerRate))
			return
		}
		if _, err := url.ParseQuery(r.URL.RawQuery); err != nil { // what is wrong of it would count as left out
			api.Fail(o.Log, w, r, api.Refuse(api.CodeParameterValue, "the query of the address cannot be read: write ; as %%3B, %% as %%25, and & between parameters"))
			return
		}
		if !isCall(r.URL.Path) {
			pages.ServeHTTP(w, r)
			return
		}
		handler, pattern := mux.Handler(r)
		if pattern == "" {
			probe := &discard{header: http.Header{}}
			handler.ServeHTTP(probe, r)
			notThere(o.Log, w, r, probe.header.Get("Allow"))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// discard takes an answer that is given in other words.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// knownHost refuses names that somebody else's DNS has for this address.
func knownHost(o Options, host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(strings.ToLower(name), "[]")
	if ip := net.ParseIP(name); name == "localhost" || ip != nil && ip.IsLoopback() {
		return true
	}
	return o.Hosts != nil && o.Hosts(name)
}

// who is whom a rate is kept of. A token that is none counts by where it comes from.
func who(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// limiters keep the rates of callers.
type limiters struct {
	mu  sync.Mutex
	all map[string]*limited
}

type limited struct {
	*rate.Limiter
	seen time.Time
}

func (l *limiters) allow(caller string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	one, ok := l.all[caller]
	if !ok {
		if l.all == nil || len(l.all) >= mostCallers {
			l.forget(now)
		}
		one = &limited{Limiter: rate.NewLimiter(callerRate, callerBurst)}
		l.all[caller] = one
	}
	one.seen = now
	return one.AllowN(now, 1)
}

// forget drops those whose rate is whole again; all, where there are too many still.
func (l *limiters) forget(now time.Time) {
	kept := map[string]*limited{}
	for caller, one := range l.all {
		if now.Sub(one.seen) < callerBurst/callerRate*time.Second {
			kept[caller] = one
		}
	}
	if len(kept) >= mostCallers {
		clear(kept)
	}
	l.all = kept
}

// examine tests accounts and streams.
func examine(log *slog.Logger) func(ctx context.Context, cfg sink.Config) sink.Report {
	return func(ctx context.Context, cfg sink.Config) sink.Report {
		return sink.Examine(ctx, cfg, sink.Options{Logger: log})
	}
}

// identity tells who calls.
type identity struct{ o Options }

// everything is what a caller on the loopback may do.
var everything = []api.Permission{api.View, api.Manage, api.Activate}

func (i identity) identify(r *http.Request, need api.Permission) (api.Caller, error) {
	c := api.Caller{Name: "loopback", Client: header(r, "x-api-key"), Organisation: header(r, "x-gw-ims-org-id"), Sandbox: header(r, "x-sandbox-name")}
	if c.Sandbox == "" {
		c.Sandbox = "prod"
	}
	may := everything
	var within []string
	if i.o.Tokens != nil || i.o.OIDC != nil {
		token, err := i.token(r)
		if err != nil {
			return c, err
		}
		c.Name, may, within = token.Name, token.Permissions, token.Sandboxes
	}
	if !slices.Contains(i.o.Sources.Sandboxes(), c.Sandbox) || len(within) > 0 && !slices.Contains(within, c.Sandbox) {
		return c, api.Refuse(api.CodeSandbox, "The sandbox with the name '%s' could not be found. Please ensure that the sandbox name is correct and try again.", c.Sandbox).Titled("Sandbox not found")
	}
	if !slices.Contains(may, need) && (need != api.View || len(may) == 0) {
		return c, api.Refuse(api.CodePermission, "The permission %s is missing. Please contact your administrator to resolve permissions and try again.", need).Titled("Missing permission")
	}
	return c, nil
}

// token is what the token of a request permits: one of the file, or else of the issuer.
func (i identity) token(r *http.Request) (Token, error) {
	value, err := bearer(r)
	switch {
	case err != nil:
		return Token{}, err
	case i.o.OIDC != nil && (i.o.Tokens == nil || !strings.HasPrefix(value, tokenPrefix)):
		return i.o.OIDC.find(r.Context(), value)
	}
	return i.o.Tokens.find(value, i.o.Log)
}

// header is a header's value as far as it is kept.
func header(r *http.Request, name string) string {
	value := r.Header.Get(name)
	return value[:min(len(value), 200)]
}
