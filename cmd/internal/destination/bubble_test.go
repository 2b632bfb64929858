package destination

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/cmd/internal/testutil"
	"kinesis-destination/consumer/embeddedkafka"
	"kinesis-destination/schemas"
	"kinesis-destination/schemas/embeddedregistry"
	"kinesis-destination/sink/embeddedkinesis"
)

const (
	testTopic  = "segment-evaluations"
	testStream = "leads"
	testLetter = "segment-evaluations.leads.dlt"
)

// bubble is Kafka, registry and stream on an in-memory network, for a bubble of
// virtual time.
type bubble struct {
	t         *testing.T
	network   *kfake.VirtualNetwork
	kafka     *embeddedkafka.Cluster
	registry  *embeddedregistry.Registry
	kinesis   *embeddedkinesis.Server
	transport *kafka.Transport
	schemaID  int
	log       *testutil.Buffer
}

func newBubble(t *testing.T, partitions int, options embeddedkinesis.Options) *bubble {
	t.Helper()
	b := &bubble{
		t: t, network: new(kfake.VirtualNetwork), registry: embeddedregistry.New(),
		kinesis: embeddedkinesis.New(options), log: new(testutil.Buffer),
	}
	var err error
	b.kafka, err = embeddedkafka.Start(embeddedkafka.Options{
		Listen: b.network.Listen, Ports: []int{9092}, Topics: map[string]int{testTopic: partitions},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.kafka.Close)
	b.schemaID = b.registry.Register(testTopic+"-value", string(schemas.SegmentEvaluation))
	b.kinesis.Create(embeddedkinesis.Stream{Name: testStream, Shards: 4})
	b.serve(8081, b.registry)
	b.serve(4567, b.kinesis)
	b.transport = &kafka.Transport{Dial: b.network.DialContext, MetadataTTL: time.Second}
	t.Cleanup(b.transport.CloseIdleConnections)
	return b
}

func (b *bubble) serve(port int, handler http.Handler) {
	b.t.Helper()
	listener, err := b.network.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		b.t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	b.t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			b.t.Errorf("serve: %v", err)
		}
	})
}

const BubbleConfig = `
name: leads
source:
  kafka: {brokers: ["127.0.0.1:9092"], topic: segment-evaluations}
  schemaRegistry: {url: "http://127.0.0.1:8081"}
target:
  kinesis:
    region: us-east-1
    stream: leads
    endpoint: http://127.0.0.1:4567
    credentials: {accessKeyId: test, secretAccessKey: test}
activation:
  segments: [{id: 59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae}, {id: 7841ba61-23c1-4bb3-a495-00d3g5fe1e93}]
  attributes: [person.email, loyalty.points]
`

func (b *bubble) config(extra string) config.Config {
	b.t.Helper()
	config, err := config.Parse("bubble.yaml", []byte(BubbleConfig+extra))
	if err != nil {
		b.t.Fatal(err)
	}
	return config
}

// process is one running process.
type process struct {
	*Destination
	cancel context.CancelFunc
	done   chan error
	ended  sync.Once
}

// launch runs a destination in this process until it is stopped, or the test ends.
func launch(t *testing.T, cfg config.Config, o Options) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{cancel: cancel, done: make(chan error, 1)}
	started := make(chan *Destination, 1)
	o.Started = func(ds []*Destination) { started <- ds[0] }
	go func() { p.done <- Run(ctx, []config.Config{cfg}, o) }()
	select {
	case p.Destination = <-started:
	case err := <-p.done:
		t.Fatal(err)
	}
	t.Cleanup(func() { // a failed test must not leave it behind in the bubble
		p.cancel()
		p.ended.Do(func() {
			if err := <-p.done; err != nil {
				t.Logf("run: %v", err)
			}
		})
	})
	return p
}

// start runs a destination; port is that of its admin endpoints.
func (b *bubble) start(port int, extra string) *process {
	b.t.Helper()
	return launch(b.t, b.config(extra+fmt.Sprintf("server: {listen: \"127.0.0.1:%d\"}\n", port)), Options{
		Logger: slog.New(slog.NewTextHandler(b.log, nil)), Dial: b.network.DialContext, Listen: b.network.Listen,
	})
}

// stop is SIGTERM. The process must end well, and in the time that users are told.
func (p *process) stop(t *testing.T) {
	t.Helper()
	began := time.Now()
	p.cancel()
	p.ended.Do(func() {
		if err := <-p.done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("ending took %v", took)
	}
}

// get asks the admin endpoints.
func (b *bubble) get(port int, path string) (int, string) {
	b.t.Helper()
	transport := &http.Transport{DialContext: b.network.DialContext}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get(fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// produce writes messages to the partitions of their keys.
func (b *bubble) produce(messages ...kafka.Message) {
	b.t.Helper()
	w := kafka.Writer{
		Addr: kafka.TCP("127.0.0.1:9092"), Topic: testTopic, Transport: b.transport,
		Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll, BatchSize: len(messages), BatchTimeout: time.Millisecond, BatchBytes: 16 << 20, Compression: kafka.Snappy,
	}
	if err := w.WriteMessages(context.Background(), messages...); err != nil {
		b.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bubble) message(e leads.Event) kafka.Message {
	return kafka.Message{Key: []byte(e.Key), Value: append(schemas.AppendFrame(nil, b.schemaID), e.Body...)}
}

// letters are the dead letters, by partition and offset.
func (b *bubble) letters() []kafka.Message {
	b.t.Helper()
	pass(10 * time.Second) // for the client to hear of the topic
	ctx := context.Background()
	client := kafka.Client{Addr: kafka.TCP("127.0.0.1:9092"), Transport: b.transport}
	var all []kafka.Message
	for p := 0; ; p++ {
		end, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{testLetter: {kafka.LastOffsetOf(p)}}})
		if err != nil || len(end.Topics[testLetter]) == 0 || end.Topics[testLetter][0].Error != nil {
			return all
		}
		for at := int64(0); at < end.Topics[testLetter][0].LastOffset; {
			res, err := client.Fetch(ctx, &kafka.FetchRequest{Topic: testLetter, Partition: p, Offset: at, MinBytes: 1, MaxBytes: 1 << 22, MaxWait: time.Second})
			if err != nil {
				b.t.Fatal(err)
			}
			for {
				r, err := res.Records.ReadRecord()
				if err != nil {
					break
				}
				m := kafka.Message{Partition: p, Offset: r.Offset, Headers: r.Headers}
				if r.Key != nil {
					m.Key, _ = io.ReadAll(r.Key)
				}
				if r.Value != nil {
					m.Value, _ = io.ReadAll(r.Value)
				}
				at = r.Offset + 1
				all = append(all, m)
			}
		}
	}
}

// settled waits, in virtual time, until the processes together have settled n events.
func (b *bubble) settled(n int64, limit time.Duration, processes ...*process) {
	b.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		var rest int64
		for _, p := range processes {
			a := p.Account()
			rest += a.Consumed - a.Withdrawn - a.Unaccounted()
		}
		if rest >= n {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%d of %d events came to rest in %v", rest, n, limit)
		}
		pass(50 * time.Millisecond)
	}
}

// pass lets virtual time go by.
func pass(d time.Duration) { <-time.After(d) }
