package consumer

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestWhatHasSettledAboveTheWatermarkSurvivesACommit(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 40 {
		start := rnd.Int64N(1 << 40)
		w := newWatermark(start)
		settled := map[int64]bool{}
		var offsets []int64
		offset := start
		gap := rnd.Int64N(4) // compacted topics and control records leave gaps
		for range 1 + rnd.IntN(maxOpen) {
			offset += rnd.Int64N(gap + 1)
			seq := w.Open(offset, time.UnixMilli(0))
			offsets = append(offsets, offset)
			if rnd.IntN(3) > 0 {
				w.Settle(seq)
				settled[offset] = true
			}
			offset++
		}
		metadata := encodeSettled(w.Next(), w.Above())
		spans := decodeSettled(w.Next(), metadata)
		covered := func(o int64) bool {
			return slices.ContainsFunc(spans, func(s span) bool { return s.from <= o && o < s.to })
		}
		if len(metadata) > maxMetadata {
			t.Fatalf("seed %d: %d bytes of metadata", seed, len(metadata))
		}
		for _, o := range offsets[max(0, len(offsets)-2000):] {
			if o < w.Next() {
				continue
			}
			if covered(o) && !settled[o] {
				t.Fatalf("seed %d: %d has not settled and would be passed by: it is lost", seed, o)
			}
			if gap == 0 && settled[o] && !covered(o) {
				t.Fatalf("seed %d: %d of %d open offsets has settled and would be exported again", seed, o-w.Next(), w.Len())
			}
		}
	}
}

func TestForeignOrBrokenMetadataMeansNothingHasSettled(t *testing.T) {
	good := encodeSettled(10, []span{{12, 15}, {100, 101}})
	if got := decodeSettled(10, good); !slices.Equal(got, []span{{12, 15}, {100, 101}}) {
		t.Fatalf("%q is read as %v", good, got)
	}
	for _, metadata := range []string{"", "someone else's", settledPrefix, settledPrefix + "!!!", deflatedPrefix + good[len(settledPrefix):], settledPrefix + "AAAA"} {
		if spans := decodeSettled(10, metadata); len(spans) != 0 {
			t.Errorf("%q is read as %v", metadata, spans)
		}
	}
}

func TestWhatAnEarlierOwnerSettledStaysInTheCommitUntilItIsPassed(t *testing.T) {
	metadata := encodeSettled(5, []span{{7, 9}, {20, 21}})
	c := newClaim(t.Context(), topicPartition{"events", 0}, position{next: 5, committed: 5, metadata: metadata})
	c.account.budget = newBudget(1)
	take := func(offset int64) *Message {
		m := &Message{Topic: "events", Offset: offset}
		if !c.open(m) {
			t.Fatal("the claim has stopped")
		}
		if c.before(m) {
			c.settle(m.Ack)
		}
		return m
	}
	five, six := take(5), take(6)
	six.Settle()
	next, beside, changed := c.progress()
	if got := decodeSettled(next, beside); next != 5 || !changed || !slices.Equal(got, []span{{6, 9}, {20, 21}}) {
		t.Errorf("commits %d and %v, changed: %v", next, got, changed)
	}
	five.Settle()
	take(7)
	take(8)
	next, beside, _ = c.progress()
	if got := decodeSettled(next, beside); next != 9 || !slices.Equal(got, []span{{20, 21}}) {
		t.Errorf("commits %d and %v", next, got)
	}
}
