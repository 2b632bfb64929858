package consumer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// progress asks for the group's progress in partition 0.
func (w *world) progress(config Config) Progress {
	w.t.Helper()
	h, err := NewHistory(config, w.network.DialContext)
	if err != nil {
		w.t.Fatal(err)
	}
	defer h.Close()
	all, err := h.Progress(context.Background(), config.Group)
	if err != nil {
		w.t.Fatal(err)
	}
	return all[0]
}

func (w *world) commit(partition int, offset int64) {
	w.t.Helper()
	w.commitWith(partition, offset, "")
}

func (w *world) commitWith(partition int, offset int64, metadata string) {
	w.t.Helper()
	transport, err := w.config.Transport(w.network.DialContext)
	if err != nil {
		w.t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: w.config.Addr(), Transport: transport}
	res, err := client.OffsetCommit(context.Background(), &kafka.OffsetCommitRequest{
		GroupID: w.config.Group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{"events": {{Partition: partition, Offset: offset, Metadata: metadata}}},
	})
	if err != nil || res.Topics["events"][0].Error != nil {
		w.t.Fatal(err, res)
	}
}

func TestProgressIsToldWithoutTheGroupRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		written := map[int]time.Time{}
		for n := range 5 {
			pass(time.Minute)
			written[n] = time.Now().Truncate(time.Millisecond)
			w.produce(0, n, n+1)
		}
		if p := w.progress(w.config); p.Committed != -1 || p.Next != 0 || p.Lag() != 5 || !p.Oldest.Equal(written[0]) {
			t.Errorf("a group that would begin at the earliest: %+v", p)
		}
		latest := w.config
		latest.Start = Latest
		if p := w.progress(latest); p.Committed != -1 || p.Lag() != 0 || !p.Oldest.IsZero() {
			t.Errorf("a group that would begin at the latest: %+v", p)
		}
		w.commit(0, 3)
		if p := w.progress(w.config); p.Committed != 3 || p.End != 5 || p.Lag() != 2 || !p.Oldest.Equal(written[3]) {
			t.Errorf("a group that has settled three: %+v", p)
		}
		w.commit(0, 5)
		if p := w.progress(w.config); p.Lag() != 0 || !p.Oldest.IsZero() {
			t.Errorf("a group that has settled all: %+v", p)
		}
	})
}

func TestProgressCountsNoFurtherThanWhatMayBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		ctx := context.Background()
		tx := w.producer(kgo.TransactionalID("tx"))
		defer tx.Close()
		write := func() {
			t.Helper()
			if err := tx.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := tx.ProduceSync(ctx, &kgo.Record{Topic: "events", Value: []byte("x")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		write()
		if p := w.progress(w.config); p.End != 0 || p.Lag() != 0 || !p.Oldest.IsZero() {
			t.Errorf("a transaction that is still open is no lag: %+v", p)
		}
		if err := tx.EndTransaction(ctx, kgo.TryAbort); err != nil {
			t.Fatal(err)
		}
		if p := w.progress(w.config); p.Lag() != 2 || !p.Oldest.IsZero() {
			t.Errorf("an aborted record and its marker are offsets, and no events: %+v", p)
		}
		pass(time.Hour)
		now := time.Now().Truncate(time.Millisecond)
		write()
		if err := tx.EndTransaction(ctx, kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
		if p := w.progress(w.config); p.Lag() != 4 || !p.Oldest.Equal(now) {
			t.Errorf("the oldest event is the first committed one: %+v, written %v", p, now)
		}
	})
}

// TestTheOldestMessageIsFoundBehindManyAbortedOnes, in two fetches more.
func TestTheOldestMessageIsFoundBehindManyAbortedOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		ctx := context.Background()
		tx := w.producer(kgo.TransactionalID("tx"))
		defer tx.Close()
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for range 300 {
			if err := tx.ProduceSync(ctx, &kgo.Record{Topic: "events", Value: []byte("x")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.EndTransaction(ctx, kgo.TryAbort); err != nil {
			t.Fatal(err)
		}
		w.produce(0, 0, 1)
		fetches := 0
		w.kafka.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			fetches++
			return nil, nil, false
		})
		if p := w.progress(w.config); p.Oldest.IsZero() || fetches > 3 {
			t.Errorf("%d fetches: %+v", fetches, p)
		}
	})
}

// TestOneUnreadablePartitionHidesNoOther: the oldest message of the others is known.
func TestOneUnreadablePartitionHidesNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.produce(0, 0, 1)
		w.produce(1, 0, 1)
		w.kafka.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			asked := r.(*kmsg.FetchRequest).Topics[0]
			if asked.Partitions[0].Partition != 0 {
				return nil, nil, false
			}
			answer := r.ResponseKind().(*kmsg.FetchResponse)
			partition := kmsg.NewFetchResponseTopicPartition()
			partition.ErrorCode = kerr.CorruptMessage.Code
			answer.Topics = []kmsg.FetchResponseTopic{{Topic: asked.Topic, TopicID: asked.TopicID, Partitions: []kmsg.FetchResponseTopicPartition{partition}}}
			return answer, nil, true
		})
		h, err := NewHistory(w.config, w.network.DialContext)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		all := []Progress{{Topic: "events"}, {Topic: "events", Partition: 1}}
		if err := h.Outlook(context.Background(), all, func(*Progress) bool { return true }); err != nil || all[1].Oldest.IsZero() || all[0].End != 1 {
			t.Errorf("%+v: %v", all, err)
		}
	})
}
