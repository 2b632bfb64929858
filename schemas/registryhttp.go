package schemas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
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

func (r *Registry) get(ctx context.Context, path string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+path, http.NoBody)
	if err != nil {
		return answer{}, fmt.Errorf("ask the schema registry: %w", err)
	}
	request.Header.Set("Accept", "application/vnd.schemaregistry.v1+json, application/json")
	if r.username != "" {
		request.SetBasicAuth(r.username, r.password)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return answer{}, fmt.Errorf("ask the schema registry: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("read the schema registry's answer: %w", err)
	}
	switch {
	case response.StatusCode == http.StatusNotFound && notFound(body):
		return answer{}, fmt.Errorf("%w: the schema registry does not have it", ErrUnknownSchema)
	case response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden:
		return answer{}, fmt.Errorf("the schema registry refuses the credentials (%s)", response.Status)
	case response.StatusCode != http.StatusOK:
		return answer{}, fmt.Errorf("the schema registry answers %s", response.Status)
	case len(body) > maxAnswer:
		return answer{}, fmt.Errorf("%w: its answer is larger than %d bytes", ErrInvalidSchema, maxAnswer)
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil || a.Schema == "" {
		return answer{}, errors.New("the schema registry's answer holds no schema: is the address that of a registry?")
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
