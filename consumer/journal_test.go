package consumer

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// journal notes who was handed what, and when.
type journal struct {
	mu      sync.Mutex
	entries []entry
}

type entry struct {
	member    string
	claim     *claim
	partition int
	offset    int64
	at        time.Time
}

func (j *journal) note(member string, msg *Message) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, entry{member, msg.claim, msg.Partition, msg.Offset, time.Now()})
}

// of are the entries of a partition from a time on.
func (j *journal) of(partition int, from time.Time) []entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	var es []entry
	for _, e := range j.entries {
		if e.partition == partition && e.at.After(from) {
			es = append(es, e)
		}
	}
	return es
}

// wholeAndInOrder fails unless everything up to an offset was handed out once, in order.
func (j *journal) wholeAndInOrder(t *testing.T, partitions int, end int64) {
	t.Helper()
	for p := range partitions {
		es := j.of(p, time.Time{})
		for i, e := range es {
			if e.offset != int64(i) {
				t.Errorf("partition %d: offset %d was handed out to %s in the place of %d", p, e.offset, e.member, i)
				break
			}
		}
		if int64(len(es)) != end {
			t.Errorf("partition %d: %d messages of %d were handed out", p, len(es), end)
		}
	}
}

// flow writes a message to each partition every interval until it is stopped, and
// then tells how many those were.
func (w *world) flow(partitions int, interval time.Duration) (stop func() int64) {
	cl := w.producer()
	ended, done := make(chan struct{}), make(chan int64)
	go func() {
		defer cl.Close()
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for n := int64(0); ; n++ {
			select {
			case <-ended:
				done <- n
				return
			case <-tick.C:
			}
			var records []*kgo.Record
			for p := range partitions {
				records = append(records, &kgo.Record{Topic: "events", Partition: int32(p), Value: fmt.Append(nil, n)})
			}
			if err := cl.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
				w.t.Error(err)
			}
		}
	}()
	return func() int64 {
		close(ended)
		return <-done
	}
}

// noting is a member that notes what it settles.
func (w *world) noting(j *journal, name string, opts Options) *member {
	return w.member(opts, func(_ *member, msg *Message) {
		j.note(name, msg)
		msg.Settle()
	})
}
