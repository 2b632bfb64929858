package follow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/documents/documentstest"
	"kinesis-destination/cmd/internal/control/follow"
	"kinesis-destination/cmd/internal/control/server"
	"kinesis-destination/cmd/internal/control/sources"
	"kinesis-destination/cmd/internal/destination"
	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/cmd/internal/testutil"
	"kinesis-destination/consumer/embeddedkafka"
	"kinesis-destination/schemas"
	"kinesis-destination/schemas/embeddedregistry"
	"kinesis-destination/sink/embeddedkinesis"
)

const (
	flowservice = "/data/foundation/flowservice"
	kinesisSpec = "86043421-563b-46ec-8e6c-e23184711bf6"
	profileSpec = "8a9c3494-9708-43d7-ae3f-cda01e5030e1"
	flowSpec    = "71471eba-b620-49e4-90fd-23f1fa0174d8"

	topic      = "segment-evaluations"
	adminAt    = "127.0.0.1:8080"
	partitions = 3
)

// plainSeal seals nothing: what secrets are sealed with is tested elsewhere. One that
// begins with LOST cannot be opened.
type plainSeal struct{}

func (plainSeal) Seal(_, _ string, plain []byte) (json.RawMessage, error) {
	return json.Marshal(string(plain))
}

func (plainSeal) Open(_, _ string, sealed json.RawMessage) ([]byte, error) {
	var text string
	err := json.Unmarshal(sealed, &text)
	if strings.HasPrefix(text, "LOST") {
		return nil, errors.New("the key is not there")
	}
	return []byte(text), err
}

// rig is a control plane and a data plane that follows it, in a bubble of virtual time.
type rig struct {
	t         *testing.T
	network   *kfake.VirtualNetwork
	kafka     *embeddedkafka.Cluster
	kinesis   *embeddedkinesis.Server
	transport *kafka.Transport
	registry  *embeddedregistry.Registry
	schemaID  int
	store     *documentstest.Store
	api       *server.Server
	log       *testutil.Buffer
	leads     *leads.Generator
	written   int                // events that leave
	expected  map[string][]int64 // and their serials by identity, in order
	most      int
	trouble   func() string
	reporter  destination.Reporter
	source    string // more of the source's kafka block
	narrow    bool   // the topic has one partition
	told      bool   // what flows do is told in the status topic

	registryWait func() // how long an answer of the registry takes
}

func newRig(t *testing.T, more ...func(*rig)) *rig {
	t.Helper()
	r := &rig{t: t, network: new(kfake.VirtualNetwork), registry: embeddedregistry.New(), kinesis: embeddedkinesis.New(embeddedkinesis.Options{}), store: &documentstest.Store{}, expected: map[string][]int64{}, log: &testutil.Buffer{}}
	for _, f := range more {
		f(r)
	}
	var err error
	n := partitions
	if r.narrow {
		n = 1
	}
	if r.kafka, err = embeddedkafka.Start(embeddedkafka.Options{Listen: r.network.Listen, Ports: []int{9092}, Topics: map[string]int{topic: n}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.kafka.Close)
	r.schemaID = r.registry.Register(topic+"-value", string(schemas.SegmentEvaluation))
	for _, name := range []string{"leads", "more"} {
		r.kinesis.Create(embeddedkinesis.Stream{Name: name, Shards: 2})
	}
	r.serve(8081, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if r.registryWait != nil {
			r.registryWait()
		}
		r.registry.ServeHTTP(w, request)
	}))
	r.serve(4567, r.kinesis)
	r.transport = &kafka.Transport{Dial: r.network.DialContext, MetadataTTL: time.Hour}
	t.Cleanup(r.transport.CloseIdleConnections)
	if r.leads, err = leads.New(7, 40); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "source.yaml")
	if err := os.WriteFile(file, []byte(`
name: profiles
kafka: {brokers: ["127.0.0.1:9092"], topic: `+topic+r.source+`}
schemaRegistry: {url: "http://127.0.0.1:8081"}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := sources.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	o := server.Options{
		Log: slog.New(slog.NewTextHandler(r.log, nil)), Store: r.store, Sealer: plainSeal{}, Sources: sources.List{source}, Endpoints: []string{"http://127.0.0.1:4567"},
	}
	if r.told {
		o.Activity = r.board("replica")
		r.reporter = follow.Teller{To: r.board("worker")}
	}
	r.api, err = server.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) serve(port int, handler http.Handler) {
	r.t.Helper()
	listener, err := r.network.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		r.t.Fatal(err)
	}
	s := &http.Server{Handler: handler}
	done := make(chan error, 1)
	go func() { done <- s.Serve(listener) }()
	r.t.Cleanup(func() {
		_ = s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			r.t.Errorf("serve: %v", err)
		}
	})
}

// process is a data plane that runs.
type process struct {
	*destination.Fleet
	cancel context.CancelFunc
	done   chan error
}

// run runs a data plane until it is stopped, or the test ends; listen is its admin endpoint.
func (r *rig) run(listen string) *process {
	r.t.Helper()
	log := slog.New(slog.NewTextHandler(r.log, nil))
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{cancel: cancel, done: make(chan error, 1)}
	p.Fleet = destination.NewFleet(destination.Options{Logger: log, Dial: r.network.DialContext, Listen: r.network.Listen, Trouble: r.trouble, Reporter: r.reporter})
	follower := follow.New(follow.Options{
		Log: log, Store: r.store, Sandboxes: []string{"prod"}, Config: r.api.Flows.Config, Share: func(*config.Config) {}, Most: r.most,
	})
	wanted := make(chan map[string]destination.Wanted)
	var following sync.WaitGroup
	following.Go(func() { follower.Run(ctx, wanted) })
	go func() {
		err := p.Run(ctx, listen, wanted)
		following.Wait()
		p.done <- err
	}()
	r.t.Cleanup(p.stop)
	return p
}

// stop is SIGTERM; again, it is nothing.
func (p *process) stop() {
	p.cancel()
	if err, open := <-p.done; open {
		if err != nil {
			panic(err)
		}
		close(p.done)
	}
}

// flow is one flow by its id, and what it does.
func (p *process) flow(id string) destination.Flow {
	for _, f := range p.Flows() {
		if f.ID == id {
			return f
		}
	}
	return destination.Flow{}
}

// becomes waits, in virtual time, until a flow is in a state.
func (r *rig) becomes(p *process, id string, state destination.State, limit time.Duration) time.Duration {
	r.t.Helper()
	began := time.Now()
	for p.flow(id).State != state {
		if time.Since(began) > limit {
			r.t.Fatalf("flow %s is not %s within %v: %+v\n%s", id, state, limit, p.flow(id), r.log)
		}
		pass(10 * time.Millisecond)
	}
	return time.Since(began)
}

// pass lets virtual time go by.
func pass(d time.Duration) { <-time.After(d) }

// call makes a call of the API.
func (r *rig) call(method, path, body string, status int, more ...string) map[string]any {
	r.t.Helper()
	request := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(more); i += 2 {
		request.Header.Set(more[i], more[i+1])
	}
	answer := httptest.NewRecorder()
	r.api.ServeHTTP(answer, request)
	if answer.Code != status {
		r.t.Fatalf("%s %s: %d %s", method, path, answer.Code, answer.Body)
	}
	var got map[string]any
	_ = json.Unmarshal(answer.Body.Bytes(), &got) // a 202 may be empty
	return got
}

// made are the ids of a destination that was set up by API.
type made struct{ account, target, flow, etag string }

// connect makes an account, a connection to a stream and a flow, as the tutorial does.
func (r *rig) connect(stream, params string) made {
	r.t.Helper()
	return r.connectAs("AKIAIOSFODNN7EXAMPLE", stream, params)
}

func (r *rig) connectAs(key, stream, params string) made {
	r.t.Helper()
	id := func(answer map[string]any) string { return answer["id"].(string) }
	var m made
	base := id(r.call("POST", flowservice+"/connections", `{"name":"Profiles","connectionSpec":{"id":"`+profileSpec+`","version":"1.0"}}`, 201))
	from := id(r.call("POST", flowservice+"/sourceConnections", `{"name":"Profiles","connectionSpec":{"id":"`+profileSpec+`","version":"1.0"},"baseConnectionId":"`+base+`","data":{"format":"json"},"params":{}}`, 201))
	m.account = id(r.call("POST", flowservice+"/connections?validate=false", `{"name":"Kinesis","connectionSpec":{"id":"`+kinesisSpec+`","version":"1.0"},
		"auth":{"specName":"Aws Kinesis authentication credentials","params":{"accessKeyId":"`+key+`","secretKey":"wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY","region":"us-east-1"}}}`, 201))
	m.target = id(r.call("POST", flowservice+"/targetConnections?validate=false", `{"name":"Stream","baseConnectionId":"`+m.account+`","connectionSpec":{"id":"`+kinesisSpec+`","version":"1.0"},"data":{"format":"json"},
		"params":{"stream":"`+stream+`","region":"us-east-1"`+params+`}}`, 201))
	flow := r.call("POST", flowservice+"/flows", `{"name":"Leads","description":"","flowSpec":{"id":"`+flowSpec+`","version":"1.0"},"sourceConnectionIds":["`+from+`"],"targetConnectionIds":["`+m.target+`"],
		"transformations":[{"name":"GeneralTransform","params":{"profileSelectors":{"selectors":[]},"segmentSelectors":{"selectors":[]}}}]}`, 201)
	m.flow, m.etag = id(flow), flow["etag"].(string)
	return m
}

// activate adds selectors to a flow: segments, and attributes, which have a dot.
func (r *rig) activate(m *made, selectors ...string) {
	r.t.Helper()
	var ops []string
	for _, s := range selectors {
		if strings.Contains(s, ".") {
			ops = append(ops, `{"op":"add","path":"/transformations/0/params/profileSelectors/selectors/-","value":{"type":"JSON_PATH","value":{"path":"`+s+`"}}}`)
		} else {
			ops = append(ops, `{"op":"add","path":"/transformations/0/params/segmentSelectors/selectors/-","value":{"type":"PLATFORM_SEGMENT","value":{"id":"`+s+`"}}}`)
		}
	}
	m.etag = r.call("PATCH", flowservice+"/flows/"+m.flow, "["+strings.Join(ops, ",")+"]", 202, "If-Match", m.etag)["etag"].(string)
}

// action enables or disables a flow.
func (r *rig) action(m *made, op string) {
	r.t.Helper()
	m.etag = r.call("POST", flowservice+"/flows/"+m.flow+"/action?op="+op, "", 200)["etag"].(string)
}

// feed writes n events that the two segments and attributes of the leads are about.
func (r *rig) feed(n int) {
	r.t.Helper()
	var messages []kafka.Message
	for range n {
		e, err := r.leads.Next()
		if err != nil {
			r.t.Fatal(err)
		}
		if e.Filtered == "" {
			r.written++
			r.expected[e.Key] = append(r.expected[e.Key], e.Serial)
		}
		messages = append(messages, kafka.Message{Key: []byte(e.Key), Value: append(schemas.AppendFrame(nil, r.schemaID), e.Body...)})
	}
	w := kafka.Writer{Addr: kafka.TCP("127.0.0.1:9092"), Topic: topic, Transport: r.transport, Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll, BatchSize: n, BatchTimeout: time.Millisecond}
	if err := errors.Join(w.WriteMessages(context.Background(), messages...), w.Close()); err != nil {
		r.t.Fatal(err)
	}
}

// arrived waits, in virtual time, until a stream has so many records, and no more come.
func (r *rig) arrived(stream string, n int, limit time.Duration) []embeddedkinesis.Record {
	r.t.Helper()
	for began := time.Now(); len(r.kinesis.History(stream)) < n; pass(10 * time.Millisecond) {
		if time.Since(began) > limit {
			r.t.Fatalf("stream %s has %d records of %d after %v\n%s", stream, len(r.kinesis.History(stream)), n, limit, r.log)
		}
	}
	pass(3 * time.Second)
	all := r.kinesis.History(stream)
	if len(all) != n {
		r.t.Fatalf("stream %s has %d records and not %d", stream, len(all), n)
	}
	return all
}
