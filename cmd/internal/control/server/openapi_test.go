package server_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"kinesis-destination/cmd/internal/control/server"
)

// description is /openapi.yaml, ready to judge by.
var description = sync.OnceValues(func() (validator.Validator, error) {
	document, err := libopenapi.NewDocument(server.OpenAPI())
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(document)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return v, nil
})

// checked holds every answer of every test against the description. What is no call of
// it is answered with 404 or 405.
func checked(t testing.TB, h http.Handler) http.Handler {
	v, err := description()
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		copied := r.Clone(r.Context())
		copied.Body = io.NopCloser(strings.NewReader(""))
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, r)
		body := recorder.Body.Bytes()
		undocumented := bytes.Contains(body, []byte("there is no such call")) || recorder.Code == http.StatusMethodNotAllowed
		if !undocumented {
			response := recorder.Result()
			response.Body = io.NopCloser(bytes.NewReader(body))
			if ok, problems := v.ValidateHttpResponse(copied, response); !ok {
				for _, p := range problems {
					t.Errorf("%s %s, status %d: the answer is not as described: %s: %s", r.Method, r.URL, recorder.Code, p.Message, p.Reason)
					for _, e := range p.SchemaValidationErrors {
						t.Errorf("  %s: %s\n%s", e.FieldPath, e.Reason, body)
					}
				}
			}
		}
		for name, values := range recorder.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(recorder.Code)
		_, _ = w.Write(body)
	})
}

func TestTheDescriptionIsAnOpenAPIDocument(t *testing.T) {
	v, err := description()
	if err != nil {
		t.Fatal(err)
	}
	if ok, problems := v.ValidateDocument(); !ok {
		for _, p := range problems {
			t.Errorf("%s: %s", p.Message, p.Reason)
			for _, e := range p.SchemaValidationErrors {
				t.Errorf("  %s: %s", e.FieldPath, e.Reason)
			}
		}
	}
	r := newRig(t)
	r.call("GET", "/openapi.yaml", "").is(200).says("openapi: 3.1.0")
}
