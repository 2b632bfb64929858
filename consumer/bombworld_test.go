package consumer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// produceRaw gives a batch to the broker as it is.
func (w *world) produceRaw(partition int32, raw []byte) {
	w.t.Helper()
	cl := w.producer()
	defer cl.Close()
	request := kmsg.NewPtrProduceRequest()
	request.Acks, request.TimeoutMillis = -1, 10_000
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = "events"
	metadata := kmsg.NewPtrMetadataRequest()
	wanted := kmsg.NewMetadataRequestTopic()
	wanted.Topic = new("events")
	metadata.Topics = append(metadata.Topics, wanted)
	known, err := metadata.RequestWith(context.Background(), cl)
	if err != nil {
		w.t.Fatal(err)
	}
	topic.TopicID = known.Topics[0].TopicID
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, raw
	topic.Partitions = append(topic.Partitions, p)
	request.Topics = append(request.Topics, topic)
	res, err := request.RequestWith(context.Background(), cl)
	if err == nil && res.Topics[0].Partitions[0].ErrorCode != 0 {
		err = fmt.Errorf("code %d", res.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// With a stream that stands still, what 12 partitions of tombstones become is no
// more than the budget allows; then all of it comes through.
func TestTwelvePartitionsOfTombstonesStayWithinTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const partitions, each, limit = 12, 20_000, 16 << 20
		w := newWorld(t, partitions)
		raw := codecBatch(t, codecs["zstd"], many(each, tombstone)...)
		for p := range partitions {
			w.produceRaw(int32(p), slices.Clone(raw))
		}
		before := liveHeap()
		stands := make(chan struct{})
		m := w.member(Options{Budget: limit}, func(_ *member, msg *Message) {
			<-stands
			msg.Settle()
		})
		pass(20 * time.Second)
		m.budget.mu.Lock()
		used := m.budget.used
		m.budget.mu.Unlock()
		if live := liveHeap() - before; used > limit || live > limit+fixedState {
			t.Errorf("%d bytes are counted, %d live", used, live)
		}
		close(stands)
		pass(time.Minute)
		for p := range partitions {
			if got := w.committed(p); got != each {
				t.Errorf("partition %d: committed %d", p, got)
			}
		}
		m.stop(t)
		if m.budget.used != 0 {
			t.Errorf("%d bytes are counted at the end", m.budget.used)
		}
	})
}

func TestABombBesideGoodPartitionsHarmsOnlyItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.produceRaw(0, codecBatch(t, codecs["zstd"], sized(128<<20)(0)))
		w.produce(0, 1, 3)
		w.produce(1, 0, 5)
		w.produce(2, 0, 5)
		var omitted []int64
		m := w.member(Options{Budget: 4 << 20}, func(_ *member, msg *Message) {
			if msg.Omitted != nil {
				omitted = append(omitted, msg.Omitted.Length)
			}
			msg.Settle()
		})
		pass(20 * time.Second)
		got := m.values()
		slices.Sort(got)
		if want := slices.Concat([]string{""}, values(0, 1, 3), values(1, 0, 5), values(2, 0, 5)); !slices.Equal(got, want) {
			t.Errorf("handed out %v, want %v", got, want)
		}
		if !slices.Equal(omitted, []int64{128 << 20}) || len(m.reasons()) > 0 {
			t.Errorf("omitted %v, holds %v", omitted, m.reasons())
		}
		m.stop(t)
		if got := w.committed(0); got != 3 {
			t.Errorf("committed %d", got)
		}
	})
}

// What only its decoding shows to be corrupt is found by the worker, after more has
// been fetched: the partition goes back, and holds alone.
func TestRecordsThatCannotBeReadHoldTheirPartitionAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.produce(0, 0, 2)
		w.produceRaw(0, testBatch(0, []string{"lies"}, func(b *kmsg.RecordBatch) { b.Records[len(b.Records)-6] = 0x7f }))
		w.produce(0, 3, 6)
		w.produce(1, 0, 5)
		m := w.member(Options{}, settle)
		pass(time.Minute)
		w.produce(1, 5, 9)
		pass(20 * time.Second)
		got := m.values()
		slices.Sort(got)
		if want := append(values(0, 0, 2), values(1, 0, 9)...); !slices.Equal(got, want) {
			t.Errorf("handed out %v, want %v", got, want)
		}
		if held := m.reasons(); !slices.Equal(held, []string{ReasonCorrupt}) {
			t.Errorf("holds %v", held)
		}
		m.stop(t)
		if got := w.committed(0); got != 2 {
			t.Errorf("committed %d: what cannot be read was passed over", got)
		}
	})
}

// A claim that ends does not wait for what a bomb becomes.
func TestDecodingEndsWithTheClaim(t *testing.T) {
	raw := codecBatch(t, codecs["zstd"], sized(256<<20)(0))
	b := newBudget(1 << 20)
	tp := topicPartition{"t", 0}
	set, err := newRecordSet(tp, 0, &fetchedPartition{records: raw, budget: b})
	if err != nil {
		t.Fatal(err)
	}
	d := newDecoder(tp, set, &account{budget: b})
	ctx, cancel := context.WithCancel(t.Context())
	d.payload = payload{}
	cancel()
	if _, err := d.part(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a claim that has ended: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	if err := d.payload.open(ctx, d, codecs["zstd"], raw[batchHeaderEnd:]); err != nil {
		t.Fatal(err)
	}
	d.batch, _, _ = nextBatch(raw)
	d.payload.stream = endsAmid{d.payload.stream, cancel}
	if _, _, err := d.skim(ctx, 256<<20+20); !errors.Is(err, context.Canceled) {
		t.Errorf("a claim that ends amid a record: %v", err)
	}
	d.close()
	if b.used != 0 {
		t.Errorf("%d bytes are still counted", b.used)
	}
}

// endsAmid ends a claim once its stream is read.
type endsAmid struct {
	io.ReadCloser
	end context.CancelFunc
}

func (e endsAmid) Read(b []byte) (int, error) {
	e.end()
	return e.ReadCloser.Read(b)
}
