package schemas_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"kinesis-destination/schemas"
	"kinesis-destination/schemas/embeddedregistry"
)

// registrySite is the embedded registry, or the one at SCHEMA_REGISTRY_URL.
type registrySite struct {
	t       *testing.T
	url     string
	client  *http.Client
	subject string
	real    bool
}

func newRegistrySite(t *testing.T) *registrySite {
	t.Helper()
	s := &registrySite{t: t, url: os.Getenv("SCHEMA_REGISTRY_URL"), client: http.DefaultClient, subject: fmt.Sprintf("contract-%d", time.Now().UnixNano())}
	if s.real = s.url != ""; !s.real {
		s.url, s.client = "http://registry", inMemory(t, embeddedregistry.New())
	}
	return s
}

// registry is a registry that has seen nothing yet.
func (s *registrySite) registry() *schemas.Registry {
	s.t.Helper()
	r, err := schemas.NewRegistry(schemas.RegistryConfig{URL: s.url}, s.client)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// do sends a request and reads its answer.
func (s *registrySite) do(method, path string, body any) (status int, answer map[string]any, text string) {
	s.t.Helper()
	sent, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewReader(sent))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = json.Unmarshal(content, &answer) // of a number there is none
	return response.StatusCode, answer, string(content)
}

// post registers a schema.
func (s *registrySite) post(subject, text string, references ...map[string]any) int {
	s.t.Helper()
	status, answer, content := s.do(http.MethodPost, "/subjects/"+subject+"/versions", map[string]any{"schema": text, "references": references})
	id, _ := answer["id"].(float64)
	if status != http.StatusOK || id == 0 {
		s.t.Fatalf("register: %d %s", status, content)
	}
	return int(id)
}

// TestContractASchemaThatIsReferredToMayBeDeleted, once what refers to it is: messages that were written before stay
// readable, as a deleted version is given to who asks with deleted=true. Apicurio's API of this kind keeps the id of what
// refers, and gives no deleted version, with deleted=true or without: such messages become dead letters that name it.
func TestContractASchemaThatIsReferredToMayBeDeleted(t *testing.T) {
	s := newRegistrySite(t)
	inner, outer := s.subject+"-inner", s.subject+"-outer"
	s.post(inner, `{"type":"record","name":"Inner","namespace":"x","fields":[{"name":"a","type":"string"}]}`)
	id := s.post(outer, `{"type":"record","name":"Outer","namespace":"y","fields":[{"name":"inner","type":"x.Inner"}]}`,
		map[string]any{"name": "x.Inner", "subject": inner, "version": 1})
	if status, answer, text := s.do(http.MethodDelete, "/subjects/"+inner+"/versions/1", nil); status != http.StatusUnprocessableEntity || answer["error_code"] != 42206. {
		t.Errorf("deleting what is referred to: %d %s", status, text)
	}
	for _, subject := range []string{outer, inner} {
		if status, _, text := s.do(http.MethodDelete, "/subjects/"+subject+"/versions/1", nil); status != http.StatusOK {
			t.Errorf("deleting %s: %d %s", subject, status, text)
		}
	}
	if status, answer, text := s.do(http.MethodGet, "/subjects/"+inner+"/versions/1", nil); status != http.StatusNotFound || answer["error_code"] != 40401. {
		t.Errorf("asked for as if it were there: %d %s", status, text)
	}
	status, _, _ := s.do(http.MethodGet, "/subjects/"+inner+"/versions/1?deleted=true", nil)
	kept := status == http.StatusOK
	if !kept && !s.real {
		t.Error("the embedded registry gives no deleted version")
	}
	switch found, err := s.registry().ByID(t.Context(), id); {
	case kept && (err != nil || found.Root.Name != "y.Outer"):
		t.Errorf("with deleted=true: %v %v", found, err)
	case !kept && (!errors.Is(err, schemas.ErrUnknownSchema) || !strings.Contains(err.Error(), "referenced subject "+inner+", version 1: ")):
		t.Errorf("where it is gone: %v", err)
	}
}

// TestContractASchemaIsFoundByItsGUID, where the registry gives one. Apicurio gives none and has no path for them, which
// must not pass for a registry that is away.
func TestContractASchemaIsFoundByItsGUID(t *testing.T) {
	s := newRegistrySite(t)
	id := s.post(s.subject, recordText)
	_, answer, _ := s.do(http.MethodGet, fmt.Sprintf("/schemas/ids/%d", id), nil)
	text, given := answer["guid"].(string)
	if !s.real && !given {
		t.Error("the embedded registry gives no GUID")
	}
	if given {
		var guid schemas.GUID
		if n, err := hex.Decode(guid[:], []byte(strings.ReplaceAll(text, "-", ""))); err != nil || n != len(guid) {
			t.Fatal(text, err)
		}
		if found, err := s.registry().ByGUID(t.Context(), guid); err != nil || found.Root.Name != "R" {
			t.Errorf("%v %v", found, err)
		}
	}
	if _, err := s.registry().ByGUID(t.Context(), schemas.GUID{1}); !errors.Is(err, schemas.ErrUnknownSchema) {
		t.Errorf("a GUID that nobody has: %v", err)
	}
}
