package server_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/control/documents/documentstest"
	"kinesis-destination/cmd/internal/control/server"
	"kinesis-destination/cmd/internal/control/sources"
	"kinesis-destination/cmd/internal/testutil"
	"kinesis-destination/schemas/embeddedregistry"
	"kinesis-destination/sink/embeddedkinesis"
)

const (
	flowservice   = "/data/foundation/flowservice"
	policyservice = "/data/foundation/dulepolicy"

	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"

	kinesisSpec = "86043421-563b-46ec-8e6c-e23184711bf6"
	profileSpec = "8a9c3494-9708-43d7-ae3f-cda01e5030e1"
	flowSpec    = "71471eba-b620-49e4-90fd-23f1fa0174d8"
)

// toySeal turns bytes around: enough to tell that nothing is kept as it came.
type toySeal struct{}

func (toySeal) Seal(key, field string, plain []byte) (json.RawMessage, error) {
	for i := range plain {
		plain[i] ^= 0x5a
	}
	return json.Marshal(key + " " + field + " " + base64.StdEncoding.EncodeToString(plain))
}

func (toySeal) Open(key, field string, sealed json.RawMessage) ([]byte, error) {
	var text string
	if err := json.Unmarshal(sealed, &text); err != nil {
		return nil, err
	}
	encoded, ok := strings.CutPrefix(text, key+" "+field+" ")
	if !ok {
		return nil, os.ErrPermission
	}
	plain, err := base64.StdEncoding.DecodeString(encoded)
	for i := range plain {
		plain[i] ^= 0x5a
	}
	return plain, err
}

// rig is a control plane with its surroundings.
type rig struct {
	t        testing.TB
	http     *httptest.Server
	server   *server.Server
	store    *documentstest.Store
	kinesis  *embeddedkinesis.Server
	registry *embeddedregistry.Registry
	log      *testutil.Buffer
	header   http.Header
	options  server.Options
}

func newRig(t testing.TB, change ...func(*server.Options)) *rig {
	t.Helper()
	r := &rig{t: t, store: &documentstest.Store{}, kinesis: embeddedkinesis.New(embeddedkinesis.Options{AccessKeyID: accessKey}), registry: embeddedregistry.New(), log: &testutil.Buffer{}, header: http.Header{}}
	r.kinesis.Create(embeddedkinesis.Stream{Name: "leads", Shards: 2})
	stream := httptest.NewServer(r.kinesis)
	t.Cleanup(stream.Close)
	schemasAt := httptest.NewServer(r.registry)
	t.Cleanup(schemasAt.Close)
	schema, err := os.ReadFile("testdata/labelled.avsc")
	if err != nil {
		t.Fatal(err)
	}
	r.registry.Register("segment-evaluations-value", string(schema))
	file := filepath.Join(t.TempDir(), "source.yaml")
	text := `
name: profiles
kafka: {brokers: ["localhost:9092"], topic: segment-evaluations}
schemaRegistry: {url: ` + schemasAt.URL + `}
segments:
  - {id: 59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae, name: High propensity to convert, labels: [], createdAt: "2020-05-01T00:00:00Z"}
  - {id: vip, name: Very important persons, labels: [C1]}
fieldLabels: {person.birthDate: [I2]}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := sources.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	dev := *source
	dev.Sandbox = "dev"
	r.options = server.Options{
		Log: slog.New(slog.NewTextHandler(r.log, nil)), Store: r.store, Sealer: toySeal{},
		Sources: sources.List{source, &dev}, Endpoints: []string{stream.URL},
	}
	for _, f := range change {
		f(&r.options)
	}
	if r.server, err = server.New(r.options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.server.Close)
	r.http = httptest.NewServer(checked(t, r.server))
	t.Cleanup(r.http.Close)
	r.header.Set("Authorization", "Bearer {ACCESS_TOKEN}")
	r.header.Set("x-api-key", "{API_KEY}")
	r.header.Set("x-gw-ims-org-id", "{ORG_ID}")
	r.header.Set("x-sandbox-name", "prod")
	r.header.Set("Content-Type", "application/json")
	return r
}

// answer is what a call gave.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	text   string
}

func (a answer) is(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, wanted %d: %s", a.status, status, a.text)
	}
	return a
}

// says checks that a refusal has the words.
func (a answer) says(words ...string) answer {
	a.t.Helper()
	for _, w := range words {
		if !strings.Contains(a.text, w) {
			a.t.Errorf("says %q nowhere: %s", w, a.text)
		}
	}
	return a
}

// get is the member at a path of keys and places.
func (a answer) get(path ...any) any {
	a.t.Helper()
	var value any
	if err := json.Unmarshal([]byte(a.text), &value); err != nil {
		a.t.Fatalf("%v: %s", err, a.text)
	}
	for _, p := range path {
		switch p := p.(type) {
		case string:
			object, _ := value.(map[string]any)
			value = object[p]
		case int:
			list, _ := value.([]any)
			if p >= len(list) {
				return nil
			}
			value = list[p]
		}
	}
	return value
}

func (a answer) str(path ...any) string {
	a.t.Helper()
	s, _ := a.get(path...).(string)
	return s
}

// call makes a call; more are headers, as name and value.
func (r *rig) call(method, path, body string, more ...string) answer {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.http.URL+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header = r.header.Clone()
	for i := 0; i+1 < len(more); i += 2 {
		if more[i+1] == "" {
			request.Header.Del(more[i])
		} else {
			request.Header.Set(more[i], more[i+1])
		}
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
	if strings.Contains(string(text), secretKey) || strings.Contains(string(text), accessKey) {
		r.t.Errorf("%s %s: credentials come back: %s", method, path, text)
	}
	return answer{r.t, response.StatusCode, response.Header, string(text)}
}

// made are the ids of a destination that is set up.
type made struct{ sourceBase, source, base, target, flow, etag string }

// flow makes a destination as the tutorial does; params are those of the target
// connection.
func (r *rig) flow(params string) made {
	r.t.Helper()
	var m made
	m.sourceBase = r.profiles()
	m.source = r.source(m.sourceBase, `{}`)
	m.base = r.account()
	m.target = r.target(m.base, params).is(201).str("id")
	flow := r.call("POST", flowservice+"/flows", flowBody("Leads", m.source, m.target, "", "")).is(201)
	m.flow, m.etag = flow.str("id"), flow.str("etag")
	return m
}

// profiles makes the base connection of sources.
func (r *rig) profiles() string {
	r.t.Helper()
	return r.call("POST", flowservice+"/connections", `{"name":"Base connection to Experience Platform","connectionSpec":{"id":"`+profileSpec+`","version":"1.0"}}`).is(201).str("id")
}

func (r *rig) source(base, params string) string {
	r.t.Helper()
	return r.call("POST", flowservice+"/sourceConnections", `{"name":"Connecting to Profile Service","connectionSpec":{"id":"`+profileSpec+`","version":"1.0"},"baseConnectionId":"`+base+`","data":{"format":"json"},"params":`+params+`}`).is(201).str("id")
}

func (r *rig) account() string {
	r.t.Helper()
	return r.call("POST", flowservice+"/connections", accountBody(accessKey)).is(201).str("id")
}

func accountBody(key string) string {
	return `{"name":"Connection for Amazon Kinesis","description":"summer advertising campaign","connectionSpec":{"id":"` + kinesisSpec + `","version":"1.0"},
		"auth":{"specName":"Aws Kinesis authentication credentials","params":{"accessKeyId":"` + key + `","secretKey":"` + secretKey + `","region":"us-east-1"}}}`
}

func (r *rig) target(base, params string) answer {
	r.t.Helper()
	return r.call("POST", flowservice+"/targetConnections", targetBody(base, params))
}

func targetBody(base, params string) string {
	return `{"name":"Amazon Kinesis target connection","baseConnectionId":"` + base + `","connectionSpec":{"id":"` + kinesisSpec + `","version":"1.0"},"data":{"format":"json"},"params":` + params + `}`
}

func flowBody(name, source, target, profiles, segments string) string {
	return `{"name":"` + name + `","description":"","flowSpec":{"id":"` + flowSpec + `","version":"1.0"},"sourceConnectionIds":["` + source + `"],"targetConnectionIds":["` + target + `"],
		"transformations":[{"name":"GeneralTransform","params":{"profileSelectors":{"selectors":[` + profiles + `]},"segmentSelectors":{"selectors":[` + segments + `]}}}]}`
}

// add is the patch that activates a segment and maps an attribute; either may be empty.
func add(segment, attribute string) string {
	var ops []string
	if segment != "" {
		ops = append(ops, `{"op":"add","path":"/transformations/0/params/segmentSelectors/selectors/-","value":{"type":"PLATFORM_SEGMENT","value":{"id":"`+segment+`"}}}`)
	}
	if attribute != "" {
		ops = append(ops, `{"op":"add","path":"/transformations/0/params/profileSelectors/selectors/-","value":{"type":"JSON_PATH","value":{"path":"`+attribute+`"}}}`)
	}
	return "[" + strings.Join(ops, ",") + "]"
}

const leads = `{"stream":"leads","region":"us-east-1"}`
