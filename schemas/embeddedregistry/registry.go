// Package embeddedregistry is a schema registry in memory that speaks the part of Confluent's API that this project
// uses: registering, by id, by GUID, by subject and version, deleting a version softly. The demo and tests run on it; its
// contract tests run on a real registry as well.
package embeddedregistry

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"kinesis-destination/schemas"
)

// The error codes of Confluent's API.
const (
	codeSubjectNotFound = 40401
	codeVersionNotFound = 40402
	codeReferenceExists = 42206
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
	GUID       string      `json:"guid,omitempty"`

	deleted bool // softly: there for whoever asks for deleted ones, and by its id
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
	r.mux.HandleFunc("GET /schemas/guids/{guid}", r.byGUID)
	r.mux.HandleFunc("DELETE /subjects/{subject}/versions/{version}", r.softDelete)
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

// RegisterReferring is Register for a schema that refers to others.
func (r *Registry) RegisterReferring(subject, text string, references ...Reference) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.add(subject, schema{Schema: text, References: references}).ID
}

// GUID is the GUID of the schema with an id, as bytes.
func (r *Registry) GUID(id int) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	bytes, _ := hex.DecodeString(strings.ReplaceAll(r.schemas[id-1].GUID, "-", "")) // guid wrote it
	return bytes
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
	answer(w, schema{ID: id, Schema: found.Schema, SchemaType: found.SchemaType, References: found.References, GUID: found.GUID})
}

func (r *Registry) byGUID(w http.ResponseWriter, request *http.Request) {
	for _, found := range r.schemas {
		if found.GUID == request.PathValue("guid") {
			answer(w, schema{Schema: found.Schema, SchemaType: found.SchemaType, References: found.References, GUID: found.GUID})
			return
		}
	}
	fail(w, http.StatusNotFound, codeSchemaNotFound, "Schema not found")
}

func (r *Registry) byVersion(w http.ResponseWriter, request *http.Request) {
	if found := r.version(w, request, request.URL.Query().Get("deleted") == "true"); found != nil {
		answer(w, *found)
	}
}

func (r *Registry) softDelete(w http.ResponseWriter, request *http.Request) {
	found := r.version(w, request, false)
	if found == nil {
		return
	}
	subject := request.PathValue("subject")
	for _, versions := range r.subjects {
		for _, other := range versions {
			if !other.deleted && slices.ContainsFunc(other.References, func(to Reference) bool { return to.Subject == subject && to.Version == found.Version }) {
				fail(w, http.StatusUnprocessableEntity, codeReferenceExists, "There are subjects referencing "+subject)
				return
			}
		}
	}
	found.deleted = true
	answer(w, found.Version)
}

// version finds the version that a request names, or says that it is not there.
func (r *Registry) version(w http.ResponseWriter, request *http.Request, deleted bool) *schema {
	versions := r.subjects[request.PathValue("subject")]
	there := func(s schema) bool { return deleted || !s.deleted }
	if !slices.ContainsFunc(versions, there) {
		fail(w, http.StatusNotFound, codeSubjectNotFound, "Subject not found")
		return nil
	}
	at, text := len(versions), request.PathValue("version")
	if text == "latest" {
		for !there(versions[at-1]) {
			at--
		}
	} else {
		var err error
		if at, err = strconv.Atoi(text); err != nil || at < 1 {
			fail(w, http.StatusUnprocessableEntity, codeInvalidVersion, "The specified version is not a valid version id")
			return nil
		}
	}
	if at > len(versions) || !there(versions[at-1]) {
		fail(w, http.StatusNotFound, codeVersionNotFound, "Version not found")
		return nil
	}
	return &versions[at-1]
}

func (r *Registry) register(w http.ResponseWriter, request *http.Request) {
	var posted schema
	if err := json.NewDecoder(request.Body).Decode(&posted); err != nil {
		fail(w, http.StatusUnprocessableEntity, codeInvalidSchema, "Unparseable request")
		return
	}
	if message := r.refusal(posted); message != "" {
		fail(w, http.StatusUnprocessableEntity, codeInvalidSchema, message)
		return
	}
	added := r.add(request.PathValue("subject"), posted)
	answer(w, map[string]int{"id": added.ID})
}

var namePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// refusal says why a schema is not registered; empty when it is. What is registered now has names by Avro's rules, and
// refers to what is there. Register takes also what was registered before anyone looked.
func (r *Registry) refusal(posted schema) string {
	if posted.SchemaType != "" && posted.SchemaType != "AVRO" {
		return ""
	}
	for _, reference := range posted.References {
		versions := r.subjects[reference.Subject]
		if reference.Version < 1 || reference.Version > len(versions) || versions[reference.Version-1].deleted {
			return "No schema reference found for subject " + reference.Subject
		}
	}
	var node any
	if err := json.Unmarshal([]byte(posted.Schema), &node); err != nil {
		return "Invalid schema"
	}
	if name := badName(node); name != "" {
		return "Illegal character in: " + name
	}
	if len(posted.References) == 0 {
		if _, err := schemas.Parse([]byte(posted.Schema)); err != nil {
			return err.Error()
		}
	}
	return ""
}

// badName is a name or symbol in a schema that is none by Avro's rules; empty when there is none.
func badName(node any) string {
	switch node := node.(type) {
	case []any:
		for _, item := range node {
			if bad := badName(item); bad != "" {
				return bad
			}
		}
	case map[string]any:
		names := []any{node["name"], node["namespace"]}
		if symbols, ok := node["symbols"].([]any); ok {
			names = append(names, symbols...)
		}
		for _, name := range names {
			name, _ := name.(string)
			for part := range strings.SplitSeq(name, ".") {
				if name != "" && !namePattern.MatchString(part) {
					return name
				}
			}
		}
		for _, key := range []string{"type", "fields", "items", "values"} {
			if bad := badName(node[key]); bad != "" {
				return bad
			}
		}
	}
	return ""
}

// guid is a hash of a schema and what it refers to, as the real registry's is.
func guid(s schema) string {
	hash := md5.New()
	_ = json.NewEncoder(hash).Encode([]any{s.Schema, s.References})
	return schemas.GUID(hash.Sum(nil)).String()
}

// add registers a schema; the same text has the same id, and no second version in a subject.
func (r *Registry) add(subject string, posted schema) schema {
	for _, known := range r.subjects[subject] {
		if known.Schema == posted.Schema && slices.Equal(known.References, posted.References) {
			return known
		}
	}
	for _, known := range r.schemas {
		if known.Schema == posted.Schema && known.SchemaType == posted.SchemaType && slices.Equal(known.References, posted.References) {
			posted.ID, posted.GUID = known.ID, known.GUID
		}
	}
	if posted.Subject, posted.Version = subject, len(r.subjects[subject])+1; posted.ID == 0 {
		posted.ID = len(r.schemas) + 1
		posted.GUID = guid(posted)
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
