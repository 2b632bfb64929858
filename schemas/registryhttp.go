package schemas

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"time"
)

const (
	// maxAnswer bounds the registry's answers about one schema, those about what it refers to together: each quote of a
	// text of maxSchemaText takes two bytes there, and documentation is beside it.
	maxAnswer = 16 << 20

	// maxProblem bounds what is read of an answer that is an error: its code is at the start.
	maxProblem = 64 << 10

	// maxReferences bounds how many schemas one may refer to, all levels together.
	maxReferences = 200

	// maxRedirects bounds how often an address may lead on to another path of its own.
	maxRedirects = 3
)

// The registry's error codes for what it does not have all begin with 404; a 404 without one is not the registry's
// answer but a wrong address or a proxy's, and says nothing about the id.
const (
	firstNotFound = 40400
	lastNotFound  = 40499
)

// answer is a schema as the registry sends it.
type answer struct {
	Schema     string      `json:"schema"`
	SchemaType string      `json:"schemaType"`
	ID         int         `json:"id"`
	Version    int         `json:"version"`
	References []reference `json:"references"`
}

type reference struct {
	Name    string `json:"name"` // of the type that is defined there
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// awayError is that an address gives no answer, where another one may.
type awayError struct{ err error }

func (e *awayError) Error() string { return e.err.Error() }
func (e *awayError) Unwrap() error { return e.err }

// IsAway tells whether an error is that no registry answered, of which the next question would have the same.
func IsAway(err error) bool {
	_, gone := errors.AsType[*awayError](err)
	return gone
}

func away(format string, args ...any) error { return &awayError{fmt.Errorf(format, args...)} }

var (
	errNotThere = fmt.Errorf("%w: the schema registry does not have it", ErrUnknownSchema)
	// errNoPath is a 404 that is not the registry's own: the address may be another's, or the registry an older one.
	errNoPath = errors.New("the schema registry answers 404 Not Found")
)

// anyID is one that hardly a schema has.
const anyID = math.MaxInt32

// knowsIDs tells whether the address that does not know a path is that of a registry all the same. Some, as Apicurio,
// know no GUIDs, and a producer may write any into a header: to take that for a registry that is away would hold the
// partition for ever.
func (q *question) knowsIDs(ctx context.Context) bool {
	_, err := q.get(ctx, schemaKey{id: anyID}.path())
	return err == nil || errors.Is(err, ErrUnknownSchema)
}

// sameOrigin follows an address to another path of its own. Elsewhere nothing is asked: credentials are for the host that
// the configuration names, and a schema from another one is not what was configured.
func sameOrigin(request *http.Request, via []*http.Request) error {
	from, to := via[0].URL, request.URL
	switch {
	case from.Scheme != to.Scheme || from.Host != to.Host:
		return fmt.Errorf("it redirects to %s, which is not followed: set schemaRegistry.url to where the registry is", shown(to.Scheme+"://"+to.Host))
	case len(via) > maxRedirects:
		return fmt.Errorf("it redirects more than %d times", maxRedirects)
	}
	return nil
}

// question is what is asked for one schema, and what the answers may take.
type question struct {
	*Registry
	first int // the address that is asked first
	left  int // bytes
	names map[string]bool
}

// question begins with the address that answered last; another attempt with the one after it, as one may know what
// another does not know yet.
func (r *Registry) question(attempt int) *question {
	return &question{Registry: r, first: int(r.base.Load()) + attempt, left: maxAnswer, names: map[string]bool{}}
}

// get asks an address, and when it is away the others.
func (q *question) get(ctx context.Context, path string) (answer, error) {
	var failed error
	n := len(q.bases)
	for i := range n {
		at := (q.first + i) % n
		a, err := q.ask(ctx, q.bases[at]+path)
		if _, gone := errors.AsType[*awayError](err); !gone {
			q.first = at
			q.base.Store(int32(at))
			return a, err
		}
		if failed == nil {
			failed = err
		} else {
			failed = fmt.Errorf("%w; %w", failed, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return answer{}, failed
}

// authorize reads the credentials as they are now.
func (r *Registry) authorize(request *http.Request) error {
	if r.cfg.BearerToken != nil {
		token, err := r.cfg.BearerToken()
		if err != nil {
			return fmt.Errorf("schemaRegistry.bearerToken: %w", err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if r.cfg.Username != nil {
		username, err := r.cfg.Username()
		if err != nil {
			return fmt.Errorf("schemaRegistry.username: %w", err)
		}
		password := ""
		if r.cfg.Password != nil {
			if password, err = r.cfg.Password(); err != nil {
				return fmt.Errorf("schemaRegistry.password: %w", err)
			}
		}
		request.SetBasicAuth(username, password)
	}
	return nil
}

func (q *question) ask(ctx context.Context, url string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout/time.Duration(len(q.bases)))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return answer{}, fmt.Errorf("ask the schema registry: %w", &cutError{err})
	}
	request.Header.Set("Accept", "application/vnd.schemaregistry.v1+json, application/json")
	if err := q.authorize(request); err != nil {
		return answer{}, fmt.Errorf("ask the schema registry: %w", err)
	}
	response, err := q.client.Do(request)
	if err != nil {
		return answer{}, away("ask the schema registry: %w", &cutError{err})
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return answer{}, problem(response)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(q.left)+1))
	if err != nil {
		return answer{}, away("read the schema registry's answer: %w", &cutError{err})
	}
	if q.left -= len(body); q.left < 0 {
		if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
			return answer{}, fmt.Errorf("%w: the answers about it are larger than %d bytes", ErrInvalidSchema, maxAnswer)
		}
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil || a.Schema == "" {
		return answer{}, away("the schema registry's answer holds no schema: is the address that of a registry?")
	}
	return a, nil
}

// problem is what an answer says that is an error.
func problem(response *http.Response) error {
	status := fmt.Sprintf("%d %s", response.StatusCode, http.StatusText(response.StatusCode))
	switch response.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("the schema registry refuses the credentials (%s)", status)
	case http.StatusNotFound:
		body, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
		if err == nil && notFound(body) {
			return errNotThere
		}
		return away("%w", errNoPath)
	}
	return away("the schema registry answers %s", status)
}

func notFound(body []byte) bool {
	var problem struct {
		Code int `json:"error_code"`
	}
	if json.Unmarshal(body, &problem) != nil {
		return false
	}
	return problem.Code == http.StatusNotFound || problem.Code >= firstNotFound && problem.Code <= lastNotFound
}

// schema parses an answer, after the schemas that it refers to.
func (q *question) schema(ctx context.Context, a answer) (*Schema, error) {
	if a.SchemaType != "" && a.SchemaType != "AVRO" {
		return nil, fmt.Errorf("%w: it is %s, not Avro", ErrInvalidSchema, shown(a.SchemaType))
	}
	references, err := q.resolve(ctx, a.References)
	if err != nil {
		return nil, err
	}
	return parse([]byte(a.Schema), references)
}

// resolve fetches referenced schemas, inner ones first, as the registry's own clients do: a reference is known by its
// name, and of two with the same name, such as versions that came by different ways, the first counts. One that was
// deleted after it was referred to is still there for whoever asks for deleted ones.
func (q *question) resolve(ctx context.Context, references []reference) ([][]byte, error) {
	var texts [][]byte
	for _, reference := range references {
		name := reference.Name
		if name == "" {
			name = fmt.Sprintf("%s/%d", reference.Subject, reference.Version)
		}
		if len(name) > maxName || len(reference.Subject) > maxName {
			return nil, fmt.Errorf("%w: it refers to a name of more than %d bytes, %s", ErrInvalidSchema, maxName, shown(name))
		}
		if q.names[name] {
			continue
		}
		if q.names[name] = true; len(q.names) > maxReferences {
			return nil, fmt.Errorf("%w: it refers to more than %d schemas", ErrInvalidSchema, maxReferences)
		}
		a, err := q.get(ctx, fmt.Sprintf("/subjects/%s/versions/%d?deleted=true", url.PathEscape(reference.Subject), reference.Version))
		if err != nil {
			return nil, fmt.Errorf("referenced subject %s, version %d: %w", shown(reference.Subject), reference.Version, err)
		}
		inner, err := q.resolve(ctx, a.References)
		if err != nil {
			return nil, err
		}
		texts = append(append(texts, inner...), []byte(a.Schema))
	}
	return texts, nil
}
