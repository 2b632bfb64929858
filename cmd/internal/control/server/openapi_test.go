package server_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"go.yaml.in/yaml/v3"

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
		maps.Copy(w.Header(), recorder.Header())
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
			t.Errorf("%.300s: %.300s", p.Message, p.Reason)
			for _, e := range p.SchemaValidationErrors {
				t.Errorf("  %s %s: %.300s", e.KeywordLocation, e.FieldPath, e.Reason)
			}
		}
	}
	r := newRig(t)
	r.call("GET", "/openapi.yaml", "").is(200).says("openapi: 3.1.0")
}

// Each example of the description is a body that is taken, in the order of a user who
// sets a destination up.
func TestEachExampleOfTheDescriptionIsTaken(t *testing.T) {
	var d struct {
		Components struct {
			Schemas map[string]struct{ Examples []any }
		}
	}
	if err := yaml.Unmarshal(server.OpenAPI(), &d); err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	ids := map[string]string{"AKIAEXAMPLEEXAMPLE00": accessKey}
	used := map[string]bool{}
	examples := func(name string) (bodies []string) {
		used[name] = true
		for _, example := range d.Components.Schemas[name].Examples {
			text, err := json.Marshal(example)
			if err != nil {
				t.Fatal(err)
			}
			body := string(text)
			for shown, made := range ids {
				body = strings.ReplaceAll(body, shown, made)
			}
			bodies = append(bodies, body)
		}
		if len(bodies) == 0 {
			t.Fatalf("%s has no example", name)
		}
		return bodies
	}
	ids["1ed86558-59b5-42f7-9865-5859b552f7f4"] = r.call("POST", flowservice+"/connections", `{"name":"Profiles","connectionSpec":{"id":"`+profileSpec+`","version":"1.0"}}`).is(201).str("id")
	ids["2fe97669-6ac6-43f8-a976-696ac663f805"] = r.call("POST", flowservice+"/connections", examples("ConnectionRequest")[0]).is(201).str("id")
	ids["ed48ae9b-c774-4b6e-88ae-9bc7748b6e97"] = r.call("POST", flowservice+"/sourceConnections", examples("SourceConnectionRequest")[0]).is(201).str("id")
	ids["12ab90c7-519c-4291-bd20-d64186b62da8"] = r.call("POST", flowservice+"/targetConnections", examples("TargetConnectionRequest")[0]).is(201).str("id")
	flow := r.call("POST", flowservice+"/flows", examples("FlowRequest")[0]).is(201)
	etag := flow.str("etag")
	for i, body := range examples("Patch") {
		etag = r.call("PATCH", flowservice+"/flows/"+flow.str("id"), body, "If-Match", etag).is(202).str("etag")
		if i > 0 {
			continue // what was activated may be gone again
		}
		for _, body := range examples("FlowJobRequest") {
			// One begins; the next one meets it, or comes after it.
			if begun := r.call("POST", flowservice+"/flows/"+flow.str("id")+"/jobs", body); begun.status != 409 {
				begun.is(202)
			}
		}
	}
	r.call("PUT", policyservice+"/marketingActions/custom/partnerShare", examples("ActionRequest")[0]).is(201)
	r.call("POST", policyservice+"/policies/custom", examples("PolicyRequest")[0]).is(201)
	r.call("PUT", policyservice+"/enabledCorePolicies", examples("EnabledRequest")[0]).is(200)
	r.call("POST", policyservice+"/bulk-eval", "["+strings.Join(examples("Job"), ",")+"]").is(200)
	for name, schema := range d.Components.Schemas {
		if len(schema.Examples) > 0 && !used[name] {
			t.Errorf("the examples of %s are not tried", name)
		}
	}
}
