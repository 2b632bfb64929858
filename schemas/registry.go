package schemas

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"kinesis-destination/schemas/backoff"
)

const (
	// requestTimeout bounds one question to the registry, all of its addresses together.
	requestTimeout = 10 * time.Second

	// fetchTimeout bounds the questions for one schema: it can refer to others, and those to others.
	fetchTimeout = time.Minute

	// keptSchemas is how many bytes of schemas are kept: some two thousand of the size of the contract's.
	keptSchemas = 64 << 20
)

// Registry is a client of a Confluent-compatible schema registry. A schema never changes under its id, so each is asked
// for once as long as it is in use, by one request at a time. It may be used by many goroutines at once.
type Registry struct {
	cfg     RegistryConfig
	bases   []string     // the same schemas at each
	base    atomic.Int32 // the one that answered last
	client  *http.Client
	flight  singleflight.Group
	known   *Cache[schemaKey, *Schema]
	unknown refusals
}

// schemaKey is what a message names its schema by: an id, or a GUID.
type schemaKey struct {
	id   uint64 // 0: by its GUID
	guid GUID
}

// GUID is the hash of a schema that newer registries and producers name it by, whatever its id is.
type GUID [16]byte

// String is the GUID in its usual form.
func (g GUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", g[:4], g[4:6], g[6:8], g[8:10], g[10:])
}

func (k schemaKey) String() string {
	if k.id == 0 {
		return "schema guid " + k.guid.String()
	}
	return "schema id " + strconv.FormatUint(k.id, 10)
}

func (k schemaKey) path() string {
	if k.id == 0 {
		return "/schemas/guids/" + k.guid.String()
	}
	return "/schemas/ids/" + strconv.FormatUint(k.id, 10)
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
	own := *client
	own.CheckRedirect = sameOrigin
	return &Registry{
		cfg: cfg, bases: cfg.urls(), client: &own, known: NewCache[schemaKey, *Schema](keptSchemas),
		unknown: refusals{byKey: map[schemaKey]refusal{}},
	}, nil
}

// ByID is the schema with an id. The error is ErrUnknownSchema or ErrInvalidSchema, or says why the registry cannot
// answer now.
func (r *Registry) ByID(ctx context.Context, id int) (*Schema, error) {
	return r.find(ctx, schemaKey{id: uint64(id)})
}

// ByGUID is the schema with a GUID, as ByID.
func (r *Registry) ByGUID(ctx context.Context, guid GUID) (*Schema, error) {
	return r.find(ctx, schemaKey{guid: guid})
}

func (r *Registry) find(ctx context.Context, key schemaKey) (*Schema, error) {
	if known, ok := r.known.Get(key); ok {
		return known, nil
	}
	for attempt := 0; ; attempt++ {
		if err := r.unknown.believed(key); err != nil {
			return nil, err
		}
		schema, err := r.together(ctx, key, attempt)
		if !IsMessageFault(err) {
			return schema, err
		}
		wait := r.unknown.weigh(key, err, attempt)
		if wait == 0 {
			return nil, err
		}
		if err := backoff.Sleep(ctx, wait); err != nil {
			return nil, fmt.Errorf("ask the schema registry for %s: %w", key, err)
		}
	}
}

// together asks once for all who want the same schema at a time: whoever comes first asks, and the question outlives
// its context, as the others wait for the same answer.
func (r *Registry) together(ctx context.Context, key schemaKey, attempt int) (*Schema, error) {
	flight := r.flight.DoChan(key.String(), func() (any, error) {
		if known, ok := r.known.Get(key); ok { // the answer came between the two questions
			return known, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		return r.fetch(ctx, key, attempt)
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("ask the schema registry for %s: %w", key, ctx.Err())
	case answer := <-flight:
		if answer.Err != nil {
			return nil, answer.Err
		}
		return answer.Val.(*Schema), nil
	}
}

func (r *Registry) fetch(ctx context.Context, key schemaKey, attempt int) (*Schema, error) {
	q := r.question(attempt)
	answer, err := q.get(ctx, key.path())
	if key.id == 0 && errors.Is(err, errNoPath) && q.knowsIDs(ctx) {
		err = errNotThere
	}
	var schema *Schema
	if err == nil {
		schema, err = q.schema(ctx, answer)
	}
	if err != nil {
		if key.id == 0 && errors.Is(err, ErrUnknownSchema) {
			err = fmt.Errorf("%w; older registries know schemas by id alone", err)
		}
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	schema.ID, schema.Origin = int(key.id), key.String()
	schema, _ = r.known.Add(key, schema, schema.Size())
	return schema, nil
}

// Latest is the newest schema of a subject. Its Origin names subject and version.
func (r *Registry) Latest(ctx context.Context, subject string) (*Schema, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	q := r.question(0)
	answer, err := q.get(ctx, "/subjects/"+url.PathEscape(subject)+"/versions/latest")
	if err != nil {
		return nil, fmt.Errorf("subject %s: %w", subject, err)
	}
	schema, err := q.schema(ctx, answer)
	if err != nil {
		return nil, fmt.Errorf("subject %s, version %d: %w", subject, answer.Version, err)
	}
	schema.ID, schema.Origin = answer.ID, fmt.Sprintf("subject %s, version %d", subject, answer.Version)
	return schema, nil
}
