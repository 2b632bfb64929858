package rules

import (
	"context"
	"errors"
	"net/http"

	"kinesis-destination/schemas"
)

// RegistryClient makes a connection for each request, so that each finds the
// registry where its name leads by then. A schema is asked for once in the life
// of a process: connections are no matter of speed.
func RegistryClient(dial Dial) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: dial, Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
}

// AskRegistry asks for the schema of a topic: that there is none is an answer, too.
func AskRegistry(ctx context.Context, registry *schemas.Registry, topic string) error {
	_, err := registry.Latest(ctx, topic+"-value")
	if errors.Is(err, schemas.ErrUnknownSchema) || errors.Is(err, schemas.ErrInvalidSchema) {
		return nil
	}
	return err
}
