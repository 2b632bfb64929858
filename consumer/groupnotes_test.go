package consumer

import (
	"bytes"
	"encoding/base64"
	"math"
	"slices"
	"testing"

	"github.com/segmentio/kafka-go"
)

// Anyone who may commit to a group decides what stands beside its offsets.
func FuzzWhatStandsBesideAnOffset(f *testing.F) {
	id := topicID{1, 2, 3}
	bomb := deflatedPrefix + base64.RawStdEncoding.EncodeToString(deflate(make([]byte, 64<<20)))
	full := settledPrefix + base64.RawStdEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 2000))
	for _, text := range []string{
		"", "settled1:", "settled1:/w", "settled1z:", bomb, full, stamp(id, full), stamp(id, bomb), "topic1: ", stamp(id, ""), stamp(topicID{9}, "settled1:/w"),
		encodeSettled(7, []span{{9, 12}, {40, 41}}), `{"from":9223372036854775807,"to":-1,"slices":1}`, "segments1:AAAA", "topic1:AAAAAAAAAAAAAAAAAAAAAA settled1:!!!",
	} {
		for _, offset := range []int64{-1, 0, 7, math.MaxInt64, math.MaxInt64 - 3, math.MinInt64} {
			f.Add(offset, text, true)
		}
	}
	f.Fuzz(func(t *testing.T, offset int64, text string, same bool) {
		now := id
		if !same {
			now = topicID{9}
		}
		at := positionOf(offset, text, now)
		if at.committed < -1 || at.committed >= 0 && at.committed != offset {
			t.Fatalf("%+v", at)
		}
		spans := decodeSettled(at.committed, at.metadata)
		if len(spans) > maxBitmap*8/2 {
			t.Fatalf("%d spans", len(spans))
		}
		for i, s := range spans {
			if s.from < at.committed || s.to <= s.from || i > 0 && s.from <= spans[i-1].to {
				t.Fatalf("span %d of %v", i, spans)
			}
		}
		c := newClaim(t.Context(), topicPartition{"events", 0}, at)
		for _, o := range []int64{0, offset, offset + 5} {
			c.before(&Message{Offset: o})
		}
		c.progress()
		p := &ledgerPart{at: at, settled: spans, done: map[int64]bool{}}
		if _, err := p.encode(nil); err != nil {
			t.Fatal(err)
		}
	})
}

// A group's offset and note are read in bounded memory, whatever they say.
func TestANoteThatUnpacksToMuchIsReadNoFurtherThanABitmapGoes(t *testing.T) {
	bomb := deflatedPrefix + base64.RawStdEncoding.EncodeToString(deflate(bytes.Repeat([]byte{0xaa}, 64<<20)))
	spans := decodeSettled(0, bomb)
	if len(spans) > maxBitmap*8/2 {
		t.Errorf("%d spans", len(spans))
	}
	if spans := decodeSettled(math.MaxInt64-3, "settled1:"+base64.RawStdEncoding.EncodeToString([]byte{0xff, 0xff})); len(spans) != 0 {
		t.Errorf("offsets beyond the last that there is: %v", spans)
	}
}

func TestAPartitionThatACommitsAnswerLeavesOutIsNotCommitted(t *testing.T) {
	res := &kafka.OffsetCommitResponse{Topics: map[string][]kafka.OffsetCommitPartition{"events": {{Partition: 0}, {Partition: 1, Error: kafka.NotCoordinatorForGroup}}}}
	failed := commitErrors(res, []topicPartition{{"events", 0}, {"events", 1}, {"events", 2}})
	if len(failed) != 2 || failed[topicPartition{"events", 0}] != nil || failed[topicPartition{"events", 2}] == nil {
		t.Errorf("%v", failed)
	}
}

func TestALedgerOfAPartitionThatRetentionHasEmptiedKnowsNothing(t *testing.T) {
	l := &Ledger{parts: map[topicPartition]*ledgerPart{}}
	if l.Note(&Message{Topic: "letters", Partition: 3}, false) || l.Next("letters", 3) != 0 {
		t.Error("there is nothing to settle")
	}
	l.Settle("letters", 3, 7)
}

// While a report is under way another cause comes and goes: what is told last stands.
func TestTheLastReportOfAHoldIsTheLastCause(t *testing.T) {
	var c Consumer
	var told []string
	began, goOn := make(chan struct{}), make(chan struct{})
	c.opts.Hold = func(_ string, _ int, reason string, _ error) {
		if reason == ReasonKafka {
			close(began)
			<-goOn
		}
		told = append(told, reason)
	}
	held, freed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(held)
		c.holdGroup(ReasonKafka, kafka.Unknown)
	}()
	<-began
	go func() {
		defer close(freed)
		c.holdGroup("", nil)
	}()
	close(goOn)
	<-held
	<-freed
	if !slices.Equal(told, []string{ReasonKafka, ""}) {
		t.Errorf("told %q", told)
	}
}
