package consumer

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"kinesis-destination/consumer/embeddedkafka"
)

// realOrEmbedded is a configuration for a new topic of four partitions: on the
// Kafka that the environment names, else on the embedded one.
func realOrEmbedded(t *testing.T) Config {
	t.Helper()
	c, _ := realOrEmbeddedTopic(t, kafka.TopicConfig{NumPartitions: 4})
	return c
}

// realOrEmbeddedTopic is one for a new topic of the given kind; the cluster is
// nil where it is a real one.
func realOrEmbeddedTopic(t *testing.T, topic kafka.TopicConfig) (Config, *embeddedkafka.Cluster) {
	t.Helper()
	var brokers []string
	var cluster *embeddedkafka.Cluster
	if named := os.Getenv("KAFKA_BROKERS"); named != "" {
		brokers = strings.Split(named, ",")
	} else {
		var err error
		if cluster, err = embeddedkafka.Start(embeddedkafka.Options{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		brokers = cluster.ListenAddrs()
	}
	topic.Topic, topic.ReplicationFactor = fmt.Sprintf("consumer-%d", time.Now().UnixNano()), max(topic.ReplicationFactor, 1)
	createTopic(t, brokers, topic)
	c := Config{Brokers: brokers, Topic: topic.Topic, Group: topic.Topic}
	c.Defaults()
	return c, cluster
}

func createTopic(t *testing.T, brokers []string, topic kafka.TopicConfig) {
	t.Helper()
	transport := &kafka.Transport{MetadataTopics: []string{topic.Topic}}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport}
	res, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{topic}})
	if err != nil || res.Errors[topic.Topic] != nil {
		t.Fatal("create the topic:", err, res)
	}
}

// testProducer writes to the partitions that the records name.
func testProducer(t *testing.T, config Config, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	producer, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(config.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	return producer
}

func produceAll(t *testing.T, producer *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := producer.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// collector runs a member that settles what it gets.
type collector struct {
	*Consumer
	stop func()

	mu    sync.Mutex
	seen  []string
	holds []string
}

func collect(t *testing.T, config Config) *collector {
	t.Helper()
	return collectBy(t, config, nil)
}

// collectBy is collect by connections of one's own.
func collectBy(t *testing.T, config Config, dial embeddedkafka.Dial) *collector {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &collector{}
	var err error
	hold := func(_ string, _ int, reason string, _ error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.holds = append(c.holds, reason)
	}
	if c.Consumer, err = New(config, Options{Dial: dial, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Hold: hold}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- c.Run(ctx, func(_ context.Context, m *Message) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.seen = append(c.seen, string(m.Value))
			m.Settle()
			return nil
		})
	}()
	c.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(c.stop)
	return c
}

func (c *collector) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seen)
}

func (c *collector) held(reason string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.holds) > 0 && c.holds[len(c.holds)-1] == reason
}

func within(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !done(); pass(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, limit)
		}
	}
}

// What is read of a heartbeat's answer, sticky assignment, the session's end by
// leaving, and the metadata of commits, as the broker really does them.
func TestContractMembersNoticeEachOtherByHeartbeat(t *testing.T) {
	config := realOrEmbedded(t)
	producer, err := kgo.NewClient(kgo.SeedBrokers(config.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	produce := func(from, to int) {
		t.Helper()
		for n := from; n < to; n++ {
			r := &kgo.Record{Topic: config.Topic, Partition: int32(n % 4), Value: fmt.Append(nil, n)}
			if err := producer.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	a := collect(t, config)
	produce(0, 40)
	within(t, 30*time.Second, "the first member reads all", func() bool { return a.count() == 40 })
	before := a.Stats().Partitions
	b := collect(t, config)
	within(t, 30*time.Second, "the second member gets its share", func() bool {
		return len(a.Stats().Partitions) == 2 && len(b.Stats().Partitions) == 2
	})
	for _, p := range a.Stats().Partitions {
		if !slices.ContainsFunc(before, func(q PartitionStats) bool { return q.Partition == p.Partition }) {
			t.Errorf("partition %d moved to a member that did not need it", p.Partition)
		}
	}
	if left := time.Until(a.Lease()); left < DefaultSessionTimeout/2 || left > DefaultSessionTimeout {
		t.Errorf("%v left of the lease", left)
	}
	produce(40, 80)
	within(t, 30*time.Second, "both read on", func() bool { return a.count()+b.count() == 80 })
	a.stop()
	within(t, 10*time.Second, "the other takes over at once", func() bool { return len(b.Stats().Partitions) == 4 })
	produce(80, 120)
	within(t, 30*time.Second, "it reads on", func() bool { return a.count()+b.count() == 120 })
	b.stop()
	all := append(slices.Clone(a.seen), b.seen...)
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 120 {
		t.Errorf("%d of 120 messages were handed out", n)
	}
}

func TestContractAbortedRecordsAreNeverHandedOut(t *testing.T) {
	config := realOrEmbedded(t)
	producer, err := kgo.NewClient(kgo.SeedBrokers(config.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(config.Topic))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	var want []string
	for i, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for n := range 20 {
			value := fmt.Sprintf("%d/%02d", i, n)
			if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: config.Topic, Value: []byte(value)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if commit {
				want = append(want, value)
			}
		}
		if err := producer.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	c := collect(t, config)
	within(t, 30*time.Second, "everything is committed", func() bool {
		for _, p := range c.Stats().Partitions {
			if p.Partition == 0 {
				return p.End > 0 && p.Committed == p.End // markers included
			}
		}
		return false
	})
	c.stop()
	if !slices.Equal(c.seen, want) {
		t.Errorf("handed out %v, want %v", c.seen, want)
	}
}
