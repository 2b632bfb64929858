package consumer

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (w *world) peek(topic string, partition int, offset int64) (*Message, error) {
	return Peek(context.Background(), w.config, w.network.DialContext, topic, partition, offset)
}

func TestPeekReadsTheMessageAtAnOffset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		cl := w.producer()
		defer cl.Close()
		w.produce(1, 0, 5)
		r := &kgo.Record{Topic: "events", Partition: 1, Key: []byte("k"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}}}
		if err := cl.ProduceSync(context.Background(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		m, err := w.peek("events", 1, 3)
		if err != nil || string(m.Value) != "1:3" || m.Offset != 3 || m.Partition != 1 || m.Topic != "events" || m.Time.IsZero() {
			t.Errorf("%+v, %v", m, err)
		}
		m, err = w.peek("events", 1, 5)
		if err != nil || m.Value != nil || string(m.Key) != "k" || len(m.Headers) != 1 || m.Headers[0].Key != "h" || string(m.Headers[0].Value) != "v" {
			t.Errorf("a tombstone: %+v, %v", m, err)
		}
	})
}

func TestPeekSaysWhyAnOffsetHoldsNoMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		ctx := context.Background()
		w.produce(0, 0, 4)
		tx := w.producer(kgo.TransactionalID("tx"))
		defer tx.Close()
		begin := func(value string) {
			t.Helper()
			if err := tx.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := tx.ProduceSync(ctx, &kgo.Record{Topic: "events", Value: []byte(value)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		end := func(commit kgo.TransactionEndTry) {
			t.Helper()
			if err := tx.EndTransaction(ctx, commit); err != nil {
				t.Fatal(err)
			}
		}
		begin("aborted") // 4, its marker 5
		end(kgo.TryAbort)
		begin("committed") // 6, its marker 7
		end(kgo.TryCommit)
		begin("open") // 8

		m, err := w.peek("events", 0, 6)
		if err != nil || string(m.Value) != "committed" {
			t.Errorf("%+v, %v", m, err)
		}
		request := kmsg.NewPtrDeleteRecordsRequest()
		topic := kmsg.NewDeleteRecordsRequestTopic()
		topic.Topic = "events"
		partition := kmsg.NewDeleteRecordsRequestTopicPartition()
		partition.Offset = 2
		topic.Partitions = append(topic.Partitions, partition)
		request.Topics = append(request.Topics, topic)
		if _, err := request.RequestWith(ctx, tx); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			offset int64
			why    string
		}{
			{1, "offset 1: no message: the partition has 2 to 8"},
			{4, "offset 4: no message: its transaction was aborted"},
			{5, "offset 5: no message: it is a transaction's marker, or was compacted away"},
			{7, "offset 7: no message: it is a transaction's marker"},
			{8, "offset 8: no message: a transaction that is still open holds it back"},
			{9, "offset 9: no message yet: the partition has 2 to 8"},
			{100, "offset 100: no message: the partition has 2 to 8"},
		} {
			_, err := w.peek("events", 0, c.offset)
			if !errors.Is(err, ErrNoMessage) || !strings.HasPrefix(err.Error(), c.why) {
				t.Errorf("offset %d: %v", c.offset, err)
			}
		}
		if _, err := w.peek("events", 1, 0); err == nil || !strings.Contains(err.Error(), "the partition has none; the next one is 0") {
			t.Errorf("an empty partition: %v", err)
		}
		if _, err := w.peek("events", 2, 0); err == nil || !strings.Contains(err.Error(), "no partition 2: they are 0 to 1") {
			t.Errorf("a partition that is not there: %v", err)
		}
		if _, err := w.peek("others", 0, 0); err == nil || errors.Is(err, ErrNoMessage) {
			t.Errorf("a topic that is not there: %v", err)
		}
		end(kgo.TryAbort)
	})
}
