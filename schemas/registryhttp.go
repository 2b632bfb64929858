package schemas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// maxAnswer bounds the registry's answer.
	maxAnswer = 16 << 20

	// maxReferences bounds how many schemas one may refer to, all levels together.
	maxReferences = 200
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
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// awayError is that an address gives no answer, where another one may.
type awayError struct{ err error }

func (e *awayError) Error() string { return e.err.Error() }
func (e *awayError) Unwrap() error { return e.err }

func away(format string, args ...any) error { return &awayError{fmt.Errorf(format, args...)} }

// get asks the address that answered last, and when it is away the others.
func (r *Registry) get(ctx context.Context, path string) (answer, error) {
	var failed error
	first, n := int(r.base.Load()), len(r.bases)
	for i := range n {
		at := (first + i) % n
		a, err := r.ask(ctx, r.bases[at]+path)
		if _, gone := errors.AsType[*awayError](err); !gone {
			r.base.Store(int32(at))
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

func (r *Registry) ask(ctx context.Context, url string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout/time.Duration(len(r.bases)))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return answer{}, fmt.Errorf("ask the schema registry: %w", err)
	}
	request.Header.Set("Accept", "application/vnd.schemaregistry.v1+json, application/json")
	if err := r.authorize(request); err != nil {
		return answer{}, fmt.Errorf("ask the schema registry: %w", err)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return answer{}, away("ask the schema registry: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return answer{}, away("read the schema registry's answer: %w", err)
	}
	switch {
	case response.StatusCode == http.StatusNotFound && notFound(body):
		return answer{}, fmt.Errorf("%w: the schema registry does not have it", ErrUnknownSchema)
	case response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden:
		return answer{}, fmt.Errorf("the schema registry refuses the credentials (%s)", response.Status)
	case response.StatusCode != http.StatusOK:
		return answer{}, away("the schema registry answers %s", response.Status)
	case len(body) > maxAnswer:
		return answer{}, fmt.Errorf("%w: its answer is larger than %d bytes", ErrInvalidSchema, maxAnswer)
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil || a.Schema == "" {
		return answer{}, away("the schema registry's answer holds no schema: is the address that of a registry?")
	}
	return a, nil
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
func (r *Registry) schema(ctx context.Context, a answer) (*Schema, error) {
	if a.SchemaType != "" && a.SchemaType != "AVRO" {
		return nil, fmt.Errorf("%w: it is %s, not Avro", ErrInvalidSchema, a.SchemaType)
	}
	references, err := r.resolve(ctx, a.References, map[reference]bool{})
	if err != nil {
		return nil, err
	}
	return parse([]byte(a.Schema), references)
}

// resolve fetches referenced schemas, inner ones first, each once.
func (r *Registry) resolve(ctx context.Context, references []reference, seen map[reference]bool) ([][]byte, error) {
	var texts [][]byte
	for _, reference := range references {
		if seen[reference] {
			continue
		}
		if seen[reference] = true; len(seen) > maxReferences {
			return nil, fmt.Errorf("%w: it refers to more than %d schemas", ErrInvalidSchema, maxReferences)
		}
		a, err := r.get(ctx, fmt.Sprintf("/subjects/%s/versions/%d", url.PathEscape(reference.Subject), reference.Version))
		if err != nil {
			return nil, fmt.Errorf("referenced subject %s, version %d: %w", reference.Subject, reference.Version, err)
		}
		inner, err := r.resolve(ctx, a.References, seen)
		if err != nil {
			return nil, err
		}
		texts = append(append(texts, inner...), []byte(a.Schema))
	}
	return texts, nil
}
