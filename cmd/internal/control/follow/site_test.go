package follow_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/cmd/internal/testutil"
	"kinesis-destination/consumer/embeddedkafka"
	"kinesis-destination/schemas"
	"kinesis-destination/schemas/embeddedregistry"
	"kinesis-destination/sink/embeddedkinesis"
)

// site is Kafka, registry and stream on TCP: the real ones whose addresses the
// environment gives, else the embedded ones; and the program, built.
type site struct {
	t                *testing.T
	brokers          []string
	registry, stream string
	topic, journal   string
	told             string // the status topic
	source, keys     string // files
	program          string
	api              string // host:port of serve
	kafka            *kafka.Client
	kinesis          *kinesis.Client
	schemaID         int
	leads            *leads.Generator
	written          int
	log              testutil.Buffer
}

// newSite prepares them; on the embedded stream in any case where a story needs one
// that keeps up with many clients.
func newSite(t *testing.T, embeddedStream bool) *site {
	t.Helper()
	name := fmt.Sprintf("follow-%d", time.Now().UnixNano())
	s := &site{t: t, topic: "events-" + name, journal: "control-" + name, told: "status-" + name, registry: os.Getenv("SCHEMA_REGISTRY_URL"), stream: os.Getenv("KINESIS_ENDPOINT")}
	if brokers := os.Getenv("KAFKA_BROKERS"); brokers != "" {
		s.brokers = strings.Split(brokers, ",")
	} else {
		cluster, err := embeddedkafka.Start(embeddedkafka.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		s.brokers = cluster.ListenAddrs()
	}
	serve := func(h http.Handler) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	s.registry = cmp.Or(s.registry, serve(embeddedregistry.New()))
	if embeddedStream {
		s.stream = ""
	}
	s.stream = cmp.Or(s.stream, serve(embeddedkinesis.New(embeddedkinesis.Options{})))
	transport := &kafka.Transport{MetadataTTL: time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	s.kafka = &kafka.Client{Addr: kafka.TCP(s.brokers...), Transport: transport}
	s.kinesis = kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(s.stream), Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "contract", SecretAccessKey: "contract"}, nil
		}),
	})
	made, err := s.kafka.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: s.topic, NumPartitions: 12, ReplicationFactor: -1}}})
	if err != nil || made.Errors[s.topic] != nil {
		t.Fatal("create the topic:", err, made)
	}
	body, err := json.Marshal(map[string]string{"schema": string(schemas.SegmentEvaluation)})
	if err != nil {
		t.Fatal(err)
	}
	var registered struct{ ID int }
	s.post(s.registry+"/subjects/"+s.topic+"-value/versions", "application/vnd.schemaregistry.v1+json", body, &registered)
	s.schemaID = registered.ID
	dir := t.TempDir()
	s.source, s.keys, s.program = filepath.Join(dir, "source.yaml"), filepath.Join(dir, "keys"), filepath.Join(dir, "kinesis-destination")
	for file, text := range map[string]string{
		s.source: fmt.Sprintf("name: profiles\nkafka: {brokers: [\"%s\"], topic: %s}\nschemaRegistry: {url: \"%s\"}\n", strings.Join(s.brokers, `", "`), s.topic, s.registry),
		s.keys:   "k1 " + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")) + "\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", s.program, "kinesis-destination/cmd/kinesis-destination").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if s.leads, err = leads.New(23, 200); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) post(url, kind string, body []byte, to any) {
	s.t.Helper()
	res, err := http.Post(url, kind, bytes.NewReader(body)) //nolint:noctx // the test's own time bounds it
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(to); err != nil || res.StatusCode > 299 {
		s.t.Fatal(url, res.Status, err)
	}
}

// free is an address that nobody listens on.
func (s *site) free() string {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// start starts the program with the flags that all of them share, and its admin endpoint.
func (s *site) start(args ...string) (command *exec.Cmd, admin string) {
	s.t.Helper()
	admin = s.free()
	args = append(args, "--brokers", strings.Join(s.brokers, ","), "--topic", s.journal, "--status-topic", s.told, "--source", s.source, "--seal-keys", s.keys,
		"--kinesis-endpoint", s.stream, "--admin", admin, "--log-level", "warn")
	command = exec.Command(s.program, args...)
	command.Stderr = io.MultiWriter(s.t.Output(), &s.log)
	if err := command.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if command.ProcessState == nil {
			_ = command.Process.Kill()
			_ = command.Wait() // it was killed
		}
	})
	return command, admin
}

// serve starts the control plane with the flows in the same process.
func (s *site) serve(more ...string) (command *exec.Cmd, admin string) {
	s.t.Helper()
	s.api = s.free()
	command, admin = s.start(append([]string{"serve", "--run", "--listen", s.api}, more...)...)
	s.await(time.Minute, "the control plane answers", func() bool {
		conn, err := net.Dial("tcp", s.api)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return command, admin
}

// end is SIGTERM; the process must end well, and in the time that users are told.
func (s *site) end(command *exec.Cmd) {
	s.t.Helper()
	began := time.Now()
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		s.t.Errorf("exit after SIGTERM: %v", err)
	}
	if took := time.Since(began); took > 15*time.Second {
		s.t.Errorf("ending took %v", took)
	}
}

func (s *site) await(limit time.Duration, what string, done func() bool) time.Duration {
	s.t.Helper()
	began := time.Now()
	for !done() {
		if time.Since(began) > limit {
			s.t.Fatalf("%s: not within %v", what, limit)
		}
		pass(5 * time.Millisecond)
	}
	return time.Since(began)
}

// call makes a call of the API.
func (s *site) call(method, path, body string, status int, more ...string) map[string]any {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.api+flowservice+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(more); i += 2 {
		request.Header.Set(more[i], more[i+1])
	}
	res, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		s.t.Fatalf("%s %s: %s %s %v", method, path, res.Status, text, err)
	}
	var got map[string]any
	_ = json.Unmarshal(text, &got) // a 202 may be empty
	return got
}

// createStream makes a stream and awaits it.
func (s *site) createStream(name string, shards int32) {
	s.t.Helper()
	if _, err := s.kinesis.CreateStream(s.t.Context(), &kinesis.CreateStreamInput{StreamName: &name, ShardCount: &shards}); err != nil {
		s.t.Fatal("create the stream:", err)
	}
	waiter := kinesis.NewStreamExistsWaiter(s.kinesis, func(o *kinesis.StreamExistsWaiterOptions) { o.MinDelay = 100 * time.Millisecond })
	if err := waiter.Wait(s.t.Context(), &kinesis.DescribeStreamInput{StreamName: &name}, 30*time.Second); err != nil {
		s.t.Fatal("await the stream:", err)
	}
}

// records counts what a stream has.
func (s *site) records(name string) int {
	s.t.Helper()
	shards, err := s.kinesis.ListShards(s.t.Context(), &kinesis.ListShardsInput{StreamName: &name})
	if err != nil {
		s.t.Fatal(err)
	}
	n := 0
	for _, shard := range shards.Shards {
		it, err := s.kinesis.GetShardIterator(s.t.Context(), &kinesis.GetShardIteratorInput{StreamName: &name, ShardId: shard.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			s.t.Fatal(err)
		}
		for at := it.ShardIterator; at != nil; {
			got, err := s.kinesis.GetRecords(s.t.Context(), &kinesis.GetRecordsInput{ShardIterator: at})
			if err != nil {
				s.t.Fatal(err)
			}
			n += len(got.Records)
			if at = got.NextShardIterator; len(got.Records) == 0 && aws.ToInt64(got.MillisBehindLatest) == 0 {
				break
			}
		}
	}
	return n
}

// account sets the tutorial's first four calls up, once for many flows.
func (s *site) account() (from, account string) {
	s.t.Helper()
	base := s.call("POST", "/connections", `{"name":"Profiles","connectionSpec":{"id":"`+profileSpec+`","version":"1.0"}}`, 201)["id"].(string)
	from = s.call("POST", "/sourceConnections", `{"name":"Profiles","connectionSpec":{"id":"`+profileSpec+`","version":"1.0"},"baseConnectionId":"`+base+`","data":{"format":"json"},"params":{}}`, 201)["id"].(string)
	account = s.call("POST", "/connections?validate=false", `{"name":"Kinesis","connectionSpec":{"id":"`+kinesisSpec+`","version":"1.0"},
		"auth":{"specName":"Aws Kinesis authentication credentials","params":{"accessKeyId":"AKIAIOSFODNN7EXAMPLE","secretKey":"wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY","region":"us-east-1"}}}`, 201)["id"].(string)
	return from, account
}

// The tutorial's selectors: two segments and two attributes.
var (
	segments   = []string{`{"type":"PLATFORM_SEGMENT","value":{"id":"` + leads.HighPropensity + `"}}`, `{"type":"PLATFORM_SEGMENT","value":{"id":"` + leads.Newsletter + `"}}`}
	attributes = []string{`{"type":"JSON_PATH","value":{"path":"person.email"}}`, `{"type":"JSON_PATH","value":{"path":"loyalty.points"}}`}
)

// flow makes a flow to a stream, activated or not.
func (s *site) flow(from, account, stream string, activated bool) made {
	s.t.Helper()
	var profile, segment string
	if activated {
		profile, segment = strings.Join(attributes, ","), strings.Join(segments, ",")
	}
	m := made{account: account}
	m.target = s.call("POST", "/targetConnections?validate=false", `{"name":"Stream","baseConnectionId":"`+account+`","connectionSpec":{"id":"`+kinesisSpec+`","version":"1.0"},"data":{"format":"json"},
		"params":{"stream":"`+stream+`","region":"us-east-1"}}`, 201)["id"].(string)
	flow := s.call("POST", "/flows", `{"name":"Leads","description":"","flowSpec":{"id":"`+flowSpec+`","version":"1.0"},"sourceConnectionIds":["`+from+`"],"targetConnectionIds":["`+m.target+`"],
		"transformations":[{"name":"GeneralTransform","params":{"profileSelectors":{"selectors":[`+profile+`]},"segmentSelectors":{"selectors":[`+segment+`]}}}]}`, 201)
	m.flow, m.etag = flow["id"].(string), flow["etag"].(string)
	return m
}

// activate is the tutorial's patch: two segments and two attributes.
func (s *site) activate(m *made) {
	s.t.Helper()
	var ops []string
	for list, selectors := range map[string][]string{"segmentSelectors": segments, "profileSelectors": attributes} {
		for _, one := range selectors {
			ops = append(ops, `{"op":"add","path":"/transformations/0/params/`+list+`/selectors/-","value":`+one+`}`)
		}
	}
	m.etag = s.call("PATCH", "/flows/"+m.flow, "["+strings.Join(ops, ",")+"]", 202, "If-Match", m.etag)["etag"].(string)
}
