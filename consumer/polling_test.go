package consumer

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestAPartitionBehindIsNotKeptWaitingForIdleOnes: what was fetched of a partition keeps its
// worker busy, and meanwhile the broker is asked for the others, which have nothing. It is asked
// for the partition again before its worker has nothing left to do.
func TestAPartitionBehindIsNotKeptWaitingForIdleOnes(t *testing.T) {
	for _, each := range []time.Duration{100 * time.Microsecond, time.Millisecond, 10 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			const partitions, behind, batches = 100, 7, 1500
			w := newWorld(t, partitions)
			cl := w.producer()
			defer cl.Close()
			w.filler(cl, rand.New(rand.NewPCG(9, 9)), behind, batches, 10_000)
			var settled sync.WaitGroup
			settled.Add(batches)
			began := time.Now()
			m := w.member(Options{}, func(_ *member, msg *Message) {
				if msg.Offset == 0 {
					began = time.Now()
				}
				pass(each)
				msg.Settle()
				settled.Done()
			})
			settled.Wait()
			if took, work := time.Since(began), batches*each; took > work+work/20+50*time.Millisecond {
				t.Errorf("%v of work took %v", work, took)
			}
			m.stop(t)
		})
	}
}

// TestAHeldPartitionHasNoBrokerAskedOften: while a partition that has more takes nothing, the
// others are asked for about as often as without it.
func TestAHeldPartitionHasNoBrokerAskedOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4)
		cl := w.producer()
		defer cl.Close()
		w.filler(cl, rand.New(rand.NewPCG(9, 9)), 1, 1000, 10_000)
		var fetches atomic.Int32
		w.kafka.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			fetches.Add(1)
			return nil, nil, false
		})
		held, arrived := make(chan struct{}), make(chan time.Time)
		m := w.member(Options{}, func(_ *member, msg *Message) {
			msg.Settle()
			if msg.Partition == 1 {
				<-held
			} else {
				arrived <- time.Now()
			}
		})
		pass(10 * time.Second)
		before := fetches.Load()
		pass(10 * time.Second)
		if n := fetches.Load() - before; n > 22 {
			t.Errorf("%d fetches in 10 s", n)
		}
		written := time.Now()
		w.produce(2, 0, 1)
		if took := (<-arrived).Sub(written); took > 10*time.Millisecond {
			t.Errorf("an event of another partition took %v", took)
		}
		close(held)
		m.stop(t)
	})
}
