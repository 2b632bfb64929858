package sink

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kinesis-destination/sink/deadletter"
	"kinesis-destination/sink/embeddedkinesis"
)

func TestDeadLetterKeepsTheMessageAndSaysWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		r := &Record{Owner: w.oracle.record("x", 0, nil), Source: &deadletter.Origin{
			Topic: testTopic, Partition: 2, Offset: 1<<40 + 7, Time: time.UnixMilli(1590441879123),
			Key: []byte("profile"), Value: []byte{0, 0, 0, 0, 1, 255},
			Headers: []kafka.Header{{Key: "traceparent", Value: []byte("00-a")}, {Key: "twice", Value: nil}, {Key: "twice", Value: []byte{1}}},
		}}
		if err := w.sink.Reject(t.Context(), r, deadletter.Failure{Stage: "decode", Reason: "malformed", Message: "truncated", Attempts: 1}); err != nil {
			t.Fatal(err)
		}
		w.oracle.await()
		got := w.letters()
		if len(got) != 1 {
			t.Fatalf("%d letters", len(got))
		}
		m := got[0]
		if m.Partition != 2 || !bytes.Equal(m.Key, r.origin().Key) || !bytes.Equal(m.Value, r.origin().Value) {
			t.Errorf("letter %+v", m)
		}
		want := []kafka.Header{
			{Key: "traceparent", Value: []byte("00-a")},
			{Key: "twice"},
			{Key: "twice", Value: []byte{1}},
			{Key: "kafka_dlt-original-topic", Value: []byte("events")},
			{Key: "kafka_dlt-original-partition", Value: []byte{0, 0, 0, 2}},
			{Key: "kafka_dlt-original-offset", Value: binary.BigEndian.AppendUint64(nil, 1<<40+7)},
			{Key: "kafka_dlt-original-timestamp", Value: binary.BigEndian.AppendUint64(nil, 1590441879123)},
			{Key: "kafka_dlt-original-consumer-group", Value: []byte("group")},
			{Key: "kafka_dlt-exception-message", Value: []byte("truncated")},
			{Key: "x-destination", Value: []byte("test")},
			{Key: "x-stage", Value: []byte("decode")},
			{Key: "x-reason", Value: []byte("malformed")},
			{Key: "x-attempts", Value: []byte("1")},
			{Key: "x-failed-at", Value: []byte("2000-01-01T00:00:00.000Z")},
		}
		if len(m.Headers) != len(want) {
			t.Fatalf("%d headers, want %d", len(m.Headers), len(want))
		}
		for i, h := range m.Headers {
			if h.Key != want[i].Key || (h.Key != deadletter.HeaderFailedAt && !bytes.Equal(h.Value, want[i].Value)) {
				t.Errorf("header %d: %s=%q, want %s=%q", i, h.Key, h.Value, want[i].Key, want[i].Value)
			}
		}
	})
}

func TestDeadLetterTopicIsShapedLikeTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		client := w.kafkaClient()
		_, err := client.IncrementalAlterConfigs(t.Context(), &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: testTopic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: "max.message.bytes", Value: "5000000", ConfigOperation: kafka.ConfigOperationSet}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		big := w.oracle.record("", 0, nil)
		big.rec.origin().Value = bytes.Repeat([]byte{7}, 4_999_000)
		if err := w.sink.Reject(t.Context(), big.rec, deadletter.Failure{Stage: "decode", Reason: "malformed"}); err != nil {
			t.Fatal(err)
		}
		w.oracle.await()
		meta, err := client.Metadata(t.Context(), &kafka.MetadataRequest{Topics: []string{testDLT}})
		if err != nil || len(meta.Topics) != 1 || len(meta.Topics[0].Partitions) != 3 {
			t.Fatalf("metadata %+v %v", meta, err)
		}
		res, err := client.DescribeConfigs(t.Context(), &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: testDLT, ConfigNames: []string{"max.message.bytes"},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Resources[0].ConfigEntries[0].ConfigValue; got != strconv.Itoa(5_000_000+letterRoom) {
			t.Errorf("max.message.bytes %s", got)
		}
		if got := w.letters(); len(got) != 1 || len(got[0].Value) != 4_999_000 {
			t.Errorf("%d letters", len(got))
		}
	})
}

func TestRecordTheStreamCannotTakeIsDeadLetteredInItsPlace(t *testing.T) {
	bad := map[string]struct {
		key, reason string
		size        int
	}{
		"too large":         {"k", ReasonRecordTooLarge, 1<<20 + 1},
		"exactly too large": {"k", ReasonRecordTooLarge, 1 << 20},
		"empty key":         {"", ReasonInvalidPartitionKey, 0},
		"long key":          {strings.Repeat("é", 257), ReasonInvalidPartitionKey, 0},
	}
	for name, c := range bad {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{})
				first := w.put(c.key+"1"[:min(1, c.size)], 0)
				key := c.key
				if c.size > 0 {
					key = "k1"
				}
				dead := w.put(key, c.size)
				w.put(key, 0)
				next := w.put("other", 0)
				w.oracle.await()
				if dead.outcome != DeadLettered || dead.reason != c.reason || next.outcome != Delivered {
					t.Fatalf("outcome %v %q, the next one %v", dead.outcome, dead.reason, next.outcome)
				}
				if c.size > 0 && first.outcome != Delivered {
					t.Errorf("the one before: %v", first.outcome)
				}
				w.check()
			})
		})
	}
}

func TestLargestRecordAndLongestKeyAreDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{stream: embeddedkinesis.Stream{MaxRecordBytes: 10 << 20}})
		w.put("k", 10<<20-1)
		w.put("k", 3<<20)
		w.put(strings.Repeat("é", 256), 100)
		w.put("\x01\"\\\u2028 \U0001F600", 100)
		w.oracle.await()
		w.delivered()
		w.check()
	})
}

func TestLettersOfAPartitionKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		for range 3000 {
			tr := w.oracle.record("", 0, nil)
			if err := w.sink.Reject(t.Context(), tr.rec, deadletter.Failure{Stage: "decode", Reason: "malformed"}); err != nil {
				t.Fatal(err)
			}
		}
		w.oracle.await()
		w.lettersInOrder(3000)
	})
}

// lettersInOrder checks that the letters of each partition are all there, in
// the order of their source.
func (w *world) lettersInOrder(want int) {
	w.t.Helper()
	last := map[int]int64{0: -1, 1: -1, 2: -1}
	all := w.letters()
	for _, m := range all {
		i := slices.IndexFunc(m.Headers, func(h kafka.Header) bool { return h.Key == deadletter.HeaderOffset })
		offset := int64(binary.BigEndian.Uint64(m.Headers[i].Value))
		if offset <= last[m.Partition] {
			w.t.Fatalf("partition %d: %d after %d", m.Partition, offset, last[m.Partition])
		}
		last[m.Partition] = offset
	}
	if len(all) != want {
		w.t.Errorf("%d letters of %d", len(all), want)
	}
}

func TestUnwritableDeadLetterTopicHoldsAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		var network *kfake.VirtualNetwork
		w := newWorld(t, worldOptions{options: func(o *Options) {
			o.KafkaTransport = &kafka.Transport{Dial: func(ctx context.Context, n, a string) (net.Conn, error) {
				if down.Load() {
					return nil, errors.New("down")
				}
				return network.DialContext(ctx, n, a)
			}}
		}})
		network = w.network
		t.Cleanup(w.sink.opts.KafkaTransport.(*kafka.Transport).CloseIdleConnections)
		down.Store(true)
		taken := 0
		for i := range 200 {
			tr := w.oracle.record("k", 0, nil)
			if i%2 == 0 {
				tr.rec.PartitionKey = ""
			}
			if err := w.sink.Reject(t.Context(), tr.rec, deadletter.Failure{Stage: "decode", Reason: "malformed"}); err != nil {
				t.Fatal(err)
			}
			taken++
		}
		w.put("healthy", 0).wait() // the stream itself goes on
		<-time.After(time.Hour)
		if got := w.reported(); !slices.Equal(got, []string{HoldDeadLetterTopic}) {
			t.Fatalf("holds reported: %q", got)
		}
		down.Store(false)
		w.oracle.await()
		if got := len(w.letters()); got != taken {
			t.Errorf("%d letters of %d", got, taken)
		}
		if got := w.reported(); !slices.Equal(got, []string{HoldDeadLetterTopic, ""}) {
			t.Errorf("holds reported: %q", got)
		}
	})
}

func TestLettersOfAPartitionThatCannotBeWrittenWaitInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		reject := func() *tracked {
			tr := w.oracle.record("", 0, nil)
			if err := w.sink.Reject(t.Context(), tr.rec, deadletter.Failure{Stage: "decode", Reason: "malformed"}); err != nil {
				t.Fatal(err)
			}
			return tr
		}
		for range 3 {
			reject().wait()
		}
		var healed atomic.Bool
		w.kafka.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			req := r.(*kmsg.ProduceRequest)
			if healed.Load() || req.Topics[0].Partitions[0].Partition != 1 {
				return nil, nil, false
			}
			res := req.ResponseKind().(*kmsg.ProduceResponse)
			part := kmsg.NewProduceResponseTopicPartition()
			part.Partition, part.ErrorCode = 1, kerr.NotEnoughReplicas.Code
			topic := kmsg.NewProduceResponseTopic()
			topic.Topic, topic.Partitions = testDLT, append(topic.Partitions, part)
			res.Topics = append(res.Topics, topic)
			return res, nil, true
		})
		var stuck []*tracked
		for range 90 {
			if tr := reject(); tr.rec.origin().Partition == 1 {
				stuck = append(stuck, tr)
			} else {
				tr.wait()
			}
		}
		<-time.After(10 * time.Minute)
		if st := w.sink.Stats(); st.Hold != HoldDeadLetterTopic || st.DeadLetters != len(stuck) {
			t.Errorf("%+v", st)
		}
		healed.Store(true)
		w.oracle.await()
		w.lettersInOrder(93)
	})
}

func TestLetterLargerThanTheTopicTakesIsCompressed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{topics: []kfake.Opt{kfake.SeedTopics(2, testDLT)}}) // with 1 MiB
		small := w.oracle.record("", 0, nil)
		big := w.oracle.record("", 0, nil)
		big.rec.origin().Value = bytes.Repeat([]byte("compressed at the source "), 100_000)
		for _, tr := range []*tracked{small, big} {
			if err := w.sink.Reject(t.Context(), tr.rec, deadletter.Failure{Stage: "decode", Reason: "malformed"}); err != nil {
				t.Fatal(err)
			}
		}
		w.oracle.await()
		if got := w.letters(); len(got) != 2 {
			t.Errorf("%d letters", len(got))
		}
	})
}
