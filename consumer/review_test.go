package consumer

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// A part that owns the second half of a decompressed batch gives back a slice of it, which counts as half of what it keeps.
func TestReviewASliceOfABufferCountsAsTheBuffer(t *testing.T) {
	const half = 64 << 10
	// a record of exactly half: its length (3 bytes), attributes 1, time 1, offset 1, key -1 (1), value length 3, value, headers 1
	value := make([]byte, half-11)
	records := func() []protocol.Record {
		return []protocol.Record{{Value: protocol.NewBytes(value)}, {Value: protocol.NewBytes(value)}}
	}
	raw := codecBatch(t, codecs["lz4"], records()...)
	budget := newBudget(64 << 20)
	b := &budget.codecs.buffers
	var parts []*part
	for range 256 {
		s, err := newRecordSet(topicPartition{"events", 0}, 0, &fetchedPartition{records: raw, budget: budget})
		if err != nil {
			t.Fatal(err)
		}
		d := newDecoder(topicPartition{"events", 0}, s, &account{budget: budget})
		d.reuse = true
		for p, err := d.part(t.Context()); p != nil || err != nil; p, err = d.part(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if len(parts) == 1 {
				t.Logf("second part: %d messages, buffer of %d (cap %d), cost %d", len(p.messages), len(p.buffer), cap(p.buffer), p.cost)
			}
			parts = append(parts, p)
		}
		d.close()
	}
	used := budget.Used()
	for _, p := range parts {
		p.leave(len(p.messages) + 1)
	}
	clear(parts)
	parts = nil
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	t.Logf("used before: %d; used now %d, waiting %d, heap %d", used, budget.Used(), b.waiting(), stats.HeapAlloc)
	counted := b.waiting()
	b.bound(0)
	runtime.GC()
	runtime.GC()
	before := stats.HeapAlloc
	runtime.ReadMemStats(&stats)
	if real := int64(before) - int64(stats.HeapAlloc); real > counted+counted/8 {
		t.Errorf("%d bytes waited, %d were counted", real, counted)
	}
}

// TestReviewNoFetchLoopStarves: a hundred destinations' loops, on the real await, that find nothing (a long poll each), beside
// what one held destination keeps: 6 of the 15.75 MiB that may be fetched of --memory 320MiB.
func TestReviewNoFetchLoopStarves(t *testing.T) {
	const loops, poll, rounds = 100, 25 * time.Millisecond, 400 // 500 ms in truth
	b := NewBudget(21<<20, 10<<20)
	b.acquire(6 << 20)
	ctx, cancel := context.WithTimeout(t.Context(), rounds*poll)
	defer cancel()
	asked, longest := make([]int, loops), make([]time.Duration, loops)
	var wg sync.WaitGroup
	for i := range loops {
		wg.Go(func() {
			f := &fetcher{budget: b}
			claims := []*claim{newClaim(ctx, topicPartition{"events", i}, position{})}
			for last := time.Now(); ; {
				ready := f.await(ctx, claims)
				longest[i] = max(longest[i], time.Since(last))
				if len(ready) == 0 {
					return
				}
				last = time.Now()
				done := b.asks()
				newFetchCall(0, ready, b)
				pause(ctx, poll)
				done()
				asked[i]++
			}
		})
	}
	wg.Wait()
	t.Logf("of %d polls a loop made %d to %d; the longest that one waited: %d polls", rounds, slices.Min(asked), slices.Max(asked), slices.Max(longest)/poll)
	if slices.Min(asked) < rounds/50 {
		t.Error("some loops starve")
	}
}
