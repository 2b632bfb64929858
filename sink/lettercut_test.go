package sink

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/sink/deadletter"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What the dead-letter writer keeps to.
const (
	readHeaders     = 9_900
	letterRoom      = 64 << 10
	letterTimeout   = 7 * time.Second
	parkingLimit    = 100_000
	maxMessageBytes = "max.message.bytes"
)

// cut is how much is left out of a letter.
type cut int

const (
	whole cut = iota
	noValue
	noHeaders
	noKey
)

func (w *world) kafkaClient() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(w.sink.opts.Brokers...), Transport: w.sink.opts.KafkaTransport}
}

// noise is what no compression makes smaller.
func noise(n int) []byte {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

func (w *world) reject(change func(*deadletter.Origin)) *tracked {
	w.t.Helper()
	tr := w.oracle.record("", 0, nil)
	if change != nil {
		change(tr.rec.origin())
	}
	if err := w.sink.Reject(w.t.Context(), tr.rec, deadletter.Failure{Stage: "decode", Reason: "malformed"}); err != nil {
		w.t.Fatal(err)
	}
	return tr
}

// What a topic with the broker's default limit does not take, or whoever reads it
// could not hold, is left out of a letter, and the letter says so.
func TestWhatIsTooLargeForTheTopicIsLeftOutOfALetter(t *testing.T) {
	const small = 100_000
	manyHeaders := make([]kafka.Header, 500_000)
	cases := map[string]struct {
		change func(*deadletter.Origin)
		want   cut
	}{
		"small":                        {func(o *deadletter.Origin) { o.Value = noise(small) }, whole},
		"large and compressible":       {func(o *deadletter.Origin) { o.Value = bytes.Repeat([]byte("x"), 15<<20) }, whole},
		"small on the wire, and large": {func(o *deadletter.Origin) { o.Value = bytes.Repeat([]byte("x"), 17<<20) }, noValue},
		"larger than the topic takes":  {func(o *deadletter.Origin) { o.Value = noise(2 << 20) }, noValue},
		"a large header": {func(o *deadletter.Origin) {
			o.Value, o.Headers = noise(small), []kafka.Header{{Key: "h", Value: noise(2 << 20)}}
		}, noHeaders},
		"a header with a large name":   {func(o *deadletter.Origin) { o.Headers = []kafka.Header{{Key: string(noise(2 << 20))}} }, noHeaders},
		"as many headers as are read":  {func(o *deadletter.Origin) { o.Headers = named(readHeaders) }, whole},
		"more headers than are read":   {func(o *deadletter.Origin) { o.Headers = named(readHeaders + 1) }, noHeaders},
		"half a million empty headers": {func(o *deadletter.Origin) { o.Headers = manyHeaders }, noHeaders},
		"a large key":                  {func(o *deadletter.Origin) { o.Key = noise(2 << 20) }, noKey},
		"everything large":             {func(o *deadletter.Origin) { o.Key, o.Value, o.Headers = noise(2<<20), noise(3<<20), manyHeaders }, noKey},
		"a large key and no value":     {func(o *deadletter.Origin) { o.Key, o.Value = noise(2<<20), nil }, noKey},
		"a value that was never read": {func(o *deadletter.Origin) {
			o.Value, o.Omitted = nil, &deadletter.Omitted{Length: 150_000_000, SHA256: [32]byte{1, 2}}
		}, noValue},
		"the explanation is a long text": {nil, whole},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{topics: []kfake.Opt{kfake.SeedTopics(3, testDLT)}})
				before, tr, after := w.reject(nil), w.oracle.record("", 0, nil), (*tracked)(nil)
				if c.change != nil {
					c.change(tr.rec.origin())
				}
				o := tr.rec.origin()
				o.Partition = 0
				if err := w.sink.Reject(t.Context(), tr.rec, deadletter.Failure{Stage: "decode", Reason: "malformed", Message: strings.Repeat("name", 400_000)}); err != nil {
					t.Fatal(err)
				}
				after = w.reject(func(o *deadletter.Origin) { o.Partition = 0 })
				w.oracle.await()
				for _, each := range []*tracked{before, tr, after} {
					if each.outcome != DeadLettered {
						t.Fatalf("outcome %v", each.outcome)
					}
				}
				letters := w.letters()
				if len(letters) != 3 {
					t.Fatalf("%d letters", len(letters))
				}
				judgeCut(t, o, letters[1], c.want)
				if held := w.reported(); len(held) > 0 {
					t.Errorf("holds reported: %q", held)
				}
			})
		})
	}
}

func named(n int) []kafka.Header {
	headers := make([]kafka.Header, n)
	for i := range headers {
		headers[i].Key = "h"
	}
	return headers
}

func judgeCut(t *testing.T, o *deadletter.Origin, m kafka.Message, want cut) {
	t.Helper()
	if got := headerOf(m, deadletter.HeaderOffset); !bytes.Equal(got, binary.BigEndian.AppendUint64(nil, uint64(o.Offset))) {
		t.Errorf("it is the letter of %x", got)
	}
	if got := headerOf(m, deadletter.HeaderMessage); len(got) > deadletter.TextLimit {
		t.Errorf("the explanation has %d bytes", len(got))
	}
	omitted := deadletter.OmittedOf(o.Value)
	if o.Omitted != nil {
		omitted = *o.Omitted
	}
	switch {
	case want < noValue || o.Value == nil && o.Omitted == nil:
		if !bytes.Equal(m.Value, o.Value) || headerOf(m, deadletter.HeaderValueOmitted) != nil {
			t.Errorf("a value of %d bytes became %d", len(o.Value), len(m.Value))
		}
	default:
		got, ok := deadletter.ParseOmitted(string(headerOf(m, deadletter.HeaderValueOmitted)))
		if m.Value == nil || len(m.Value) > 0 || !ok || got != omitted {
			t.Errorf("a value of %d bytes became %d, with %v, want %v", len(o.Value), len(m.Value), got, omitted)
		}
	}
	n := headerOf(m, deadletter.HeaderHeadersOmitted)
	if want < noHeaders && (len(n) > 0 || m.Headers[0].Key != "h") || want >= noHeaders && string(n) != fmt.Sprint(len(o.Headers)) {
		t.Errorf("of %d headers %q are left out", len(o.Headers), n)
	}
	key, left := deadletter.ParseOmitted(string(headerOf(m, deadletter.HeaderKeyOmitted)))
	if want < noKey && (left || !bytes.Equal(m.Key, o.Key)) || want >= noKey && key != deadletter.OmittedOf(o.Key) {
		t.Errorf("a key of %d bytes became %d, with %v", len(o.Key), len(m.Key), key)
	}
}

// A reader keeps no message of more than 32 MiB, and a broker hangs up on a request
// of more than 100 MiB, and would for ever.
func TestNoLetterIsLargerThanItsReadersKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		var mu sync.Mutex
		largest := 0
		w.kafka.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			mu.Lock()
			defer mu.Unlock()
			for _, topic := range r.(*kmsg.ProduceRequest).Topics {
				largest = max(largest, len(topic.Partitions[0].Records))
			}
			return nil, nil, false
		})
		client := w.kafkaClient()
		if _, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: testDLT, NumPartitions: 3, ReplicationFactor: 1}}}); err != nil {
			t.Fatal(err)
		}
		w.limitTopic(testDLT, strconv.Itoa(200<<20)) // above what the broker reads at all
		for _, n := range []int{30 << 20, 32<<20 - 1, 150_000_000} {
			w.reject(func(o *deadletter.Origin) { o.Partition, o.Value = 0, make([]byte, n) }).wait()
		}
		w.oracle.await()
		mu.Lock()
		defer mu.Unlock()
		if largest < 30<<20 || largest >= 32<<20 {
			t.Errorf("the largest batch has %d bytes", largest)
		}
		for _, m := range w.letters()[1:] {
			if len(m.Value) != 0 || headerOf(m, deadletter.HeaderValueOmitted) == nil {
				t.Errorf("%d bytes of value", len(m.Value))
			}
		}
	})
}

// Whatever keeps one partition's letters from being written, those of the others
// do not wait for it, however many there are.
func TestALetterThatCannotBeWrittenHoldsNoOtherPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var why error
		w := newWorld(t, worldOptions{config: func(c *Config) { c.Memory = NewMemory(1<<20, defaultCalls) }, options: func(o *Options) {
			report := o.Hold
			o.Hold = func(reason string, err error) {
				report(reason, err)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					why = err
				}
			}
		}})
		for range 3 {
			w.reject(nil).wait()
		}
		var healed atomic.Bool
		w.kafka.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			if healed.Load() || r.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Partition != 1 {
				return nil, nil, false
			}
			return refuseProduce(r, kerr.MessageTooLarge), nil, true
		})
		stuck, claim := 0, make(chan struct{})
		full, cancel := context.WithCancel(t.Context())
		cancel()
		for more := true; more; { // all the room of partition 1
			tr := w.oracle.record("", 0, claim)
			tr.rec.Source.(*deadletter.Origin).Partition = 1
			if more = w.sink.Reject(full, tr.rec, deadletter.Failure{Stage: "decode", Reason: "malformed"}) == nil; more {
				stuck++
			} else {
				tr.outcome = DeadLettered
				close(tr.done) // this one is not of the story
			}
		}
		if stuck < 100 {
			t.Errorf("room for %d letters", stuck)
		}
		<-time.After(10 * time.Minute)
		for range 50 {
			began := time.Now()
			w.reject(func(o *deadletter.Origin) { o.Partition = 2 }).wait()
			if took := time.Since(began); took > 100*time.Millisecond {
				t.Fatalf("a letter of another partition waited %v", took)
			}
		}
		if got := w.reported(); !slices.Equal(got, []string{HoldDeadLetterTopic}) {
			t.Errorf("holds reported: %q", got)
		}
		mu.Lock()
		for _, word := range []string{testDLT, testTopic + "/1@", "max.message.bytes", " bytes)"} {
			if !strings.Contains(why.Error(), word) {
				t.Errorf("the hold does not name %s: %v", word, why)
			}
		}
		mu.Unlock()
		healed.Store(true)
		w.oracle.await()
		synctest.Wait()
		if got := w.reported(); !slices.Equal(got, []string{HoldDeadLetterTopic, ""}) {
			t.Errorf("holds reported: %q", got)
		}
		if n := len(w.letters()); n != 3+stuck+50 {
			t.Errorf("%d letters", n)
		}
	})
}

// refuseProduce answers a produce request with an error for each partition.
func refuseProduce(r kmsg.Request, code *kerr.Error) kmsg.Response {
	answer := r.ResponseKind().(*kmsg.ProduceResponse)
	for _, asked := range r.(*kmsg.ProduceRequest).Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic = asked.Topic
		for _, p := range asked.Partitions {
			refused := kmsg.NewProduceResponseTopicPartition()
			refused.Partition, refused.ErrorCode = p.Partition, code.Code
			topic.Partitions = append(topic.Partitions, refused)
		}
		answer.Topics = append(answer.Topics, topic)
	}
	return answer
}
