package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"kinesis-destination/cmd/internal/control/api"
)

// Where the calls of the services are.
const (
	flowService   = "/data/foundation/flowservice"
	policyService = "/data/foundation/dulepolicy"
)

// client makes calls of the API for one caller, in this process.
type client struct {
	api     http.Handler
	token   string
	sandbox string
	remote  string
	// stale is what the last answer said of its age; empty: it is the newest.
	stale string
}

// answer is what a call gave.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(text []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(text)
}

// request is a call that is to be made. More are headers, as name and value.
func (c *client) request(ctx context.Context, method, path string, body any, more ...string) (*http.Request, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, path, bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	r.RemoteAddr = c.remote
	r.Header.Set("x-sandbox-name", c.sandbox)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(more); i += 2 {
		r.Header.Set(more[i], more[i+1])
	}
	return r, nil
}

// call makes a call; into, if not nil, is set by its answer. A refusal is the API's own
// *api.Error.
func (c *client) call(ctx context.Context, method, path string, body, into any, more ...string) (*answer, error) {
	r, err := c.request(ctx, method, path, body, more...)
	if err != nil {
		return nil, err
	}
	a := &answer{header: http.Header{}}
	c.api.ServeHTTP(a, r)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.stale = a.header.Get("Warning")
	if a.status >= http.StatusBadRequest {
		refusal := &api.Error{}
		if err := json.Unmarshal(a.body.Bytes(), refusal); err != nil {
			return nil, fmt.Errorf("%s %s: status %d: %w", method, path, a.status, err)
		}
		return a, refusal
	}
	if into != nil {
		if err := json.Unmarshal(a.body.Bytes(), into); err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	return a, nil
}

// get makes a call that looks something up.
func (c *client) get(ctx context.Context, path string, into any) error {
	_, err := c.call(ctx, http.MethodGet, path, nil, into)
	return err
}

// list is a page of documents of the flow service.
type list[T any] struct {
	Items []T       `json:"items"`
	Links api.Links `json:"_links"`
}
