package schemas_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"kinesis-destination/schemas"
)

// scripted answers without a network.
type scripted func(request *http.Request) *http.Response

func (s scripted) RoundTrip(request *http.Request) (*http.Response, error) { return s(request), nil }

// FuzzRegistryAnswers lets a registry answer anything: a status, where to go instead, a schema, and what it refers to.
// Whatever it is, the client ends in time, with a schema or a short error, and asks nobody else.
func FuzzRegistryAnswers(f *testing.F) {
	quoted := strings.ReplaceAll(recordText, `"`, `\"`)
	f.Add(200, "", []byte(`{"schema": "`+quoted+`", "id": 7, "version": 3}`), []byte(`{}`))
	f.Add(200, "", []byte(`{"schema": "\"R\"", "references": [{"name": "R", "subject": "r", "version": 1}]}`), []byte(`{"schema": "`+quoted+`"}`))
	f.Add(200, "", []byte(`{"schema": "\"int\"", "references": [{"name": "a", "subject": "a", "version": 1}]}`),
		[]byte(`{"schema": "\"int\"", "references": [{"name": "b", "subject": "b", "version": -1}, {"subject": "a/../b?x=y#z", "version": 2}]}`))
	f.Add(404, "", []byte(`{"error_code": 40403, "message": "Schema not found"}`), []byte(``))
	f.Add(302, "http://elsewhere/", []byte(``), []byte(``))
	f.Add(307, "//registry/subjects/s", []byte(``), []byte(``))
	f.Add(503, "", []byte(`<html>`), []byte(`{"schema": ""}`))
	f.Fuzz(func(t *testing.T, status int, location string, first, others []byte) {
		asked := 0
		client := &http.Client{Transport: scripted(func(request *http.Request) *http.Response {
			if asked++; request.URL.Host != "registry" || request.URL.Scheme != "http" {
				t.Errorf("%s was asked", request.URL)
			}
			body := others
			if asked == 1 {
				body = first
			}
			header := http.Header{}
			if location != "" {
				header.Set("Location", location)
			}
			return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Request: request}
		})}
		r, err := schemas.NewRegistry(schemas.RegistryConfig{URL: "http://registry", Username: fixed("u"), Password: fixed("hunter2")}, client)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		s, err := r.Latest(t.Context(), "s")
		if took := time.Since(began); took > 20*time.Second || asked > 210 {
			t.Errorf("%v and %d requests", took, asked)
		}
		if (s == nil) == (err == nil) {
			t.Errorf("%v, %v", s, err)
		}
		if err != nil && (len(err.Error()) > 4096 || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("an error of %d bytes: %.200s", len(err.Error()), err)
		}
	})
}
