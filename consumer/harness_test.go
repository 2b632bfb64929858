package consumer

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"kinesis-destination/consumer/embeddedkafka"
)

// world is an in-memory Kafka in a bubble of virtual time.
type world struct {
	t       *testing.T
	network *kfake.VirtualNetwork
	kafka   *embeddedkafka.Cluster
	config  Config
}

func newWorld(t *testing.T, partitions int, ports ...int) *world {
	t.Helper()
	return newWorldOf(t, partitions, nil, ports...)
}

// newWorldOf is a world of a version of Kafka.
func newWorldOf(t *testing.T, partitions int, versions *kversion.Versions, ports ...int) *world {
	t.Helper()
	if len(ports) == 0 {
		ports = []int{9092}
	}
	w := &world{t: t, network: new(kfake.VirtualNetwork)}
	var err error
	w.kafka, err = embeddedkafka.Start(embeddedkafka.Options{
		Listen: w.network.Listen, Ports: ports, Topics: map[string]int{"events": partitions}, Versions: versions,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.kafka.Close)
	w.config = Config{Brokers: []string{"127.0.0.1:9092"}, Topic: "events", Group: "g"}
	w.config.Defaults()
	return w
}

func (w *world) producer(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers("127.0.0.1:9092"), kgo.Dialer(w.network.DialContext), kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}, opts...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	return cl
}

// produce writes values "partition:n" for n in [from, to) to a partition.
func (w *world) produce(partition, from, to int) {
	w.t.Helper()
	cl := w.producer()
	defer cl.Close()
	for n := from; n < to; n++ {
		r := &kgo.Record{Topic: "events", Partition: int32(partition), Value: fmt.Appendf(nil, "%d:%d", partition, n)}
		if err := cl.ProduceSync(context.Background(), r).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
}

// committed is what the group has for a partition.
func (w *world) committed(partition int) int64 {
	w.t.Helper()
	transport, err := w.config.Transport(w.network.DialContext)
	if err != nil {
		w.t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Transport: transport}
	res, err := client.OffsetFetch(context.Background(), &kafka.OffsetFetchRequest{
		Addr: w.config.Addr(), GroupID: "g", Topics: map[string][]int{"events": {partition}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Topics["events"][0].CommittedOffset
}

// member runs a consumer until stop is called.
type member struct {
	*Consumer
	cancel context.CancelFunc
	done   chan error

	mu       sync.Mutex
	seen     []string
	holds    []string
	standing map[string]string // topic/partition → why it is held
}

// slow delays what a connection sends of one kind of request (its API key), as
// often as told: a broker may take its time over any request.
type slow struct {
	key    uint16
	delay  time.Duration
	answer time.Duration    // delays the answer instead
	when   func(n int) bool // for the n-th of its kind
	n      atomic.Int32
}

type slowConn struct {
	net.Conn
	slows  []*slow
	answer atomic.Int64 // how late the next answer is
}

func (c *slowConn) Write(b []byte) (int, error) {
	for _, s := range c.slows {
		if len(b) > 6 && binary.BigEndian.Uint16(b[4:]) == s.key && s.when(int(s.n.Add(1))) {
			pass(s.delay)
			c.answer.Store(int64(s.answer))
		}
	}
	return c.Conn.Write(b)
}

func (c *slowConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if late := c.answer.Swap(0); late > 0 && err == nil {
		pass(time.Duration(late))
	}
	return n, err
}

// slowly dials connections that delay some requests.
func (w *world) slowly(slows ...*slow) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := w.network.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &slowConn{Conn: conn, slows: slows}, nil
	}
}

func (w *world) member(opts Options, handler func(m *member, msg *Message)) *member {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{cancel: cancel, done: make(chan error, 1), standing: map[string]string{}}
	if opts.Dial == nil {
		opts.Dial = w.network.DialContext
	}
	opts.Logger = slog.New(slog.NewTextHandler(w.t.Output(), nil))
	opts.Hold = func(topic string, partition int, reason string, _ error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.holds = append(m.holds, reason)
		m.standing[fmt.Sprintf("%s/%d", topic, partition)] = reason
	}
	var err error
	if m.Consumer, err = New(w.config, opts); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		m.done <- m.Run(ctx, func(_ context.Context, msg *Message) error {
			m.mu.Lock()
			m.seen = append(m.seen, string(msg.Value))
			m.mu.Unlock()
			handler(m, msg)
			return nil
		})
	}()
	return m
}

func (m *member) stop(t *testing.T) {
	t.Helper()
	m.cancel()
	if err := <-m.done; err != nil {
		t.Fatalf("run: %v", err)
	}
}

func settle(_ *member, msg *Message) { msg.Settle() }

func (m *member) values() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.seen)
}

// reasons are the holds reported so far, in order.
func (m *member) reasons() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.holds)
}

// pass lets virtual time go by, until every goroutine of the bubble waits.
func pass(d time.Duration) { <-time.After(d) }

func values(partition, from, to int) []string {
	var vs []string
	for n := from; n < to; n++ {
		vs = append(vs, fmt.Sprintf("%d:%d", partition, n))
	}
	return vs
}
