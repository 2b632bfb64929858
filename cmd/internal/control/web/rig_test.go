package web_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/control/documents/documentstest"
	"kinesis-destination/cmd/internal/control/server"
	"kinesis-destination/cmd/internal/control/sources"
	"kinesis-destination/consumer/embeddedkafka"
	"kinesis-destination/schemas"
	"kinesis-destination/schemas/embeddedregistry"
	"kinesis-destination/sink/embeddedkinesis"
)

const (
	flowservice = "/data/foundation/flowservice"

	accessKey = "AKIAIOSFODNN7EXAMPLE"
	person    = "ada.lovelace@example.com"
	secretKey = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
)

// plainSeal seals nothing: what is kept is no affair of these tests.
type plainSeal struct{}

func (plainSeal) Seal(_, _ string, plain []byte) (json.RawMessage, error) {
	return json.Marshal(base64.StdEncoding.EncodeToString(plain))
}

func (plainSeal) Open(_, _ string, sealed json.RawMessage) ([]byte, error) {
	var text string
	if err := json.Unmarshal(sealed, &text); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(text)
}

// rig is a control plane as a browser sees it.
type rig struct {
	t          testing.TB
	server     *httptest.Server
	store      *documentstest.Store
	kinesis    *embeddedkinesis.Server
	registry   *embeddedregistry.Registry
	kafka      *embeddedkafka.Cluster
	schema     *schemas.Schema
	schemaID   int
	schemaText []byte
	handler    http.Handler
	options    server.Options
	browser    *http.Client
	lang       string
}

func newRig(t testing.TB, change ...func(*server.Options)) *rig {
	t.Helper()
	r := &rig{
		t: t, store: &documentstest.Store{}, registry: embeddedregistry.New(), lang: "en",
		kinesis: embeddedkinesis.New(embeddedkinesis.Options{AccessKeyID: accessKey}),
	}
	r.kinesis.Create(embeddedkinesis.Stream{Name: "leads", Shards: 2})
	stream := httptest.NewServer(r.kinesis)
	t.Cleanup(stream.Close)
	registry := httptest.NewServer(r.registry)
	t.Cleanup(registry.Close)
	schema, err := os.ReadFile("../server/testdata/labelled.avsc")
	if err != nil {
		t.Fatal(err)
	}
	r.schemaText = schema
	r.schemaID = r.registry.Register("segment-evaluations-value", string(schema))
	if r.schema, err = schemas.Parse(schema); err != nil {
		t.Fatal(err)
	}
	if r.kafka, err = embeddedkafka.Start(embeddedkafka.Options{Topics: map[string]int{"segment-evaluations": 3}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.kafka.Close)
	file := filepath.Join(t.TempDir(), "source.yaml")
	text := `
name: profiles
kafka: {brokers: ["` + r.kafka.ListenAddrs()[0] + `"], topic: segment-evaluations}
schemaRegistry: {url: ` + registry.URL + `}
segments:
  - {id: propensity, name: High propensity to convert, description: "Likely to buy"}
  - {id: vip, name: Very important persons, labels: [C1]}
  - {id: hostile, name: "<script>alert(1)</script>\u202Eevil"}
fieldLabels: {person.birthDate: [I2]}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := sources.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	r.options = server.Options{
		Log: slog.New(slog.DiscardHandler), Store: r.store, Sealer: plainSeal{}, Sources: sources.List{source}, Endpoints: []string{stream.URL},
	}
	for _, f := range change {
		f(&r.options)
	}
	handler, err := server.New(r.options)
	if err != nil {
		t.Fatal(err)
	}
	r.handler = handler
	r.server = httptest.NewServer(handler)
	t.Cleanup(r.server.Close)
	r.newBrowser()
	return r
}

// events writes events of profiles that qualify for segments; the person's e-mail
// address is a secret of theirs.
func (r *rig) events(n int, segments ...string) {
	r.t.Helper()
	w := kafka.Writer{Addr: kafka.TCP(r.kafka.ListenAddrs()...), Topic: "segment-evaluations", BatchTimeout: time.Millisecond}
	defer func() { _ = w.Close() }()
	var messages []kafka.Message
	for i := range n {
		segment := segments[i%len(segments)]
		quoted, err := json.Marshal(segment)
		if err != nil {
			r.t.Fatal(err)
		}
		body, err := r.schema.EncodeJSON([]byte(fmt.Sprintf(`{"eventId":"e%d","evaluatedAt":1790000000000,"profileId":"profile-%d","mergePolicyId":"m",
			"changed":{"profile.segmentation.v1.Changed":{"segments":[%s],"attributes":[],"identities":false}},
			"attributes":{"person":{"profile.xdm.Person":{"name":null,"email":{"string":"%s"},"birthDate":null}},"personalEmail":null,"mobilePhone":null,"homeAddress":null,"loyalty":null},
			"segmentMembership":{"ups":{%s:{"lastQualificationTime":1790000000000,"status":"realized","validUntil":null,"mergePolicyId":null}}},
			"identityMap":{"email":[{"id":"%s","authenticatedState":"ambiguous","primary":true}]},"consents":null}`, i, i, quoted, person, quoted, person)))
		if err != nil {
			r.t.Fatal(err)
		}
		messages = append(messages, kafka.Message{Key: []byte(fmt.Sprintf("profile-%d", i)), Value: append(schemas.AppendFrame(nil, r.schemaID), body...)})
	}
	if err := w.WriteMessages(r.t.Context(), messages...); err != nil {
		r.t.Fatal(err)
	}
}

// newBrowser forgets all cookies.
func (r *rig) newBrowser() {
	r.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.browser = &http.Client{Jar: jar}
}

// shown is a page that came, after redirects.
type shown struct {
	t      testing.TB
	status int
	header http.Header
	path   string
	text   string
}

func (r *rig) do(request *http.Request) shown {
	r.t.Helper()
	request.Header.Set("Accept-Language", r.lang)
	response, err := r.browser.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, secret := range []string{accessKey, secretKey, person} {
		if strings.Contains(string(text), secret) {
			r.t.Errorf("%s %s: a secret is in the page", request.Method, request.URL)
		}
	}
	seen := map[string]bool{}
	for _, id := range regexp.MustCompile(`\sid="([^"]*)"`).FindAllStringSubmatch(string(text), -1) {
		if seen[id[1]] {
			r.t.Errorf("%s %s: two elements are called %s", request.Method, request.URL, id[1])
		}
		seen[id[1]] = true
	}
	return shown{r.t, response.StatusCode, response.Header, response.Request.URL.RequestURI(), string(text)}
}

func (r *rig) get(path string) shown {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.server.URL+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.do(request)
}

// post sends a form; pairs are names and values.
func (r *rig) post(path string, pairs ...string) shown {
	r.t.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.server.URL+path, strings.NewReader(values.Encode()))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", r.server.URL)
	return r.do(request)
}

// api makes a call as a script would, and returns its answer.
func (r *rig) api(method, path, body string, header ...string) map[string]any {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.server.URL+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	var value map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &value); err != nil {
			r.t.Fatalf("%s %s: %v: %s", method, path, err, text)
		}
	}
	if response.StatusCode >= 300 {
		r.t.Fatalf("%s %s: status %d: %s", method, path, response.StatusCode, text)
	}
	return value
}

func (s shown) is(status int) shown {
	s.t.Helper()
	if s.status != status {
		s.t.Fatalf("%s: status %d, wanted %d: %s", s.path, s.status, status, s.main())
	}
	return s
}

func (s shown) at(path string) shown {
	s.t.Helper()
	if s.path != path {
		s.t.Fatalf("at %s, wanted %s: %s", s.path, path, s.main())
	}
	return s
}

// main is the part of the page that is its own.
func (s shown) main() string {
	_, rest, found := strings.Cut(s.text, "<main")
	if !found {
		return s.text
	}
	main, _, _ := strings.Cut(rest, "</main>")
	return main
}

func (s shown) has(words ...string) shown {
	s.t.Helper()
	for _, w := range words {
		if !strings.Contains(s.text, w) {
			s.t.Errorf("%s has no %q: %s", s.path, w, s.main())
		}
	}
	return s
}

func (s shown) hasNot(words ...string) shown {
	s.t.Helper()
	for _, w := range words {
		if strings.Contains(s.text, w) {
			s.t.Errorf("%s has %q: %s", s.path, w, s.main())
		}
	}
	return s
}

// find is what the group of an expression holds.
func (s shown) find(expression string) string {
	s.t.Helper()
	found := regexp.MustCompile(expression).FindStringSubmatch(s.text)
	if found == nil {
		s.t.Fatalf("%s has nothing like %s: %s", s.path, expression, s.main())
	}
	return found[1]
}
