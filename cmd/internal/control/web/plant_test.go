package web_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/consumer/embeddedkafka"
	"kinesis-destination/schemas"
	"kinesis-destination/schemas/embeddedregistry"
	"kinesis-destination/sink/embeddedkinesis"
)

// plant is the built program with the flows in the same process (serve --run), on the
// Kafka, registry and stream whose addresses the environment gives, else embedded ones.
type plant struct {
	t                *testing.T
	brokers          []string
	registry, stream string
	topic, leads     string // the topic and the stream
	url              string
	kafka            *kafka.Client
	kinesis          *kinesis.Client
	schemaID         int
	events           *leads.Generator
	written          int
}

// program builds the program once for all tests.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "kinesis-destination-*")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "kinesis-destination")
	if out, err := exec.Command("go", "build", "-o", file, "kinesis-destination/cmd/kinesis-destination").CombinedOutput(); err != nil { //nolint:noctx // a test's time bounds it
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return file, nil
})

func newPlant(t *testing.T) *plant {
	t.Helper()
	if os.Getenv("CHROMIUM") == "" {
		t.Skip("CHROMIUM is not set: make contract sets it")
	}
	name := fmt.Sprintf("page-%d", time.Now().UnixNano())
	p := &plant{t: t, topic: "events-" + name, leads: "leads-" + name, registry: os.Getenv("SCHEMA_REGISTRY_URL"), stream: os.Getenv("KINESIS_ENDPOINT")}
	if brokers := os.Getenv("KAFKA_BROKERS"); brokers != "" {
		p.brokers = strings.Split(brokers, ",")
	} else {
		cluster, err := embeddedkafka.Start(embeddedkafka.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		p.brokers = cluster.ListenAddrs()
	}
	p.registry = cmp.Or(p.registry, p.serve(embeddedregistry.New()))
	p.stream = cmp.Or(p.stream, p.serve(embeddedkinesis.New(embeddedkinesis.Options{})))
	transport := &kafka.Transport{MetadataTTL: time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	p.kafka = &kafka.Client{Addr: kafka.TCP(p.brokers...), Transport: transport}
	p.kinesis = kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(p.stream), Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, nil
		}),
	})
	p.prepare()
	p.start()
	return p
}

func (p *plant) serve(h http.Handler) string {
	server := httptest.NewServer(h)
	p.t.Cleanup(server.Close)
	return server.URL
}

// prepare makes the topic, the schema and the stream.
func (p *plant) prepare() {
	p.t.Helper()
	ctx := p.t.Context()
	made, err := p.kafka.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: p.topic, NumPartitions: 4, ReplicationFactor: -1}}})
	if err != nil || made.Errors[p.topic] != nil {
		p.t.Fatal("create the topic:", err, made)
	}
	body, err := json.Marshal(map[string]string{"schema": string(schemas.SegmentEvaluation)})
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := http.Post(p.registry+"/subjects/"+p.topic+"-value/versions", "application/vnd.schemaregistry.v1+json", bytes.NewReader(body)) //nolint:noctx // the test's own time bounds it
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var registered struct{ ID int }
	if err := json.NewDecoder(answer.Body).Decode(&registered); err != nil {
		p.t.Fatal(err)
	}
	p.schemaID = registered.ID
	p.makeStream()
	if p.events, err = leads.New(23, 200); err != nil {
		p.t.Fatal(err)
	}
}

// makeStream makes the stream, and waits until it is there.
func (p *plant) makeStream() {
	p.t.Helper()
	ctx := p.t.Context()
	shards := int32(2)
	if _, err := p.kinesis.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &p.leads, ShardCount: &shards}); err != nil {
		p.t.Fatal("create the stream:", err)
	}
	waiter := kinesis.NewStreamExistsWaiter(p.kinesis, func(o *kinesis.StreamExistsWaiterOptions) { o.MinDelay = 100 * time.Millisecond })
	if err := waiter.Wait(ctx, &kinesis.DescribeStreamInput{StreamName: &p.leads}, 30*time.Second); err != nil {
		p.t.Fatal("await the stream:", err)
	}
}

// start runs the program until the test ends.
func (p *plant) start() {
	p.t.Helper()
	file, err := program()
	if err != nil {
		p.t.Fatal(err)
	}
	dir := p.t.TempDir()
	source, keys := filepath.Join(dir, "source.yaml"), filepath.Join(dir, "keys")
	for name, text := range map[string]string{
		source: fmt.Sprintf("name: profiles\ndescription: Profiles of the company\nkafka: {brokers: [\"%s\"], topic: %s}\nschemaRegistry: {url: \"%s\"}\nsegments:\n  - {id: %s, name: High propensity to convert}\n  - {id: %s, name: Newsletter, labels: [C8]}\n",
			strings.Join(p.brokers, `", "`), p.topic, p.registry, leads.HighPropensity, leads.Newsletter),
		keys: "k1 " + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")) + "\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	listen := p.free()
	p.url = "http://" + listen
	command := exec.Command(file, "serve", "--run", "--listen", listen, "--brokers", strings.Join(p.brokers, ","), "--topic", "control-"+p.topic, //nolint:noctx // it is ended below
		"--source", source, "--seal-keys", keys, "--kinesis-endpoint", p.stream, "--admin", p.free(), "--log-level", "warn")
	command.Stderr = p.t.Output()
	if err := command.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		if err := command.Wait(); err != nil {
			p.t.Errorf("the program ended with %v", err)
		}
	})
	p.await("the control plane answers", func() bool {
		conn, err := net.Dial("tcp", listen)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

func (p *plant) free() string {
	p.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (p *plant) await(what string, done func() bool) {
	p.t.Helper()
	end := time.After(time.Minute)
	for !done() {
		select {
		case <-end:
			p.t.Fatalf("%s: not within a minute", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// feed writes events to the topic.
func (p *plant) feed(n int) {
	p.t.Helper()
	var messages []kafka.Message
	for range n {
		e, err := p.events.Next()
		if err != nil {
			p.t.Fatal(err)
		}
		if e.Filtered == "" {
			p.written++
		}
		messages = append(messages, kafka.Message{Key: []byte(e.Key), Value: append(schemas.AppendFrame(nil, p.schemaID), e.Body...)})
	}
	p.write(messages)
}

// spoil writes messages that are no events of the schema.
func (p *plant) spoil(n int) {
	p.t.Helper()
	var messages []kafka.Message
	for range n {
		messages = append(messages, kafka.Message{Key: []byte("spoilt"), Value: append(schemas.AppendFrame(nil, p.schemaID), 0xff)})
	}
	p.write(messages)
}

func (p *plant) write(messages []kafka.Message) {
	p.t.Helper()
	w := kafka.Writer{Addr: p.kafka.Addr, Topic: p.topic, Transport: p.kafka.Transport, Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll, BatchSize: len(messages), BatchTimeout: time.Millisecond}
	if err := errors.Join(w.WriteMessages(p.t.Context(), messages...), w.Close()); err != nil {
		p.t.Fatal(err)
	}
}

// records counts what the stream has.
func (p *plant) records() int {
	p.t.Helper()
	ctx := p.t.Context()
	shards, err := p.kinesis.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &p.leads})
	if err != nil {
		p.t.Fatal(err)
	}
	n := 0
	for _, shard := range shards.Shards {
		it, err := p.kinesis.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: &p.leads, ShardId: shard.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			p.t.Fatal(err)
		}
		for at := it.ShardIterator; at != nil; {
			got, err := p.kinesis.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at})
			if err != nil {
				p.t.Fatal(err)
			}
			n += len(got.Records)
			if at = got.NextShardIterator; len(got.Records) == 0 && aws.ToInt64(got.MillisBehindLatest) == 0 {
				break
			}
		}
	}
	return n
}

// answered makes a call of the API on the present version of a document.
func (p *plant) answered(method, path, body string) (int, map[string]any) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, p.url+flowservice+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("If-Match", "*")
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var value map[string]any
	_ = json.NewDecoder(answer.Body).Decode(&value) // a 202 may be empty
	return answer.StatusCode, value
}

func (p *plant) call(method, path, body string) map[string]any {
	p.t.Helper()
	status, value := p.answered(method, path, body)
	if status >= 300 {
		p.t.Fatalf("%s %s: %d %v", method, path, status, value)
	}
	return value
}

func (p *plant) must(method, path, body string) { p.t.Helper(); p.call(method, path, body) }

// refused is what a refusal says.
func (p *plant) refused(method, path, body string) string {
	p.t.Helper()
	status, value := p.answered(method, path, body)
	if status < 400 {
		return ""
	}
	said, _ := value["detail"].(string)
	return said
}
