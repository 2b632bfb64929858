// Package embeddedregistry is a schema registry in memory that speaks the part of Confluent's API that this project
// uses: registering, by id, by subject and version. The demo and tests run on it; its contract tests run on a real
// registry as well.
package embeddedregistry

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"

	"kinesis-destination/schemas"
)

// The error codes of Confluent's API.
const (
	codeSubjectNotFound = 40401
	codeVersionNotFound = 40402
	codeSchemaNotFound  = 40403
	codeUnauthorized    = 40101
	codeInvalidSchema   = 42201
	codeInvalidVersion  = 42202
	codeInternal        = 50001
)

type problem struct {
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

const contentType = "application/vnd.schemaregistry.v1+json"

// Reference names a schema that another one refers to.
type Reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

type schema struct {
	ID         int         `json:"id"`
	Subject    string      `json:"subject,omitempty"`
	Version    int         `json:"version,omitempty"`
	Schema     string      `json:"schema"`
	SchemaType string      `json:"schemaType,omitempty"`
	References []Reference `json:"references,omitempty"`
}

// Registry is the server. Its zero value is not ready: use New.
type Registry struct {
	mux *http.ServeMux

	mu                 sync.Mutex
	schemas            []schema // by id - 1
	subjects           map[string][]schema
	username, password string
	status             int // of every answer, when not 0
	down               bool
	requests           int
}

// New makes an empty registry.
func New() *Registry {
	r := &Registry{mux: http.NewServeMux(), subjects: map[string][]schema{}}
	r.mux.HandleFunc("GET /schemas/ids/{id}", r.byID)
	r.mux.HandleFunc("POST /subjects/{subject}/versions", r.register)
	r.mux.HandleFunc("GET /subjects/{subject}/versions/{version}", r.byVersion)
	return r
}

// Register adds a schema to a subject and returns its id, as a POST does.
func (r *Registry) Register(subject, text string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.add(subject, schema{Schema: text}).ID
}

// SetDown makes the registry hang up on every request, or answer again.
func (r *Registry) SetDown(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

// SetStatus makes every answer an error with an HTTP status, like 500; 0 ends that.
func (r *Registry) SetStatus(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// SetCredentials makes the registry ask for basic authentication; two empty strings end that.
func (r *Registry) SetCredentials(username, password string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.username, r.password = username, password
}

// Requests is how many requests there were.
func (r *Registry) Requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests
}

// ServeHTTP answers a request.
func (r *Registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	username, password, _ := request.BasicAuth()
	switch {
	case r.down:
		panic(http.ErrAbortHandler) // the server closes the connection without an answer
	case r.status != 0:
		fail(w, r.status, codeInternal, "as told")
	case username != r.username || password != r.password:
		fail(w, http.StatusUnauthorized, codeUnauthorized, "Unauthorized")
	default:
		r.mux.ServeHTTP(w, request)
	}
}

func (r *Registry) byID(w http.ResponseWriter, request *http.Request) {
	id, err := strconv.Atoi(request.PathValue("id"))
	if err != nil || id < 1 || id > len(r.schemas) {
		fail(w, http.StatusNotFound, codeSchemaNotFound, "Schema not found")
		return
	}
	found := r.schemas[id-1]
	answer(w, schema{ID: id, Schema: found.Schema, SchemaType: found.SchemaType, References: found.References})
}

func (r *Registry) byVersion(w http.ResponseWriter, request *http.Request) {
	versions := r.subjects[request.PathValue("subject")]
	if len(versions) == 0 {
		fail(w, http.StatusNotFound, codeSubjectNotFound, "Subject not found")
		return
	}
	version := len(versions)
	if text := request.PathValue("version"); text != "latest" {
		var err error
		if version, err = strconv.Atoi(text); err != nil || version < 1 {
			fail(w, http.StatusUnprocessableEntity, codeInvalidVersion, "The specified version is not a valid version id")
			return
		}
	}
	if version > len(versions) {
		fail(w, http.StatusNotFound, codeVersionNotFound, "Version not found")
		return
	}
	answer(w, versions[version-1])
}

func (r *Registry) register(w http.ResponseWriter, request *http.Request) {
	var posted schema
	if err := json.NewDecoder(request.Body).Decode(&posted); err != nil {
		fail(w, http.StatusUnprocessableEntity, codeInvalidSchema, "Unparseable request")
		return
	}
	if avro := posted.SchemaType == "" || posted.SchemaType == "AVRO"; avro && len(posted.References) == 0 {
		if _, err := schemas.Parse([]byte(posted.Schema)); err != nil {
			fail(w, http.StatusUnprocessableEntity, codeInvalidSchema, err.Error())
			return
		}
	}
	added := r.add(request.PathValue("subject"), posted)
	answer(w, map[string]int{"id": added.ID})
}

// add registers a schema; the same text has the same id, and no second version in a subject.
func (r *Registry) add(subject string, posted schema) schema {
	for _, known := range r.subjects[subject] {
		if known.Schema == posted.Schema {
			return known
		}
	}
	for _, known := range r.schemas {
		if known.Schema == posted.Schema && known.SchemaType == posted.SchemaType {
			posted.ID = known.ID
		}
	}
	if posted.Subject, posted.Version = subject, len(r.subjects[subject])+1; posted.ID == 0 {
		posted.ID = len(r.schemas) + 1
		r.schemas = append(r.schemas, posted)
	}
	r.subjects[subject] = append(r.subjects[subject], posted)
	return posted
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", contentType)
	// The client may be gone; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(value)
}

func fail(w http.ResponseWriter, status, code int, message string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(problem{code, message})
}
