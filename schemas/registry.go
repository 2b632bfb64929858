package schemas

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// requestTimeout bounds one question to the registry, all of its addresses together.
	requestTimeout = 10 * time.Second

	// unknownFor is how long the registry's answer that it has no such id is taken as true: short enough that a schema
	// registered late is found, long enough that a topic full of strangers asks the registry a few times a minute.
	unknownFor = 15 * time.Second

	// maxUnknown bounds how many unknown ids are remembered; random bytes look like many.
	maxUnknown = 4096
)

// Registry is a client of a Confluent-compatible schema registry. A schema never changes under its id, so each is asked
// for once in the life of the process, by one request at a time. It may be used by many goroutines at once.
type Registry struct {
	cfg    RegistryConfig
	bases  []string     // the same schemas at each
	base   atomic.Int32 // the one that answered last
	client *http.Client
	flight singleflight.Group

	// known is by id. It is replaced as a whole, so that the hot path reads it without a lock or an allocation.
	known atomic.Pointer[map[int]*Schema]

	mu      sync.Mutex      // guards unknown, and known against a second writer
	unknown map[int]refusal // by id
}

// refusal is an answer about an id that is no schema, and until when it is believed.
type refusal struct {
	err   error
	until time.Time
}

// NewRegistry makes a client; nil is the default HTTP client. Nothing is asked yet.
func NewRegistry(cfg RegistryConfig, client *http.Client) (*Registry, error) {
	var problem error
	cfg.validate(func(path, message string) {
		if problem == nil {
			problem = fmt.Errorf("%s: %s", path, message)
		}
	})
	if problem != nil {
		return nil, problem
	}
	client, err := cfg.TLS.over(client)
	if err != nil {
		return nil, err
	}
	r := &Registry{cfg: cfg, bases: cfg.urls(), client: client, unknown: map[int]refusal{}}
	r.known.Store(&map[int]*Schema{})
	return r, nil
}

// ByID is the schema with an id. The error is ErrUnknownSchema or ErrInvalidSchema, or says why the registry cannot
// answer now.
func (r *Registry) ByID(ctx context.Context, id int) (*Schema, error) {
	if known := (*r.known.Load())[id]; known != nil {
		return known, nil
	}
	if err := r.refused(id); err != nil {
		return nil, err
	}
	// Whoever comes first asks for all; the question outlives its context, as the others wait for the same answer.
	flight := r.flight.DoChan(strconv.Itoa(id), func() (any, error) {
		if known := (*r.known.Load())[id]; known != nil { // the answer came between the two questions
			return known, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		return r.fetch(ctx, id)
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("ask the schema registry for id %d: %w", id, ctx.Err())
	case answer := <-flight:
		if answer.Err != nil {
			return nil, answer.Err
		}
		return answer.Val.(*Schema), nil
	}
}

func (r *Registry) fetch(ctx context.Context, id int) (*Schema, error) {
	answer, err := r.get(ctx, "/schemas/ids/"+strconv.Itoa(id))
	var schema *Schema
	if err == nil {
		schema, err = r.schema(ctx, answer)
	}
	if err != nil {
		err = fmt.Errorf("schema id %d: %w", id, err)
		if IsMessageFault(err) {
			r.refuse(id, err)
		}
		return nil, err
	}
	schema.ID, schema.Origin = id, fmt.Sprintf("schema id %d", id)
	r.keep(schema)
	return schema, nil
}

// Latest is the newest schema of a subject. Its Origin names subject and version.
func (r *Registry) Latest(ctx context.Context, subject string) (*Schema, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer, err := r.get(ctx, "/subjects/"+url.PathEscape(subject)+"/versions/latest")
	if err != nil {
		return nil, fmt.Errorf("subject %s: %w", subject, err)
	}
	schema, err := r.schema(ctx, answer)
	if err != nil {
		return nil, fmt.Errorf("subject %s, version %d: %w", subject, answer.Version, err)
	}
	schema.ID, schema.Origin = answer.ID, fmt.Sprintf("subject %s, version %d", subject, answer.Version)
	return schema, nil
}

func (r *Registry) keep(schema *Schema) {
	r.mu.Lock()
	defer r.mu.Unlock()
	more := maps.Clone(*r.known.Load())
	more[schema.ID] = schema
	r.known.Store(&more)
}

func (r *Registry) refused(id int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if refusal, ok := r.unknown[id]; ok && time.Now().Before(refusal.until) {
		return refusal.err
	}
	return nil
}

func (r *Registry) refuse(id int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.unknown) >= maxUnknown {
		clear(r.unknown)
	}
	r.unknown[id] = refusal{err, time.Now().Add(unknownFor)}
}
