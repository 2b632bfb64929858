package main

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/testutil"
	"kinesis-destination/consumer"
	"kinesis-destination/consumer/embeddedkafka"
	"kinesis-destination/schemas"
	"kinesis-destination/schemas/embeddedregistry"
	"kinesis-destination/sink/embeddedkinesis"
)

// output is what a command line did.
type output struct {
	code           int
	stdout, stderr string
}

// command runs a command line to its end.
func command(t *testing.T, stdin string, args ...string) output {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stdout, stderr testutil.Buffer
	code := execute(ctx, args, strings.NewReader(stdin), &stdout, &stderr)
	return output{code, stdout.String(), stderr.String()}
}

// eventually waits for what happens in another goroutine.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			t.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}

// servers are Kafka, registry and stream on loopback.
type servers struct {
	t          *testing.T
	kafka      *embeddedkafka.Cluster
	registry   *embeddedregistry.Registry
	kinesis    *embeddedkinesis.Server
	schema     *schemas.Schema
	schemaID   int
	admin      string // where run listens
	transport  *kafka.Transport
	config     string // the text of an ordinary configuration
	configFile string
}

func startServers(t *testing.T) *servers {
	t.Helper()
	s := &servers{t: t, registry: embeddedregistry.New(), kinesis: embeddedkinesis.New(embeddedkinesis.Options{})}
	var err error
	if s.kafka, err = embeddedkafka.Start(embeddedkafka.Options{Topics: map[string]int{demoTopic: 2}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kafka.Close)
	if s.schema, err = schemas.Parse(schemas.SegmentEvaluation); err != nil {
		t.Fatal(err)
	}
	s.schemaID = s.registry.Register(demoTopic+"-value", string(schemas.SegmentEvaluation))
	s.kinesis.Create(embeddedkinesis.Stream{Name: demoStream, Shards: 2})
	registry, kinesis := httptest.NewServer(s.registry), httptest.NewServer(s.kinesis)
	t.Cleanup(registry.Close)
	t.Cleanup(kinesis.Close)
	s.transport = &kafka.Transport{MetadataTTL: time.Second}
	t.Cleanup(s.transport.CloseIdleConnections)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.admin = free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	s.config = fmt.Sprintf(`name: leads
source:
  kafka: {brokers: ["%s"], topic: %s}
  schemaRegistry: {url: "%s"}
target:
  kinesis:
    region: us-east-1
    stream: %s
    endpoint: "%s"
    credentials: {accessKeyId: test, secretAccessKey: test}
activation:
  segments: [{id: 59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae}, {id: 7841ba61-23c1-4bb3-a495-00d3g5fe1e93}]
  attributes: [person.email]
server: {listen: "%s"}
`, s.kafka.ListenAddrs()[0], demoTopic, registry.URL, demoStream, kinesis.URL, s.admin)
	s.configFile = filepath.Join(t.TempDir(), "destination.yaml")
	s.write(s.config)
	return s
}

// write puts another configuration in the file's place.
func (s *servers) write(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.configFile, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// changed is the ordinary configuration with one part replaced.
func (s *servers) changed(old, now string) string {
	s.t.Helper()
	text := strings.Replace(s.config, old, now, 1)
	if text == s.config {
		s.t.Fatalf("the configuration has no %s", old)
	}
	return text
}

// produce writes messages to partition 1, as they are.
func (s *servers) produce(messages ...kafka.Message) {
	s.t.Helper()
	w := kafka.Writer{
		Addr: kafka.TCP(s.kafka.ListenAddrs()...), Topic: demoTopic, Transport: s.transport, RequiredAcks: kafka.RequireAll,
		Balancer: kafka.BalancerFunc(func(kafka.Message, ...int) int { return 1 }), BatchTimeout: time.Millisecond,
	}
	if err := w.WriteMessages(s.t.Context(), messages...); err != nil {
		s.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// framed is an event in Avro JSON as it stands in Kafka.
func (s *servers) framed(event []byte) []byte {
	s.t.Helper()
	body, err := s.schema.EncodeJSON(event)
	if err != nil {
		s.t.Fatal(err)
	}
	return append(schemas.AppendFrame(nil, s.schemaID), body...)
}

// running is a run command under way.
type running struct {
	stderr *testutil.Buffer
	stop   func() output
}

// run starts run, and waits until it listens. It is ended by stop, as by SIGTERM.
func (s *servers) run(args ...string) running {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var stdout testutil.Buffer
	r := running{stderr: new(testutil.Buffer)}
	done := make(chan int, 1)
	go func() {
		done <- execute(ctx, append([]string{"run", "-c", s.configFile}, args...), strings.NewReader(""), &stdout, r.stderr)
	}()
	var once sync.Once
	var result output
	r.stop = func() output {
		once.Do(func() {
			cancel()
			result = output{<-done, stdout.String(), r.stderr.String()}
		})
		return result
	}
	s.t.Cleanup(func() { r.stop() })
	eventually(s.t, "run is up", func() bool { return strings.Contains(r.stderr.String(), "partitions assigned") })
	return r
}

// truncate lets a topic forget what is before an offset, as its retention does.
func (s *servers) truncate(topic string, partition int, before int64) {
	s.t.Helper()
	history, err := consumer.NewHistory(consumer.Config{Brokers: s.kafka.ListenAddrs(), Topic: topic}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer history.Close()
	if err := history.Erase(s.t.Context(), topic, partition, before); err != nil {
		s.t.Fatal(err)
	}
}
