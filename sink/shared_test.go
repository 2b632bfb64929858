package sink

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/sink/embeddedkinesis"
)

// fewKeys makes a world of 100 keys with so many records each, all of them queued
// before the first call; put answers as it is told, after 10 ms.
func fewKeys(t *testing.T, each int, put embeddedkinesis.Script) (w *world, calls *atomic.Int64) {
	t.Helper()
	calls = new(atomic.Int64)
	var queued atomic.Bool
	w = newWorld(t, worldOptions{stream: embeddedkinesis.Stream{OnDemand: true, Shards: 64}, kinesis: embeddedkinesis.Options{Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
		switch {
		case c.Operation == "PutRecords":
			calls.Add(1)
			return put(c)
		case !queued.Load():
			return embeddedkinesis.Action{Delay: time.Second}
		}
		return embeddedkinesis.Action{}
	}}})
	for i := range 100 * each {
		w.put(fmt.Sprintf("key-%d", i%100), 0)
	}
	queued.Store(true)
	return w, calls
}

// TestOfFewKeysCallsAreShared: a hundred keys have a hundred records that may be sent at
// a time; in sixteen lanes that would be calls of six.
func TestOfFewKeysCallsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each, took = 50, 10 * time.Millisecond
		w, calls := fewKeys(t, each, func(embeddedkinesis.Call) embeddedkinesis.Action { return embeddedkinesis.Action{Delay: took} })
		w.oracle.await()
		w.delivered()
		w.check()
		first := slices.MinFunc(w.oracle.all, func(a, b *tracked) int { return a.at.Compare(b.at) })
		last := slices.MaxFunc(w.oracle.all, func(a, b *tracked) int { return a.at.Compare(b.at) })
		t.Logf("%d records in %d calls, %v from the first to the last", 100*each, calls.Load(), last.at.Sub(first.at))
		if average := 100 * each / calls.Load(); average < 75 {
			t.Errorf("%d records a call, of 100 that may be sent at a time", average)
		}
		if d := last.at.Sub(first.at); d > each*took*6/5 {
			t.Errorf("%v for %d records a key one after another, which take %v each", d, each, took)
		}
	})
}

// TestNobodyWaitsForASlowSharedCall: while one call hangs, the others go on without it.
func TestNobodyWaitsForASlowSharedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hung atomic.Bool
		w, _ := fewKeys(t, 20, func(embeddedkinesis.Call) embeddedkinesis.Action {
			if !hung.Swap(true) {
				return embeddedkinesis.Action{Delay: 5 * time.Second}
			}
			return embeddedkinesis.Action{Delay: 10 * time.Millisecond}
		})
		began := time.Now()
		w.oracle.await()
		w.delivered()
		w.check()
		var soon int
		for _, tr := range w.oracle.all {
			if tr.at.Sub(began) < 4*time.Second {
				soon++
			}
		}
		if soon < len(w.oracle.all)/2 {
			t.Errorf("%d of %d records did not wait for the call that hangs", soon, len(w.oracle.all))
		}
	})
}

// TestTheCulpritOfASharedCallIsFound: the stream refuses whole calls for one record in
// them. Only that one is dead-lettered, whichever lane's it is.
func TestTheCulpritOfASharedCallIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const culprit = "key-17"
		w, _ := fewKeys(t, 10, func(c embeddedkinesis.Call) embeddedkinesis.Action {
			if slices.Contains(c.Keys, culprit) {
				return embeddedkinesis.Action{Code: "ValidationException", Delay: 10 * time.Millisecond}
			}
			return embeddedkinesis.Action{Delay: 10 * time.Millisecond}
		})
		w.oracle.await()
		w.check()
		for _, tr := range w.oracle.all {
			if want := map[bool]Outcome{true: DeadLettered, false: Delivered}[tr.key == culprit]; tr.outcome != want {
				t.Fatalf("%s/%d: %v %q", tr.key, tr.seq, tr.outcome, tr.reason)
			}
		}
	})
}

// TestASharedCallSurvivesFaults: order and nothing lost, whatever becomes of calls that
// several lanes share.
func TestASharedCallSurvivesFaults(t *testing.T) {
	for _, seed := range seeds(5) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := embeddedkinesis.Random(seed, embeddedkinesis.Rates{Throttle: 0.05, Internal: 0.02, CallFails: 0.1, LostBefore: 0.1, LostAfter: 0.1})
				w, calls := fewKeys(t, 20, random)
				w.oracle.await()
				w.delivered()
				t.Logf("duplicates %d, faults %v, %d calls", w.check(), w.stream.Counters(), calls.Load())
				if calls.Load() > 1500 {
					t.Errorf("%d calls: they were not shared", calls.Load())
				}
			})
		})
	}
}

// TestFewKeysOfManyPartitionsFillTheirCalls: events of a hundred keys stand in twelve
// partitions in any order, each read by a worker that waits where there is no room. Each call
// has a record of nearly every key, and the partitions are read at the pace of their keys:
// where there was room by lanes, workers waited for records of other partitions, a call had
// 91 records here, and of some partitions three fifths more a key were read than of others.
func TestFewKeysOfManyPartitionsFillTheirCalls(t *testing.T) {
	const keys, partitions, took, seed = 100, 12, 10 * time.Millisecond, 3
	synctest.Test(t, func(t *testing.T) {
		var calls, records atomic.Int64
		w := newWorld(t, worldOptions{
			stream: embeddedkinesis.Stream{OnDemand: true, Shards: 64},
			config: func(c *Config) { c.Memory = NewMemory(4<<20, defaultCalls) },
			kinesis: embeddedkinesis.Options{Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
				if c.Operation == "PutRecords" {
					calls.Add(1)
					records.Add(int64(len(c.Keys)))
				}
				return embeddedkinesis.Action{Delay: took}
			}},
		})
		ctx, cancel := context.WithCancel(t.Context())
		var workers sync.WaitGroup
		var read [partitions]atomic.Int64
		for p := range partitions {
			random, claim := rand.New(rand.NewPCG(seed, uint64(p))), make(chan struct{})
			workers.Go(func() {
				for ; ; read[p].Add(1) {
					key := p + partitions*random.IntN((keys-p+partitions-1)/partitions)
					tr := w.oracle.record(fmt.Sprintf("key-%d", key), 1000, claim)
					if tr.put(ctx, w.sink) != nil {
						tr.outcome = Delivered
						close(tr.done) // this one was not taken
						return
					}
					runtime.Gosched() // the workers run side by side, on however many processors
				}
			})
		}
		<-time.After(2 * time.Second) // most of it with what was read ahead
		synctest.Wait()
		calls.Store(0)
		records.Store(0)
		var before [partitions]int64
		for p := range read {
			before[p] = read[p].Load()
		}
		<-time.After(4 * time.Second)
		synctest.Wait()
		average := records.Load() / calls.Load()
		least, most := int64(math.MaxInt64), int64(0)
		for p := range read {
			each := (read[p].Load() - before[p]) / int64((keys-p+partitions-1)/partitions)
			least, most = min(least, each), max(most, each)
		}
		cancel()
		workers.Wait()
		w.close(time.Minute)
		t.Logf("%d records a call, %d to %d a key read of a partition (seed %d)", average, least, most, seed)
		if average < 93 {
			t.Errorf("%d records a call, of %d that may be sent at a time (seed %d)", average, keys, seed)
		}
		if least < most*3/4 {
			t.Errorf("%d to %d records a key are read of a partition (seed %d)", least, most, seed)
		}
	})
}
