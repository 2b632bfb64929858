package destination

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/cmd/internal/testutil"
	"kinesis-destination/consumer/embeddedkafka"
	"kinesis-destination/schemas"
	"kinesis-destination/schemas/embeddedregistry"
	"kinesis-destination/sink"
	"kinesis-destination/sink/embeddedkinesis"
)

// site is Kafka, registry and stream on TCP for one contract story: the real
// ones whose addresses the environment gives, else the embedded ones. A story
// is the same on both.
type site struct {
	t                *testing.T
	name             string // of the destination, its group and its stream
	topic            string
	brokers          []string
	registry, stream string // URLs
	embedded         *embeddedkinesis.Server
	transport        *kafka.Transport
	kafka            *kafka.Client
	kinesis          *kinesis.Client
	schemaID         int
	real             bool                   // Kafka is
	source           string                 // source.kafka, where it is not just the brokers and the topic
	extra            string                 // further blocks of the file
	letterHeader     *kafka.Header          // one more of each letter that is written
	ballast          int                    // bytes of a header that each event carries besides
	log              testutil.Buffer        // of processes that start began
	dial             dialer                 // of a process that start begins; nil: TCP
	write            func(...kafka.Message) // where set, writes what produce is given
}

const sitePartitions = 12

// dialer opens connections to brokers; nil: TCP.
type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// newSite prepares a topic, a schema and a stream of their own. A script, where
// given, needs the embedded stream: real ones have no faults to order.
func newSite(t *testing.T, script embeddedkinesis.Script) *site {
	t.Helper()
	return newSiteOn(t, script, embeddedkafka.Options{}, nil)
}

// newSiteOn is newSite where the embedded Kafka is one that lets only this dial in.
func newSiteOn(t *testing.T, script embeddedkinesis.Script, options embeddedkafka.Options, dial dialer) *site {
	t.Helper()
	if brokers := os.Getenv("KAFKA_BROKERS"); brokers != "" {
		return newSiteAt(t, script, strings.Split(brokers, ","), true, dial)
	}
	cluster, err := embeddedkafka.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return newSiteAt(t, script, cluster.ListenAddrs(), false, dial)
}

// newSiteAt is newSite at brokers that run already, real ones or not.
func newSiteAt(t *testing.T, script embeddedkinesis.Script, brokers []string, genuine bool, dial dialer) *site {
	t.Helper()
	name := fmt.Sprintf("%s-%d", strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(t.Name(), "TestContract"), "/", "-")), time.Now().UnixNano())
	s := &site{t: t, name: name, topic: "events-" + name, brokers: brokers, real: genuine}
	if s.registry = os.Getenv("SCHEMA_REGISTRY_URL"); s.registry == "" {
		s.registry = s.serve(embeddedregistry.New())
	}
	if s.stream = os.Getenv("KINESIS_ENDPOINT"); s.stream == "" || script != nil {
		s.embedded = embeddedkinesis.New(embeddedkinesis.Options{Script: script})
		s.stream = s.serve(s.embedded)
	}
	s.transport = &kafka.Transport{Dial: dial, MetadataTTL: time.Second, MetadataTopics: []string{s.topic, s.letterTopic()}}
	t.Cleanup(s.transport.CloseIdleConnections)
	s.kafka = &kafka.Client{Addr: kafka.TCP(s.brokers...), Transport: s.transport}
	s.kinesis = kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(s.stream), Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "contract", SecretAccessKey: "contract"}, nil
		}),
	})
	s.createTopic()
	s.schemaID = s.register(s.topic+"-value", string(schemas.SegmentEvaluation))
	s.createStream()
	return s
}

func (s *site) letterTopic() string { return s.topic + "." + s.name + ".dlt" }

func (s *site) serve(handler http.Handler) string {
	s.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(listener) }()
	s.t.Cleanup(func() { _ = server.Close() })
	return "http://" + listener.Addr().String()
}

func (s *site) createTopic() { s.makeTopic(s.topic, sitePartitions) }

// makeTopic is done when the topic can be written to: a broker says that it is made before it
// knows it, and leads it some moments later.
func (s *site) makeTopic(name string, partitions int) {
	s.t.Helper()
	res, err := s.kafka.CreateTopics(context.Background(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: name, NumPartitions: partitions, ReplicationFactor: -1, // the broker's default
	}}})
	if err != nil || res.Errors[name] != nil {
		s.t.Fatalf("create topic %s: %v %v", name, err, res)
	}
	s.awaitLed(name, partitions)
}

// awaitLed is done when the broker knows so many partitions of a topic, and leads each.
func (s *site) awaitLed(name string, partitions int) {
	s.t.Helper()
	s.await(time.Minute, "topic "+name+" is known", func() bool {
		m, err := s.kafka.Metadata(context.Background(), &kafka.MetadataRequest{Topics: []string{name}})
		return err == nil && m.Topics[0].Error == nil && len(m.Topics[0].Partitions) == partitions
	})
	for partition := range partitions {
		s.await(time.Minute, "topic "+name+" is led", func() bool {
			at, err := s.kafka.ListOffsets(context.Background(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{name: {kafka.LastOffsetOf(partition)}}})
			return err == nil && len(at.Topics[name]) == 1 && at.Topics[name][0].Error == nil
		})
	}
}

func (s *site) register(subject, schema string) int {
	s.t.Helper()
	body, err := json.Marshal(map[string]string{"schema": schema})
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := http.Post(s.registry+"/subjects/"+subject+"/versions", "application/vnd.schemaregistry.v1+json", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct{ ID int }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.ID == 0 {
		s.t.Fatal("register the schema:", res.Status, err)
	}
	return answer.ID
}

func (s *site) createStream() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := s.kinesis.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &s.name, ShardCount: aws.Int32(4)}); err != nil {
		s.t.Fatal("create the stream:", err)
	}
	waiter := kinesis.NewStreamExistsWaiter(s.kinesis, func(o *kinesis.StreamExistsWaiterOptions) { o.MinDelay = 100 * time.Millisecond })
	if err := waiter.Wait(ctx, &kinesis.DescribeStreamInput{StreamName: &s.name}, 30*time.Second); err != nil {
		s.t.Fatal("await the stream:", err)
	}
}

// configText is an ordinary destination's file.
func (s *site) configText() string {
	source := s.source
	if source == "" {
		source = fmt.Sprintf(`{brokers: ["%s"], topic: %s}`, strings.Join(s.brokers, `", "`), s.topic)
	}
	return fmt.Sprintf(`name: %s
source:
  kafka: %s
  schemaRegistry: {url: "%s"}
target:
  kinesis:
    region: us-east-1
    stream: %s
    endpoint: %s
    protocol: %s
    credentials: {accessKeyId: contract, secretAccessKey: contract}
    retry: {maxInterval: 2s}
activation:
  segments: [{id: %s}, {id: %s}]
  attributes: [person.email, loyalty.points]
server: {listen: "127.0.0.1:0"}
`, s.name, source, s.registry, s.name, s.stream, cmp.Or(os.Getenv("KINESIS_PROTOCOL"), sink.ProtocolJSON), leads.HighPropensity, leads.Newsletter) + s.extra
}

// start runs a destination in this process.
func (s *site) start() *process {
	s.t.Helper()
	config, err := config.Parse("site.yaml", []byte(s.configText()))
	if err != nil {
		s.t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.MultiWriter(s.t.Output(), &s.log), &slog.HandlerOptions{Level: slog.LevelWarn}))
	return launch(s.t, config, Options{Logger: log, Dial: s.dial})
}

// binary builds the program, once a test, and writes its configuration.
func (s *site) binary() (program, config string) {
	s.t.Helper()
	folder := s.t.TempDir()
	program, config = filepath.Join(folder, "kinesis-destination"), filepath.Join(folder, "destination.yaml")
	if out, err := exec.Command("go", "build", "-o", program, "kinesis-destination/cmd/kinesis-destination").CombinedOutput(); err != nil {
		s.t.Fatalf("build: %v\n%s", err, out)
	}
	if err := os.WriteFile(config, []byte(s.configText()), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return program, config
}

// run starts the program; the end of the test ends it if nothing else has.
func (s *site) run(program, config string, flags ...string) *exec.Cmd {
	s.t.Helper()
	command := exec.Command(program, append([]string{"run", "-c", config}, flags...)...)
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
	return command
}

// produce writes messages to the partitions of their keys.
func (s *site) produce(messages ...kafka.Message) {
	s.t.Helper()
	if s.write != nil {
		s.write(messages...)
		return
	}
	w := kafka.Writer{
		Addr: kafka.TCP(s.brokers...), Topic: s.topic, Transport: s.transport, Balancer: kafka.Murmur2Balancer{},
		RequiredAcks: kafka.RequireAll, BatchSize: 2000, BatchBytes: 1 << 20, BatchTimeout: 5 * time.Millisecond,
	}
	if err := w.WriteMessages(context.Background(), messages...); err != nil {
		s.t.Fatal("produce:", err)
	}
	if err := w.Close(); err != nil {
		s.t.Fatal("produce:", err)
	}
}

func (s *site) framed(body []byte) []byte {
	return append(schemas.AppendFrame(nil, s.schemaID), body...)
}

// feed makes n events up, tells the oracle and writes them.
func (s *site) feed(g *leads.Generator, o *oracle, n int) {
	s.t.Helper()
	const chunk = 10_000
	ballast := make([]byte, s.ballast)
	for n > 0 {
		messages := make([]kafka.Message, 0, chunk)
		for range min(n, chunk) {
			e, err := g.Next()
			if err != nil {
				s.t.Fatal(err)
			}
			o.add(e)
			messages = append(messages, kafka.Message{
				Key: []byte(e.Key), Value: s.framed(e.Body), Headers: []kafka.Header{{Key: "ballast", Value: ballast}},
			})
		}
		n -= len(messages)
		s.produce(messages...)
	}
}

// await polls until done says so, and fails the test when that takes too long.
func (s *site) await(limit time.Duration, what string, done func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(limit)
	for !done() {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: not within %v", what, limit)
		}
		pass(20 * time.Millisecond)
	}
}

// committed tells whether the group has committed the end of every partition.
func (s *site) committed() bool { return s.committedAll(sitePartitions) }

func (s *site) committedAll(number int) bool {
	ctx := context.Background()
	ends := map[string][]kafka.OffsetRequest{}
	partitions := map[string][]int{}
	for p := range number {
		ends[s.topic] = append(ends[s.topic], kafka.LastOffsetOf(p))
		partitions[s.topic] = append(partitions[s.topic], p)
	}
	last, err := s.kafka.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: ends})
	if err != nil {
		return false
	}
	group, err := s.kafka.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: s.name, Topics: partitions})
	if err != nil || group.Error != nil {
		return false
	}
	end := map[int]int64{}
	for _, p := range last.Topics[s.topic] {
		end[p.Partition] = p.LastOffset
	}
	for _, p := range group.Topics[s.topic] {
		if p.CommittedOffset != end[p.Partition] {
			return false
		}
	}
	return len(end) == number
}

// final is the whole stream once nothing is written to it any more, read back
// once more with an independent client where there is one: both must see the same.
func (s *site) final() []embeddedkinesis.Record {
	s.t.Helper()
	records := s.records()
	s.readBack(records)
	return records
}
