package schemas

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Register makes a schema's text the newest version of a subject, which it stays where it is so already. The schema has
// the id that messages name it by. An address that is away is passed by; a schema that the registry refuses is
// ErrInvalidSchema, with the registry's reason.
func (r *Registry) Register(ctx context.Context, subject string, text []byte) (*Schema, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	schema, err := Parse(text)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]string{"schema": string(text)})
	if err != nil {
		return nil, fmt.Errorf("register a schema: %w", err)
	}
	var failed error
	for i := range r.bases {
		at := (int(r.base.Load()) + i) % len(r.bases)
		id, err := r.post(ctx, r.bases[at]+"/subjects/"+url.PathEscape(subject)+"/versions", body)
		if _, gone := errors.AsType[*awayError](err); gone && ctx.Err() == nil {
			failed = errors.Join(failed, err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("subject %s: %w", subject, err)
		}
		schema.ID, schema.Origin = id, "subject "+subject
		return schema, nil
	}
	return nil, fmt.Errorf("subject %s: %w", subject, failed)
}

func (r *Registry) post(ctx context.Context, url string, body []byte) (id int, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("register a schema: %w", &cutError{err})
	}
	request.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	if err := r.authorize(request); err != nil {
		return 0, fmt.Errorf("register a schema: %w", err)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return 0, away("register a schema: %w", &cutError{err})
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
	if err != nil {
		return 0, away("read the schema registry's answer: %w", &cutError{err})
	}
	var said struct {
		ID      int    `json:"id"`
		Message string `json:"message"`
	}
	readable := json.Unmarshal(answer, &said) == nil
	switch response.StatusCode {
	case http.StatusOK:
		if !readable || said.ID <= 0 {
			return 0, away("the schema registry's answer holds no id: is the address that of a registry?")
		}
		return said.ID, nil
	case http.StatusConflict, http.StatusUnprocessableEntity:
		return 0, fmt.Errorf("%w: the schema registry refuses it: %s", ErrInvalidSchema, shown(said.Message))
	case http.StatusUnauthorized, http.StatusForbidden:
		return 0, fmt.Errorf("the schema registry refuses the credentials (%d %s)", response.StatusCode, http.StatusText(response.StatusCode))
	}
	return 0, away("the schema registry answers %d %s", response.StatusCode, http.StatusText(response.StatusCode))
}
