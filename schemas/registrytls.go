package schemas

import (
	"crypto/tls"
	"fmt"
	"net/http"

	"kinesis-destination/schemas/credentials"
)

// RegistryTLS is the block schemaRegistry.tls, for https addresses. Files are PEM.
type RegistryTLS struct {
	CAFile   string `yaml:"caFile"`
	CertFile string `yaml:"certFile"`
	KeyFile  string `yaml:"keyFile"`
}

func (t *RegistryTLS) empty() bool { return *t == RegistryTLS{} }

// client is what connections are made by, from the files as they are now.
func (t *RegistryTLS) client() (*tls.Config, error) {
	return credentials.Files(*t).Client("schemaRegistry.tls")
}

// freshTLS makes a connection for each request, with the files as they are then:
// what was rotated on disk holds at once. A schema is asked for once in the life
// of the process, so connections are no matter of speed.
type freshTLS struct {
	base *http.Transport
	tls  RegistryTLS
}

// RoundTrip implements http.RoundTripper.
func (t freshTLS) RoundTrip(request *http.Request) (*http.Response, error) {
	config, err := t.tls.client()
	if err != nil {
		return nil, err
	}
	transport := t.base.Clone()
	transport.TLSClientConfig, transport.DisableKeepAlives = config, true
	return transport.RoundTrip(request)
}

// over is a client that makes its connections by the block, where there is one.
func (t *RegistryTLS) over(client *http.Client) (*http.Client, error) {
	if client == nil {
		client = http.DefaultClient
	}
	if t.empty() {
		return client, nil
	}
	given := client.Transport
	if given == nil {
		given = http.DefaultTransport
	}
	base, ok := given.(*http.Transport)
	if !ok {
		return nil, fmt.Errorf("schemaRegistry.tls: needs a client of net/http's own transport, not %T", given)
	}
	own := *client
	own.Transport = freshTLS{base, *t}
	return &own, nil
}
