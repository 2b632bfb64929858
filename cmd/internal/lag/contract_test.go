package lag

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/consumer/embeddedkafka"
)

// world is a Kafka, a real one where the environment gives its address, with
// one topic and a group that is not running.
type world struct {
	t       *testing.T
	brokers []string
	real    bool
	topic   string
	client  *kafka.Client
	config  config.Config
}

const partitions = 3

func newWorld(t *testing.T, settings ...kafka.ConfigEntry) *world {
	t.Helper()
	name := fmt.Sprintf("lag-%d", time.Now().UnixNano())
	w := &world{t: t, topic: "events-" + name}
	if brokers := os.Getenv("KAFKA_BROKERS"); brokers != "" {
		w.brokers, w.real = strings.Split(brokers, ","), true
	} else {
		cluster, err := embeddedkafka.Start(embeddedkafka.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		w.brokers = cluster.ListenAddrs()
	}
	transport := &kafka.Transport{MetadataTTL: time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	w.client = &kafka.Client{Addr: kafka.TCP(w.brokers...), Transport: transport}
	res, err := w.client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: w.topic, NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: settings,
	}}})
	if err != nil || res.Errors[w.topic] != nil {
		t.Fatal("create the topic:", err, res)
	}
	w.config, err = config.Parse("lag.yaml", fmt.Appendf(nil, `name: %s
source:
  kafka: {brokers: ["%s"], topic: %s}
  schemaRegistry: {url: "http://127.0.0.1:1"}
target:
  kinesis: {region: us-east-1, stream: leads}
activation:
  segments: [{id: 59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae}]
server: {listen: "127.0.0.1:1"}
`, name, strings.Join(w.brokers, `", "`), w.topic))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// write writes n messages to a partition, in one transaction where end says how it ends.
func (w *world) write(partition, n int, key string, end ...kgo.TransactionEndTry) {
	w.t.Helper()
	opts := []kgo.Opt{kgo.SeedBrokers(w.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner())}
	if len(end) > 0 {
		opts = append(opts, kgo.TransactionalID(w.topic))
	}
	producer, err := kgo.NewClient(opts...)
	if err != nil {
		w.t.Fatal(err)
	}
	defer producer.Close()
	if len(end) > 0 {
		if err := producer.BeginTransaction(); err != nil {
			w.t.Fatal(err)
		}
	}
	for range n {
		r := &kgo.Record{Topic: w.topic, Partition: int32(partition), Key: []byte(key), Value: []byte("value")}
		if err := producer.ProduceSync(w.t.Context(), r).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
	if len(end) > 0 {
		if err := producer.EndTransaction(w.t.Context(), end[0]); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) commit(partition int, offset int64) {
	w.t.Helper()
	var err error
	for range 50 { // a coordinator that is being chosen is not there yet
		var res *kafka.OffsetCommitResponse
		res, err = w.client.OffsetCommit(w.t.Context(), &kafka.OffsetCommitRequest{
			GroupID: w.config.Source.Kafka.Group, GenerationID: -1,
			Topics: map[string][]kafka.OffsetCommit{w.topic: {{Partition: partition, Offset: offset}}},
		})
		if err == nil {
			err = res.Topics[w.topic][0].Error
		}
		if err == nil {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	w.t.Fatal("commit:", err)
}

func (w *world) measure() []Row {
	w.t.Helper()
	meter, err := NewMeter([]config.Config{w.config})
	if err != nil {
		w.t.Fatal(err)
	}
	defer meter.Close()
	s, err := meter.Measure(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return s.Rows
}

// check compares the rows with the lag that is expected of each partition, and,
// where Kafka's own tools are at hand, with what kafka-consumer-groups says.
func (w *world) check(what string, expected map[int]int64) {
	w.t.Helper()
	found := map[int]int64{}
	text := map[int]string{}
	for _, r := range w.measure() {
		found[r.Partition] = r.Lag
		if r.Committed >= 0 { // the tool lists no others
			text[r.Partition] = fmt.Sprint(r.Committed, r.End, r.Lag)
		}
		if r.Lag == 0 && r.LagSeconds != 0 || r.Lag < 0 || r.Held != nil {
			w.t.Errorf("%s: %+v", what, r)
		}
	}
	if !maps.Equal(found, expected) {
		w.t.Errorf("%s: lag %v, expected %v", what, found, expected)
	}
	if theirs := w.consumerGroups(); theirs != nil && !maps.Equal(text, theirs) {
		w.t.Errorf("%s: committed, end and lag %v, kafka-consumer-groups says %v", what, text, theirs)
	} else if theirs != nil {
		w.t.Logf("%s: as kafka-consumer-groups says: %v", what, theirs)
	}
}

// consumerGroups is committed, end and lag by partition, as Kafka's tool has it; nil without it.
func (w *world) consumerGroups() map[int]string {
	w.t.Helper()
	java := os.Getenv("KAFKA_TOOLS_JAVA")
	if java == "" || !w.real {
		return nil
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, java, "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", os.Getenv("KAFKA_TOOLS_CLASSPATH"),
		"org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
		"--bootstrap-server", w.brokers[0], "--describe", "--group", w.config.Source.Kafka.Group)
	out, err := command.Output()
	if err != nil {
		w.t.Fatalf("kafka-consumer-groups: %v\n%s", err, out)
	}
	theirs := map[int]string{}
	for line := range strings.Lines(string(out)) { // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG …
		if f := strings.Fields(line); len(f) > 5 && f[1] == w.topic {
			n, err := strconv.Atoi(f[2])
			if err != nil {
				w.t.Fatal(err)
			}
			theirs[n] = strings.Join(f[3:6], " ")
		}
	}
	if len(theirs) == 0 {
		w.t.Fatalf("kafka-consumer-groups lists nothing:\n%s", out)
	}
	return theirs
}

func TestContractLagIsThatOfKafkaConsumerGroups(t *testing.T) {
	w := newWorld(t)
	w.write(0, 40, "k")
	w.write(1, 7, "k")
	w.commit(0, 25)
	w.commit(1, 7)
	w.check("a plain topic", map[int]int64{0: 15, 1: 0, 2: 0})
	for _, r := range w.measure() {
		if r.Partition == 0 && (r.LagSeconds <= 0 || r.LagSeconds > 60) {
			t.Errorf("the oldest event is %v s old", r.LagSeconds)
		}
	}
}

func TestContractLagOfATransactionalTopicIsThatOfKafkaConsumerGroups(t *testing.T) {
	w := newWorld(t)
	w.write(0, 10, "k", kgo.TryCommit) // 10 and a marker
	w.write(0, 5, "k", kgo.TryAbort)   // 5 and a marker
	w.write(0, 3, "k")
	w.write(1, 4, "k", kgo.TryAbort)
	w.commit(0, 6)
	w.commit(1, 0)
	w.check("a transactional topic", map[int]int64{0: 14, 1: 5, 2: 0})
	for _, r := range w.measure() {
		if aborted := r.Partition == 1; (r.LagSeconds > 0) == aborted && r.Partition < 2 {
			t.Errorf("partition %d: %v s; aborted records are no events to wait for", r.Partition, r.LagSeconds)
		}
	}
}

func TestContractLagOfACompactedTopicIsThatOfKafkaConsumerGroups(t *testing.T) {
	w := newWorld(t,
		kafka.ConfigEntry{ConfigName: "cleanup.policy", ConfigValue: "compact"},
		kafka.ConfigEntry{ConfigName: "segment.ms", ConfigValue: "100"},
		kafka.ConfigEntry{ConfigName: "min.cleanable.dirty.ratio", ConfigValue: "0.01"},
		kafka.ConfigEntry{ConfigName: "max.compaction.lag.ms", ConfigValue: "100"},
	)
	w.write(0, 30, "same")
	<-time.After(200 * time.Millisecond) // for the segment to be closed by the next write
	w.write(0, 2, "other")
	w.commit(0, 4)
	for deadline := time.Now().Add(90 * time.Second); w.real && w.holds(5); <-time.After(time.Second) {
		if time.Now().After(deadline) {
			t.Fatal("the topic was not compacted in time")
		}
	}
	w.check("a compacted topic", map[int]int64{0: 28, 1: 0, 2: 0})
}

// holds tells whether partition 0 still has a message at an offset.
func (w *world) holds(offset int64) bool {
	w.t.Helper()
	res, err := w.client.Fetch(w.t.Context(), &kafka.FetchRequest{Topic: w.topic, Offset: offset, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := res.Records.ReadRecord()
	return err == nil && r.Offset == offset
}
