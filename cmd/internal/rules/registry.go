package rules

import (
	"context"
	"net"
	"net/http"
)

// RegistryClient makes a connection for each request, so that each finds the
// registry where its name leads by then. A schema is asked for once in the life
// of a process: connections are no matter of speed.
func RegistryClient(dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: dial, Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
}
