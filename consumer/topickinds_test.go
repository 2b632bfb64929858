package consumer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// readBack is every message of the topic that a group would be given, in order.
func readBack(t *testing.T, config Config) []Message {
	t.Helper()
	h, err := NewHistory(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	ranges, err := h.Ranges(t.Context(), Place{where: Earliest}, Place{where: Latest})
	if err != nil {
		t.Fatal(err)
	}
	var all []Message
	for _, r := range ranges {
		if err := h.Read(t.Context(), r, func(m *Message) error { all = append(all, *m); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestContractEveryCodecIsReadWithKeysAndHeaders(t *testing.T) {
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		t.Run(name, func(t *testing.T) {
			config, _ := realOrEmbeddedTopic(t, kafka.TopicConfig{NumPartitions: 1})
			producer := testProducer(t, config, kgo.ProducerBatchCompression(codec))
			var records []*kgo.Record
			for n := range 500 {
				records = append(records, &kgo.Record{
					Topic: config.Topic, Key: fmt.Appendf(nil, "key-%d", n), Value: fmt.Appendf(nil, "%d%s", n, strings.Repeat("x", n)),
					Headers: []kgo.RecordHeader{{Key: "n", Value: fmt.Append(nil, n)}, {Key: "none"}},
				})
			}
			records = append(records, &kgo.Record{Topic: config.Topic, Key: []byte("tombstone")})
			produceAll(t, producer, records...)
			got := readBack(t, config)
			if len(got) != len(records) {
				t.Fatalf("read %d of %d", len(got), len(records))
			}
			for i, m := range got {
				r := records[i]
				if string(m.Key) != string(r.Key) || string(m.Value) != string(r.Value) || (m.Value == nil) != (r.Value == nil) {
					t.Fatalf("message %d is not what was written", i)
				}
				if len(m.Headers) != len(r.Headers) || len(r.Headers) > 0 && (m.Headers[0].Key != "n" || string(m.Headers[0].Value) != fmt.Sprint(i)) {
					t.Fatalf("message %d has headers %v", i, m.Headers)
				}
			}
		})
	}
}

func TestContractTimesAreOfCreationOrOfAppendAsTheTopicSays(t *testing.T) {
	written := time.Date(2020, 5, 25, 21, 24, 39, 0, time.UTC)
	for kind, isAppend := range map[string]bool{"CreateTime": false, "LogAppendTime": true} {
		config, embedded := realOrEmbeddedTopic(t, kafka.TopicConfig{
			NumPartitions: 1, ConfigEntries: []kafka.ConfigEntry{{ConfigName: "message.timestamp.type", ConfigValue: kind}},
		})
		isAppend = isAppend && embedded == nil // the embedded one keeps the times of creation
		before := time.Now().Truncate(time.Millisecond)
		produceAll(t, testProducer(t, config), &kgo.Record{Topic: config.Topic, Value: []byte("a"), Timestamp: written})
		got := readBack(t, config)
		if len(got) != 1 {
			t.Fatalf("read %d messages", len(got))
		}
		if at := got[0].Time; !isAppend && !at.Equal(written) || isAppend && at.Before(before) {
			t.Errorf("%s: the message's time is %v", kind, at)
		}
	}
}

// Transactions of many segments, kept and aborted in turn, open ones among them,
// before and after log cleaning.
func TestContractCleanedTransactionsAreReadAsCommitted(t *testing.T) {
	config, embedded := realOrEmbeddedTopic(t, kafka.TopicConfig{NumPartitions: 1, ConfigEntries: []kafka.ConfigEntry{
		{ConfigName: "cleanup.policy", ConfigValue: "compact"},
		{ConfigName: "min.cleanable.dirty.ratio", ConfigValue: "0.01"},
		{ConfigName: "segment.ms", ConfigValue: "100"},
		{ConfigName: "retention.ms", ConfigValue: "-1"},
	}})
	producer := testProducer(t, config, kgo.TransactionalID(config.Topic))
	const keys, rounds = 5, 6
	latest := map[string]string{}
	var want []string
	for round := range rounds {
		pass(150 * time.Millisecond) // each begins a segment: only those before the last one are cleaned
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		commit := kgo.TransactionEndTry(round%2 == 0)
		for key := range keys {
			k, v := fmt.Sprint(key), fmt.Sprintf("%d/%d", round, key)
			produceAll(t, producer, &kgo.Record{Topic: config.Topic, Key: []byte(k), Value: []byte(v)})
			if commit {
				latest[k], want = v, append(want, v)
			}
		}
		if err := producer.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	pass(150 * time.Millisecond)
	// What follows ends the last segment that is cleaned.
	if err := producer.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produceAll(t, producer, &kgo.Record{Topic: config.Topic, Key: []byte("end"), Value: []byte("end")})
	if err := producer.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	latest["end"], want = "end", append(want, "end")
	check := func() (n int) {
		var got []string
		held := map[string]string{}
		for _, m := range readBack(t, config) {
			got, held[string(m.Key)] = append(got, string(m.Value)), string(m.Value)
		}
		for _, v := range got {
			if !slices.Contains(want, v) {
				t.Fatalf("%s was aborted", v)
			}
		}
		for k, v := range latest {
			if held[k] != v {
				t.Fatalf("key %s: last read %s, last written %s", k, held[k], v)
			}
		}
		return len(got)
	}
	check()
	within(t, 60*time.Second, "the log is cleaned", func() bool {
		if embedded != nil {
			embedded.Compact()
		}
		return check() < len(want)
	})
	c := collect(t, config)
	within(t, 30*time.Second, "all is committed", func() bool {
		s := c.Stats().Partitions
		return len(s) == 1 && s[0].End > 0 && s[0].Committed == s[0].End
	})
	c.stop()
	for _, v := range c.seen {
		if !slices.Contains(want, v) {
			t.Errorf("the group was given %s, which was aborted", v)
		}
	}
}

func TestContractATopicMadeAnewHoldsUntilItIsToldWhereToGoOn(t *testing.T) {
	config, _ := realOrEmbeddedTopic(t, kafka.TopicConfig{NumPartitions: 1})
	producer := testProducer(t, config)
	write := func(values ...string) {
		for _, v := range values {
			produceAll(t, producer, &kgo.Record{Topic: config.Topic, Value: []byte(v)})
		}
	}
	write("a", "b", "c")
	c := collect(t, config)
	within(t, 30*time.Second, "the topic is read", func() bool {
		s := c.Stats().Partitions
		return c.count() == 3 && len(s) == 1 && s[0].Committed == 3
	})
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(config.Brokers...), Transport: transport}
	if res, err := client.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{config.Topic}}); err != nil || res.Errors[config.Topic] != nil {
		t.Fatal(err, res)
	}
	within(t, 30*time.Second, "its absence is told", func() bool { return c.held(ReasonTopicMissing) })
	createTopic(t, config.Brokers, kafka.TopicConfig{Topic: config.Topic, NumPartitions: 1, ReplicationFactor: 1})
	producer = testProducer(t, config) // it knows the new topic
	write("new a")
	within(t, 30*time.Second, "the offset is told to be out of range", func() bool { return c.held(ReasonOutOfRange) })
	c.stop()
	if c.count() != 3 {
		t.Errorf("the new topic was read unasked: %v", c.seen)
	}
	config.OnOffsetOutOfRange = Earliest
	c = collect(t, config)
	within(t, 30*time.Second, "the new topic is read", func() bool {
		s := c.Stats().Partitions
		return len(s) == 1 && s[0].Committed == 1
	})
	c.stop()
	if !slices.Equal(c.seen, []string{"new a"}) {
		t.Errorf("of the new topic: %v", c.seen)
	}
}

// The new topic has more messages than the old one had, so that its offsets are in range.
func TestContractATopicMadeAnewIsReadFromItsBeginningThoughItIsLonger(t *testing.T) {
	config, _ := realOrEmbeddedTopic(t, kafka.TopicConfig{NumPartitions: 1})
	config.OnOffsetOutOfRange = Earliest
	write := func(what string, n int) (values []string) {
		producer := testProducer(t, config) // one that knows the topic as it is
		for i := range n {
			values = append(values, fmt.Sprint(what, i))
			produceAll(t, producer, &kgo.Record{Topic: config.Topic, Value: []byte(values[i])})
		}
		return values
	}
	want := write("old ", 5)
	c := collect(t, config)
	committed := func(n int64) func() bool {
		return func() bool {
			s := c.Stats().Partitions
			return len(s) == 1 && s[0].Committed == n && s[0].End == n
		}
	}
	within(t, 30*time.Second, "the topic is read", committed(5))
	transport := &kafka.Transport{MetadataTTL: 100 * time.Millisecond}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(config.Brokers...), Transport: transport}
	if res, err := client.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{config.Topic}}); err != nil || res.Errors[config.Topic] != nil {
		t.Fatal(err, res)
	}
	within(t, 30*time.Second, "it is made anew", func() bool {
		res, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: config.Topic, NumPartitions: 1, ReplicationFactor: 1}}})
		return err == nil && res.Errors[config.Topic] == nil
	})
	want = append(want, write("new ", 9)...)
	within(t, time.Minute, "the new topic is read", committed(9))
	c.stop()
	if !slices.Equal(c.seen, want) {
		t.Errorf("handed out %q", c.seen)
	}
}

func TestContractAGroupOfAnotherProtocolIsTold(t *testing.T) {
	config, _ := realOrEmbeddedTopic(t, kafka.TopicConfig{NumPartitions: 1})
	other, err := kgo.NewClient(kgo.SeedBrokers(config.Brokers...), kgo.ConsumerGroup(config.Group), kgo.ConsumeTopics(config.Topic), kgo.Balancers(kgo.RangeBalancer()))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	polled := make(chan struct{})
	go func() {
		defer close(polled)
		other.PollFetches(t.Context()) // until something comes or it is closed
	}()
	within(t, 30*time.Second, "the other member is in the group", func() bool { id, _ := other.GroupMetadata(); return id != "" })
	c := collect(t, config)
	within(t, 30*time.Second, "it is told", func() bool { return c.held(ReasonGroupProtocol) })
	other.Close()
	<-polled
	within(t, 30*time.Second, "it joins once the other is gone", func() bool { return c.Stats().Assigned && c.held("") })
}

func TestContractABatchBeyondTheFetchLimitsIsRead(t *testing.T) {
	config, _ := realOrEmbeddedTopic(t, kafka.TopicConfig{NumPartitions: 2, ConfigEntries: []kafka.ConfigEntry{{ConfigName: "max.message.bytes", ConfigValue: "20000000"}}})
	producer := testProducer(t, config, kgo.ProducerBatchMaxBytes(19<<20), kgo.BrokerMaxWriteBytes(64<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	large := strings.Repeat("x", fetchMaxBytes+1000)
	produceAll(t, producer, &kgo.Record{Topic: config.Topic, Partition: 1, Value: []byte(large)}, &kgo.Record{Topic: config.Topic, Partition: 1, Value: []byte("after")})
	for n := range 50 {
		produceAll(t, producer, &kgo.Record{Topic: config.Topic, Partition: 0, Value: fmt.Append(nil, n)})
	}
	c := collect(t, config)
	within(t, 60*time.Second, "all is read", func() bool { return c.count() == 52 })
	c.stop()
	if !slices.Contains(c.seen, large) || len(c.holds) > 0 {
		t.Errorf("the large message was read: %v; holds %v", slices.Contains(c.seen, large), c.holds)
	}
}
