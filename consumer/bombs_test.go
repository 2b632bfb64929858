package consumer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"
	"testing"

	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"
)

// liveHeap is what the garbage collector leaves.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // what pools keep goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// heldBomb decodes a set until the budget is full of messages of which none comes
// to rest, as with a stream that stands still, and measures what is alive then.
func heldBomb(t *testing.T, raw []byte, limit int64) (counted, live int64, messages int) {
	t.Helper()
	before := liveHeap()
	b := newBudget(limit)
	set, err := newRecordSet(topicPartition{"t", 0}, 0, &fetchedPartition{records: raw, budget: b})
	if err != nil {
		t.Fatal(err)
	}
	a := &account{budget: b}
	d := newDecoder(topicPartition{"t", 0}, set, a)
	defer d.close()
	var held []*part
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watched := make(chan struct{})
	go func() { // ends the claim once its worker waits for room
		defer close(watched)
		for ctx.Err() == nil {
			b.mu.Lock()
			waiting := len(b.waiting) > 0
			b.mu.Unlock()
			if waiting {
				cancel()
			}
			runtime.Gosched()
		}
	}()
	for {
		p, err := d.part(ctx)
		if p == nil {
			if err != nil && ctx.Err() == nil {
				t.Fatal(err)
			}
			break
		}
		held = append(held, p)
		messages += len(p.messages)
	}
	cancel()
	<-watched
	counted, live = b.used, liveHeap()-before
	runtime.KeepAlive(raw)
	for _, p := range held {
		p.leave(len(p.messages) + 1)
	}
	d.close()
	if b.used != 0 {
		t.Errorf("%d bytes are counted when all is at rest", b.used)
	}
	return counted, live, messages
}

func many(n int, record func(i int) protocol.Record) []protocol.Record {
	records := make([]protocol.Record, n)
	for i := range records {
		records[i] = record(i)
	}
	return records
}

func empty(int) protocol.Record { return protocol.Record{} }

func headed(n int) func(int) protocol.Record {
	return func(int) protocol.Record { return protocol.Record{Headers: make([]protocol.Header, n)} }
}

func sized(n int) func(int) protocol.Record {
	return func(int) protocol.Record { return protocol.Record{Value: protocol.NewBytes(make([]byte, n))} }
}

func tombstone(i int) protocol.Record {
	return protocol.Record{Key: protocol.NewBytes(fmt.Appendf(nil, "lead-%08d", i))}
}

// fixedState is what a decompressor keeps for its life: scratch and tables.
const fixedState = 8 << 20

func TestWhatABatchBecomesStaysWithinTheBudget(t *testing.T) {
	const limit = 16 << 20
	for name, bomb := range map[string]struct {
		codec  compress.Compression
		n      int
		record func(i int) protocol.Record
	}{
		"empty records":             {compress.None, 100_000, empty},
		"empty records, zstd":       {compress.Zstd, 3_000_000, empty},
		"tombstones":                {compress.None, 45_000, tombstone},
		"tombstones, zstd":          {compress.Zstd, 400_000, tombstone},
		"tombstones, lz4":           {compress.Lz4, 150_000, tombstone},
		"tombstones, gzip":          {compress.Gzip, 150_000, tombstone},
		"tombstones, snappy":        {compress.Snappy, 150_000, tombstone},
		"headers":                   {compress.None, 1, headed(450_000)},
		"headers, zstd":             {compress.Zstd, 1, headed(4_000_000)},
		"records of a MiB, zstd":    {compress.Zstd, 100, sized(1 << 20)},
		"records of 100 kB, snappy": {compress.Snappy, 500, sized(100 << 10)},
	} {
		t.Run(name, func(t *testing.T) {
			raw := codecBatch(t, bomb.codec, many(bomb.n, bomb.record)...)
			counted, live, messages := heldBomb(t, raw, limit)
			t.Logf("%d bytes on the wire: %d messages out, %d bytes counted, %d live", len(raw), messages, counted, live)
			if counted > limit || live > counted+fixedState || messages == 0 {
				t.Errorf("%d bytes on the wire: %d messages out, %d bytes counted, %d live", len(raw), messages, counted, live)
			}
		})
	}
}

func TestARecordBeyondTheLimitIsHandedOutWithoutItsValue(t *testing.T) {
	value := make([]byte, 256<<20)
	digest := sha256.Sum256(value)
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			raw := codecBatch(t, codec, protocol.Record{Key: protocol.NewBytes([]byte("k")), Value: protocol.NewBytes(value)},
				protocol.Record{Value: protocol.NewBytes([]byte("after"))})
			var got []Message
			const limit = 16 << 20
			before := liveHeap()
			b, err := decodeSet(topicPartition{"t", 0}, 0, &fetchedPartition{records: raw}, limit, func(m *Message) {
				if live := liveHeap() - before; live > limit+fixedState {
					t.Errorf("%d bytes are alive", live)
				}
				got = append(got, *m)
			})
			if err != nil || len(got) != 2 || b.next != 2 || b.peak > limit {
				t.Fatalf("%d messages, goes on at %d, %d bytes counted: %v", len(got), b.next, b.peak, err)
			}
			m := got[0]
			if m.Omitted == nil || *m.Omitted != (Omitted{int64(len(value)), digest}) || m.Value != nil || string(m.Key) != "k" {
				t.Errorf("handed out as %v with %d bytes", m.Omitted, len(m.Value))
			}
			if string(got[1].Value) != "after" || got[1].Omitted != nil {
				t.Errorf("what comes after it: %q", got[1].Value)
			}
		})
	}
}

func TestARecordLargerThanTheBudgetComesWhole(t *testing.T) {
	value := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			raw := codecBatch(t, codec, protocol.Record{Value: protocol.NewBytes([]byte("before"))}, protocol.Record{Value: protocol.NewBytes(value)}, protocol.Record{Value: protocol.NewBytes([]byte("after"))})
			n := 0
			b, err := decodeSet(topicPartition{"t", 0}, 0, &fetchedPartition{records: raw}, 1<<20, func(m *Message) {
				if m.Offset == 1 && bytes.Equal(m.Value, value) || m.Offset != 1 && len(m.Value) < 10 {
					n++
				}
			})
			if err != nil || n != 3 || b.next != 3 {
				t.Errorf("%d of 3, goes on at %d: %v", n, b.next, err)
			}
		})
	}
}
