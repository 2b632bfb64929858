package consumer

import (
	"fmt"
	"testing"
	"unsafe"
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

// TestABufferIsUsedAgainOnceItsMessagesAreAtRest, all of them, and not before; and only where a claim handed them out:
// who reads a range may keep what he has read.
func TestABufferIsUsedAgainOnceItsMessagesAreAtRest(t *testing.T) {
	for _, codec := range []string{"none", "lz4"} {
		t.Run(codec, func(t *testing.T) {
			budget := newBudget(defaultBudget)
			first := onePart(t, budget, codec, true)
			first.leave(len(first.messages)) // all but one
			second := onePart(t, budget, codec, true)
			if place(second) == place(first) {
				t.Fatal("the buffer of a message that is not at rest is used again")
			}
			at := place(first)
			first.leave(1)
			if third := onePart(t, budget, codec, true); place(third) != at {
				t.Error("the buffer is not used again")
			}
			kept := onePart(t, budget, codec, false)
			at = place(kept)
			kept.leave(len(kept.messages) + 1)
			if fourth := onePart(t, budget, codec, true); place(fourth) == at {
				t.Error("a buffer is used again that somebody may keep")
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
	}
	kept := 0
	for size, free := range b.free {
		for _, buffer := range free {
			if cap(buffer) != size*bufferStep {
				t.Errorf("a buffer of %d bytes among those of %d", cap(buffer), size*bufferStep)
			}
			kept += cap(buffer)
		}
	}
	if int64(kept) != b.bytes || kept > 1<<20 || kept < 1<<20-partBytes {
		t.Errorf("%d bytes wait, %d are counted", kept, b.bytes)
	}
	for _, used := range []int64{3<<20 + 1<<19, 1 << 17, 4 << 20} {
		budget.acquire(used)
		if free := budget.limit - used; b.bytes > free || free < 1<<19 && b.bytes > 0 {
			t.Errorf("%d bytes wait, of %d that are free", b.bytes, free)
		}
		budget.release(used)
	}
}

// TestABufferOfAMessageThatIsGivenBackIsNotUsedAgain: somebody may be writing a letter of it.
func TestABufferOfAMessageThatIsGivenBackIsNotUsedAgain(t *testing.T) {
	budget := newBudget(defaultBudget)
	first := onePart(t, budget, "lz4", true)
	at := place(first)
	first.leave(len(first.messages)) // the worker, and all but one
	newClaim(t.Context(), topicPartition{"events", 0}, position{}).withdraw(&first.messages[0])
	if second := onePart(t, budget, "lz4", true); place(second) == at {
		t.Error("the buffer is used again")
	}
}

// TestABufferHasRoomForWhatItIsTakenFor and counts as what it is.
func TestABufferHasRoomForWhatItIsTakenFor(t *testing.T) {
	b := &buffers{most: 1 << 20}
	for _, n := range []int{0, 1, leastReused - 1, leastReused, leastReused + 1, partBytes - 1, partBytes, partBytes + 1, wholeBytes} {
		for again := range 2 {
			t.Run(fmt.Sprint(n, again), func(t *testing.T) {
				got := b.copyOf(make([]byte, n))
				if len(got) != n || cap(got) < n || n >= leastReused && cap(got) != bufferSize(n) || bufferSize(n)-n >= bufferStep {
					t.Errorf("%d of %d bytes, counted as %d", len(got), cap(got), bufferSize(n))
				}
				b.give(got)
			})
		}
	}
}
