package destination

import (
	"cmp"
	"errors"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"

	"kinesis-destination/cmd/internal/config"
)

// profiling serves /debug/pprof on a listener of its own that is asked for: a
// profile shows memory, and with it what events hold.
func profiling(listen string) http.Handler {
	mux := http.NewServeMux()
	for path, handler := range map[string]http.HandlerFunc{
		"/debug/pprof/": pprof.Index, "/debug/pprof/cmdline": pprof.Cmdline, "/debug/pprof/profile": pprof.Profile,
		"/debug/pprof/symbol": pprof.Symbol, "/debug/pprof/trace": pprof.Trace,
	} {
		mux.Handle("GET "+path, byAddress(direct(handler), hostOf(listen)))
	}
	return mux
}

// ProfilingAddress is where profiles are served for what the command line says:
// without a host on this machine alone.
func ProfilingAddress(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if !config.CanListen(listen) {
		return "", cmp.Or(err, errors.New("there is no such port"))
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// direct lets through what comes by no proxy, such as a pod's sidecar, which asks
// over loopback for somebody else.
func direct(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if forwarded(r.Header) {
			http.Error(w, "profiles are given directly, not through a proxy: for example by kubectl port-forward", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func forwarded(h http.Header) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-Ip", "Via"} {
		if h.Get(name) != "" {
			return true
		}
	}
	return false
}

// hostOf is the host of an address or of a Host header, which may have no port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(address, "[]"), "."))
}

func isLocalName(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && net.ParseIP(host).IsLoopback()
}
