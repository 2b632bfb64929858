package consumer

import (
	"bytes"
	"fmt"
	"testing"
	"time"
	"unsafe"

	"github.com/segmentio/kafka-go/protocol"
)

// setOf is a set of one compressed batch, of some 60 KB, as it comes from a broker.
func setOf(t *testing.T, budget *Budget, codec string) *recordSet {
	t.Helper()
	raw := codecBatch(t, codecs[codec], benchRecords(80)...)
	s, err := newRecordSet(topicPartition{"events", 0}, 0, &fetchedPartition{records: raw, budget: budget})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func onePart(t *testing.T, budget *Budget, codec string, reuse bool) *part {
	t.Helper()
	d := newDecoder(topicPartition{"events", 0}, setOf(t, budget, codec), &account{budget: budget})
	defer d.close()
	d.reuse = reuse
	p, err := d.part(t.Context())
	if err != nil || len(p.messages) != 80 {
		t.Fatalf("%v: %v", p, err)
	}
	return p
}

func place(p *part) *byte { return unsafe.SliceData(p.messages[0].Value) }

func slotsOf(p *part) *Message { return unsafe.SliceData(p.messages) }

// TestABufferIsUsedAgainOnceItsMessagesAreAtRest, all of them, and not before, and so are the messages; and only where a claim handed them out:
// who reads a range may keep what he has read.
func TestABufferIsUsedAgainOnceItsMessagesAreAtRest(t *testing.T) {
	for _, codec := range []string{"none", "lz4"} {
		t.Run(codec, func(t *testing.T) {
			budget := newBudget(defaultBudget)
			first := onePart(t, budget, codec, true)
			first.leave(len(first.messages)) // all but one
			second := onePart(t, budget, codec, true)
			if place(second) == place(first) || slotsOf(second) == slotsOf(first) {
				t.Fatal("the buffer of a message that is not at rest, or the message, is used again")
			}
			at, messages := place(first), slotsOf(first)
			first.leave(1)
			if third := onePart(t, budget, codec, true); place(third) != at || slotsOf(third) != messages {
				t.Error("the buffer, or the messages, are not used again")
			}
			kept := onePart(t, budget, codec, false)
			at, messages = place(kept), slotsOf(kept)
			kept.leave(len(kept.messages) + 1)
			if fourth := onePart(t, budget, codec, true); place(fourth) == at || slotsOf(fourth) == messages {
				t.Error("a buffer, or messages, are used again that somebody may keep")
			}
		})
	}
}

// TestBuffersThatWaitAreBounded by what is free of the budget, whatever their sizes are, and go when that is needed.
func TestBuffersThatWaitAreBounded(t *testing.T) {
	budget := newBudget(4 << 20)
	budget.acquire(1)
	budget.release(1)
	b := &budget.codecs.buffers
	for n := range 4000 {
		b.give(make([]byte, 0, bufferSize(n*50)))
		b.giveMessages(make([]Message, 0, messagesSize(n)))
		b.giveSlots(b.takeSlots(n))
	}
	kept := waits(t, &b.data) + waits(t, &b.messages) + waits(t, &b.slots)
	if kept != b.waiting() || kept > budget.limit/keptShare || kept < budget.limit/keptShare-partBytes {
		t.Errorf("%d bytes wait, %d are counted", kept, b.waiting())
	}
	for _, used := range []int64{3<<20 + 1<<19, 1 << 17, 4 << 20} {
		budget.acquire(used)
		if free := budget.limit - used; b.waiting() > free || free < 1<<19 && b.waiting() > 0 {
			t.Errorf("%d bytes wait, of %d that are free", b.waiting(), free)
		}
		budget.release(used)
	}
}

func waits[T any](t *testing.T, s *shelf[T]) (bytes int64) {
	t.Helper()
	for size, free := range s.free {
		for _, one := range free {
			if cap(one) != size {
				t.Errorf("one of %d among those of %d", cap(one), size)
			}
			bytes += bytesOf(one)
		}
	}
	return bytes
}

// TestWhatWasFetchedIsUsedAgainOnceItIsDecoded, and nothing that was handed out of it changes.
func TestWhatWasFetchedIsUsedAgainOnceItIsDecoded(t *testing.T) {
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			budget := newBudget(defaultBudget)
			b := &budget.codecs.buffers
			budget.acquire(1)
			budget.release(1)
			raw := codecBatch(t, codec, benchRecords(900)...) // several parts
			fetched := append(b.take(max(len(raw), leastReused)), raw...)
			budget.acquire(int64(cap(fetched)))
			s, err := newRecordSet(topicPartition{"events", 0}, 0, &fetchedPartition{records: fetched, budget: budget, cost: int64(cap(fetched))})
			if err != nil {
				t.Fatal(err)
			}
			d := newDecoder(topicPartition{"events", 0}, s, &account{budget: budget})
			d.reuse = true
			var messages []Message
			for p, err := d.part(t.Context()); p != nil; p, err = d.part(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				messages = append(messages, p.messages...)
			}
			d.close()
			s.close()
			for range 100 { // whatever waits
				next := b.take(cap(fetched))
				if unsafe.SliceData(next) == unsafe.SliceData(fetched) {
					fetched = nil
				}
				for i := range next[:cap(next)] {
					next[:cap(next)][i] = 'x'
				}
			}
			if fetched != nil {
				t.Error("it is not used again")
			}
			for i, r := range benchRecords(900) {
				if want, _ := protocol.ReadAll(r.Value); !bytes.Equal(messages[i].Value, want) {
					t.Fatalf("message %d has another value by now", i)
				}
			}
		})
	}
}

// TestAWindowTakesTheSlotsOfOneThatRanEmpty, and gives them back once they are too few.
func TestAWindowTakesTheSlotsOfOneThatRanEmpty(t *testing.T) {
	b := &buffers{most: 1 << 20}
	fill := func() *slot {
		w := watermark{buffers: b}
		for i := range int64(1000) {
			w.Open(i, time.Time{})
		}
		at := unsafe.SliceData(w.slots)
		for i := range uint64(1000) {
			w.Settle(i)
		}
		if w.slots != nil || b.waiting() != (512+1024)*slotCost {
			t.Errorf("an empty window has %d slots, and %d bytes wait", cap(w.slots), b.waiting())
		}
		return at
	}
	if first, second := fill(), fill(); first != second {
		t.Error("the second window's slots are others")
	}
}

// TestABufferOfAMessageThatIsGivenBackIsNotUsedAgain, and no message of it: somebody may be writing a letter of it.
func TestABufferOfAMessageThatIsGivenBackIsNotUsedAgain(t *testing.T) {
	budget := newBudget(defaultBudget)
	first := onePart(t, budget, "lz4", true)
	at, messages := place(first), slotsOf(first)
	first.leave(len(first.messages)) // the worker, and all but one
	newClaim(t.Context(), topicPartition{"events", 0}, position{}).withdraw(first.messages[0].Ack)
	if second := onePart(t, budget, "lz4", true); place(second) == at || slotsOf(second) == messages {
		t.Error("the buffer, or its messages, are used again")
	}
}

// TestABufferHasRoomForWhatItIsTakenFor and counts as what it is.
func TestABufferHasRoomForWhatItIsTakenFor(t *testing.T) {
	b := &buffers{most: 1 << 20}
	for _, n := range []int{0, 1, leastReused - 1, leastReused, leastReused + 1, partBytes - 1, partBytes, partBytes + 1, mostReused, mostReused + 1} {
		for again := range 2 {
			t.Run(fmt.Sprint(n, again), func(t *testing.T) {
				got := b.copyOf(make([]byte, n))
				if len(got) != n || cap(got) < n || n >= leastReused && cap(got) != bufferSize(n) || (bufferSize(n)-n)*8 > bufferSize(n) {
					t.Errorf("%d of %d bytes, counted as %d", len(got), cap(got), bufferSize(n))
				}
				b.give(got)
			})
		}
	}
}

// TestABufferThatIsPartlyReadWaitsAsAWhole: of a batch whose first part was copied out, the second has the rest of the
// decompressed buffer, and what waits for its next use is all of that.
func TestABufferThatIsPartlyReadWaitsAsAWhole(t *testing.T) {
	const half = 64 << 10
	value := make([]byte, half-11) // a record of exactly half a part
	raw := codecBatch(t, codecs["lz4"], protocol.Record{Value: protocol.NewBytes(value)}, protocol.Record{Value: protocol.NewBytes(value)})
	budget := newBudget(64 << 20)
	s, err := newRecordSet(topicPartition{"events", 0}, 0, &fetchedPartition{records: raw, budget: budget})
	if err != nil {
		t.Fatal(err)
	}
	d := newDecoder(topicPartition{"events", 0}, s, &account{budget: budget})
	defer d.close()
	d.reuse = true
	var last *part
	for p, err := d.part(t.Context()); p != nil || err != nil; p, err = d.part(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		last = p
	}
	if got := cap(last.buffer); len(last.messages) != 1 || got < 2*half {
		t.Errorf("the last part of %d messages gives back %d bytes of a buffer of %d", len(last.messages), got, 2*half)
	}
}
