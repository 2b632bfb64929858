package consumer

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// fill writes so many batches of a hundred events of about a thousand bytes to a partition.
func (w *world) fill(partition, batches int) {
	w.t.Helper()
	cl := w.producer(kgo.ManualFlushing())
	defer cl.Close()
	for range batches {
		for range 100 {
			cl.Produce(context.Background(), &kgo.Record{Topic: "events", Partition: int32(partition), Value: bytes.Repeat([]byte{'x'}, 1000)}, nil)
		}
		if err := cl.Flush(context.Background()); err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestAHeldIdentityStopsNoOtherPartition: every tenth message of some partitions does not come
// to rest, so that a tenth of what is decoded keeps all of it. The others go on as if it were
// not there.
func TestAHeldIdentityStopsNoOtherPartition(t *testing.T) {
	for _, held := range []int{1, 6, 11} {
		t.Run(fmt.Sprintf("in %d of 12 partitions", held), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const partitions, batches = 12, 200
				w := newWorld(t, partitions)
				w.config.Budget = NewBudget(16<<20, 4<<20)
				for p := range partitions {
					w.fill(p, batches)
				}
				var others sync.WaitGroup
				others.Add((partitions - held) * batches * 100)
				var mu sync.Mutex
				var kept []*Message // guarded by mu
				over := false       // guarded by mu
				m := w.member(Options{}, func(_ *member, msg *Message) {
					switch {
					case msg.Partition >= held:
						msg.Settle()
						others.Done()
					case msg.Offset%10 != 0:
						msg.Settle()
					default:
						mu.Lock()
						defer mu.Unlock()
						if over {
							msg.Settle()
							return
						}
						kept = append(kept, msg)
					}
				})
				began := time.Now()
				done := make(chan struct{})
				go func() {
					others.Wait()
					close(done)
				}()
				select {
				case <-done:
					if took := time.Since(began); took > 5*time.Second {
						t.Errorf("they took %v", took)
					}
				case <-time.After(time.Minute):
					t.Error("they stand still")
				}
				mu.Lock()
				over = true
				for _, msg := range kept {
					msg.Settle()
				}
				mu.Unlock()
				m.stop(t)
			})
		})
	}
}

// TestWhoWaitsForMoreKeepsNobodyWaiting: one that has parts, and wants more than there is room
// for, is the first that waits. Those behind it who find room are let in.
func TestWhoWaitsForMoreKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(16 << 20)
		held, over, other := &account{budget: b}, &account{budget: b}, &account{budget: b}
		if err := held.acquire(t.Context(), 8<<20); err != nil {
			t.Fatal(err)
		}
		held.opened()
		if err := over.acquire(t.Context(), 9<<20); err != nil { // alone, beyond the limit
			t.Fatal(err)
		}
		ctx, giveUp := context.WithCancel(t.Context())
		more, in := make(chan error, 1), make(chan error, 1)
		go func() { more <- held.acquire(ctx, 4<<20) }()
		synctest.Wait()
		go func() { in <- other.acquire(t.Context(), 3<<20) }()
		synctest.Wait()
		if len(b.waiting) != 2 {
			t.Fatalf("%d wait", len(b.waiting))
		}
		over.release(9 << 20)
		synctest.Wait()
		select {
		case err := <-in:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("there is room for the one behind, and it waits")
		}
		giveUp()
		if err := <-more; err == nil || len(b.waiting) > 0 {
			t.Errorf("who gave up got %v; %d wait", err, len(b.waiting))
		}
	})
}

// TestFurtherSetsLeaveRoomForTheFirstOfOthers: of a partition that has a set no more is asked for once
// three sixteenths of the budget are sets, or once the partition has its part of it; of one
// that has none, it is.
func TestFurtherSetsLeaveRoomForTheFirstOfOthers(t *testing.T) {
	for name, at := range map[string]struct {
		sets, decoded int64
		more          bool
	}{
		"little":       {2 << 20, 1 << 20, true},
		"many sets":    {3 << 20, 1 << 20, false},
		"much decoded": {1 << 20, 9 << 20, false},
	} {
		b := newBudget(16 << 20)
		some, none := &account{budget: b}, &account{budget: b}
		b.acquire(at.sets)
		some.fetched(at.sets)
		if err := some.acquire(t.Context(), at.decoded); err != nil {
			t.Fatal(err)
		}
		if more := some.mayFetch(partitionLeastBytes); more != at.more {
			t.Errorf("%s: a further set may be asked for: %v", name, more)
		}
		if room, _ := b.state(); room <= 0 || !none.mayFetch(partitionLeastBytes) {
			t.Errorf("%s: a first set may not be asked for, with room for %d bytes", name, room)
		}
	}
}
