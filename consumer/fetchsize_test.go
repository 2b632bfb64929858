package consumer

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestAFetchAsksOfEachPartitionForItsShare(t *testing.T) {
	for _, at := range []struct {
		limit       int64
		batches     []int64
		asked, last int64 // of the first and of the last
	}{
		{16 << 20, []int64{0, 0, 0}, 1 << 20, 1 << 20}, // nothing is known
		{16 << 20, make([]int64, 1000), 64 << 10, 64 << 10},
		{16 << 20, []int64{20_000, 20_000}, 1 << 20, 1 << 20},
		{1 << 20, []int64{1000, 1000, 1000, 1000}, 256 << 10, 256 << 10},
		{1 << 20, []int64{200_000, 1000, 1000, 1000}, 400_000, 256 << 10}, // as of large batches
		{1 << 20, []int64{200_000, 0, 0, 0}, 400_000, 400_000},            // not known: as those
		{1 << 20, append(make([]int64, 99), 1000), 64 << 10, 64 << 10},
		{1 << 20, []int64{600_000, 600_000}, 1 << 20, 1 << 20},
	} {
		var claims []*claim
		for _, batch := range at.batches {
			c := &claim{fetching: fetching{batch: batch}}
			c.end = -1
			claims = append(claims, c)
		}
		askEach(at.limit, math.MaxInt64, claims)
		if first, last := claims[0].asked, claims[len(claims)-1].asked; first != at.asked || last != at.last {
			t.Errorf("%d bytes, batches of %v: %d and %d are asked for", at.limit, at.batches, first, last)
		}
	}
}

// TestAFetchAsksForNoMoreThanAPartitionsShareOfTheBudget: what waits for the workers of all
// partitions takes a quarter of the budget. Where each brought as much as an answer had room for,
// it took all of it; of what was handed out nothing had room any more, and workers waited
// whose events were there.
func TestAFetchAsksForNoMoreThanAPartitionsShareOfTheBudget(t *testing.T) {
	for _, partitions := range []int{1, 2, 12, 40} {
		b := NewBudget(31<<20, 15<<20)
		var sets int64
		for range partitions {
			c := &claim{fetching: fetching{batch: 40_000}}
			c.end = -1
			newFetchCall(0, []*claim{c}, partitions, b) // the others have nothing to ask for now
			sets += (queuedSets + 1) * c.asked
		}
		if least := int64(partitions) * (queuedSets + 1) * batchesEach * 40_000; sets > max(b.limit/3, least) || sets < min(b.limit/5, 3*int64(partitions)<<20) {
			t.Errorf("%d partitions: %d bytes may wait for their workers, of %d", partitions, sets, b.limit)
		}
	}
}

// filler writes batches of about so many bytes, which do not compress, to a partition.
func (w *world) filler(cl *kgo.Client, random *rand.Rand, partition, batches, size int) {
	w.t.Helper()
	value := make([]byte, size)
	for range batches {
		for i := range value {
			value[i] = byte(random.Uint32())
		}
		r := &kgo.Record{Topic: "events", Partition: int32(partition), Value: bytes.Clone(value)}
		if err := cl.ProduceSync(context.Background(), r).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestAnAnswerBringsSomethingOfManyPartitions: once the size of the batches is known,
// each answer has its part of each.
func TestAnAnswerBringsSomethingOfManyPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const partitions, batches, size = 40, 60, 10_000
		w := newWorld(t, partitions)
		w.config.Budget = NewBudget(2<<20, 1<<20)
		cl := w.producer()
		defer cl.Close()
		random := rand.New(rand.NewPCG(7, 7))
		for p := range partitions {
			w.filler(cl, random, p, batches, size)
		}
		var mu sync.Mutex
		least, most, fetches := int32(1<<30), int32(0), 0 // bytes of a partition, while most have something
		w.kafka.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			mu.Lock()
			defer mu.Unlock()
			asked := r.(*kmsg.FetchRequest).Topics[0].Partitions
			busy := slices.DeleteFunc(slices.Clone(asked), func(p kmsg.FetchRequestTopicPartition) bool { return p.FetchOffset == batches })
			if fetches++; fetches <= 3 || len(busy) < partitions*3/4 {
				return nil, nil, false
			}
			for _, p := range busy {
				least, most = min(least, p.PartitionMaxBytes), max(most, p.PartitionMaxBytes)
			}
			return nil, nil, false
		})
		var settled sync.WaitGroup
		settled.Add(partitions * batches)
		m := w.member(Options{}, func(_ *member, msg *Message) {
			msg.Settle()
			settled.Done()
		})
		settled.Wait()
		m.stop(t)
		if least != partitionLeastBytes || most > partitionLeastBytes {
			t.Errorf("%d to %d bytes are asked for of a partition", least, most)
		}
	})
}

// TestABatchLargerThanAskedForIsAskedForAgain: of many partitions that have much, one has
// a batch larger than its share. It does not wait until its partition is the first that is
// asked for: here it is in their midst, or the last.
func TestABatchLargerThanAskedForIsAskedForAgain(t *testing.T) {
	for _, place := range []int{20, 39} {
		synctest.Test(t, func(t *testing.T) {
			const partitions, large, small = 40, 500_000, 10_000
			w := newWorld(t, partitions)
			// All shares are 64 KiB, and half of an answer has room for them.
			w.config.Budget = NewBudget(20<<20, 1<<20)
			cl := w.producer()
			defer cl.Close()
			random := rand.New(rand.NewPCG(8, 8))
			var claims []*claim
			for p := range partitions {
				c := newClaim(t.Context(), topicPartition{"events", p}, position{})
				c.batch = small // as of what was fetched before
				c.account.budget = w.config.Budget
				claims = append(claims, c)
				if p == place {
					w.filler(cl, random, p, 1, large)
				}
				w.filler(cl, random, p, 20, small)
			}
			c, err := New(w.config, Options{Dial: w.network.DialContext, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer c.fetch.CloseIdleConnections()
			f := newFetcher(c)
			f.set(claims)
			brokers, _, err := f.leaders(t.Context(), claims)
			if err != nil {
				t.Fatal(err)
			}
			for turn, want := range []struct {
				asked int64
				came  bool
			}{{partitionLeastBytes, false}, {partitionMaxBytes, true}} {
				for node, led := range brokers {
					if err := f.fetch(t.Context(), node, led, fetchMaxWait); err != nil {
						t.Fatal(err)
					}
				}
				for _, c := range claims {
					select {
					case set := <-c.sets:
						set.close()
					default:
					}
				}
				if c := claims[place]; c.asked != want.asked || c.position > 0 != want.came {
					t.Errorf("fetch %d, the large batch in partition %d: %d bytes were asked for, position %d", turn+1, place, c.asked, c.position)
				}
			}
		})
	}
}

// TestOneBusyPartitionAmongIdleOnesIsFetchedFast: the share is of those that have something.
func TestOneBusyPartitionAmongIdleOnesIsFetchedFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const partitions, busy, batches = 400, 7, 400
		w := newWorld(t, partitions)
		cl := w.producer()
		defer cl.Close()
		w.filler(cl, rand.New(rand.NewPCG(9, 9)), busy, batches, 10_000)
		var fetches atomic.Int32
		w.kafka.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			fetches.Add(1)
			return nil, nil, false
		})
		var settled sync.WaitGroup
		settled.Add(batches)
		m := w.member(Options{}, func(_ *member, msg *Message) {
			msg.Settle()
			settled.Done()
		})
		settled.Wait()
		if n := fetches.Load(); n > 8 {
			t.Errorf("4 MB took %d fetches", n)
		}
		m.stop(t)
	})
}

// TestWhichBatchesAreLargerThanAskedFor: of answers as brokers give them.
func TestWhichBatchesAreLargerThanAskedFor(t *testing.T) {
	const asked, limit = 64 << 10, 1 << 20
	for name, at := range map[string]struct {
		brought []int64 // by partition; -1: its leader names a follower, -2: it has nothing
		grown   []int   // the partitions whose batches are larger
	}{
		"all have brought something":           {[]int64{60_000, 60_000}, nil},
		"one has not, others behind it have":   {[]int64{60_000, 0, 60_000}, []int{1}},
		"one has nothing":                      {[]int64{60_000, -2, 60_000}, nil},
		"one is read from a follower":          {[]int64{60_000, -1, 60_000}, nil},
		"the answer was full":                  {[]int64{500_000, 500_000, 0, 0}, nil},
		"the last one has not, there was room": {[]int64{60_000, -2, 0}, []int{2}},
		"the broker has a lower limit":         {[]int64{60_000, 60_000, 0, 0, 0}, []int{2}},
		"nothing came":                         {[]int64{-2, -2}, nil},
	} {
		var claims []*claim
		res := &fetchResponse{}
		for i, brought := range at.brought {
			tp := topicPartition{"events", i}
			c := &claim{topicPartition: tp, fetching: fetching{position: 5, asked: asked, batch: 1}}
			c.end = 9
			p := fetchedPartition{topicPartition: tp, replica: -1, brought: max(0, brought)}
			switch brought {
			case -1:
				p.replica = 2
			case -2:
				c.end = 5
			}
			claims, res.partitions = append(claims, c), append(res.partitions, p)
		}
		found := res.outgrown(claims, limit)
		var grown []int
		for i := range at.brought {
			if claims[i].batch == partitionMaxBytes {
				grown = append(grown, i)
			}
		}
		if !slices.Equal(grown, at.grown) || found != (grown != nil) {
			t.Errorf("%s: %v, %v", name, grown, found)
		}
	}
}
