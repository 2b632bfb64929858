package destination

import (
	"errors"
	"maps"
	"math"
	"testing"

	"kinesis-destination/consumer"
)

// What other tools, or people, write as a group's metadata is refused as foreign:
// it neither panics nor becomes a range that cannot be.
func FuzzNotesOfAGroup(f *testing.F) {
	s := newStretch(consumer.Range{Topic: "t", From: 3, To: 9}, "terms")
	c, err := s.checkpoint()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c.Note, int64(5))
	f.Add(writeKnown(map[segmentHash]bool{hashSegment("a"): true, hashSegment("b"): true}), int64(0))
	for _, note := range foreignNotes {
		f.Add(note, int64(5))
	}
	f.Fuzz(func(t *testing.T, note string, next int64) {
		s, err := parseStretch(consumer.Checkpoint{Topic: "t", Next: next, Note: note})
		if err != nil {
			if !errors.Is(err, errForeignNote) {
				t.Errorf("%q: %v", note, err)
			}
		} else {
			if s.From < 0 || s.To < s.From || s.Live < s.From || s.next < s.From || s.next > s.To || s.Slices < 1 || s.Slices > maxSlices || s.Slice < 0 || s.Slice >= s.Slices {
				t.Errorf("%q at %d became %+v", note, next, s.sweepNote)
			}
			if s.Account.Unaccounted() < 0 || s.Account.Consumed > s.To-s.From {
				t.Errorf("%q became the account %+v", note, s.Account)
			}
			s.ended()
			s.count(func(a *SweepAccount) { a.Filtered["x"]++; a.DeadLettered["x"]++ }) // neither is nil
			(&sweep{latestOnly: true}).tell(s)
			if done, total := s.progress(); done < 0 || total < 0 || done > total {
				t.Errorf("%q: %d of %d", note, done, total)
			}
		}
		known, err := parseKnown(note)
		if err != nil {
			if !errors.Is(err, errForeignNote) {
				t.Errorf("%q: %v", note, err)
			}
			return
		}
		if again, err := parseKnown(writeKnown(known)); err != nil || !maps.Equal(known, again) {
			t.Errorf("%q is written as %q: %v", note, writeKnown(known), err)
		}
	})
}

// foreignNotes are JSON of the right form with numbers that no sweep writes.
var foreignNotes = []string{
	"", "null", "{}", "[]", `{"slices": 1, "from": -1}`, `{"from": 5, "to": 3, "live": 9, "slices": 1}`,
	`{"from": 6, "to": 9, "live": 9, "slices": 1}`, `{"to": 4, "live": 9, "slices": 1}`, `{"to": 9, "live": -1, "slices": 1}`,
	`{"to": 9, "live": 9, "slice": 1, "slices": 1}`, `{"to": 9, "live": 9, "slice": -1, "slices": 1}`,
	`{"to": 9, "live": 9, "slices": 1000000000000}`, `{"to": 9223372036854775807, "live": 9, "slices": 65536}`,
	`{"to": 9, "live": 9, "slices": 1, "account": {"consumed": -1}}`, `{"to": 9, "live": 9, "slices": 1, "account": {"consumed": 1, "delivered": 2}}`,
	`{"to": 9, "live": 9, "slices": 1, "account": {"consumed": 10}}`,
	`{"to": 9, "live": 9, "slices": 1, "account": {"consumed": 3, "filtered": {"a": 9223372036854775807, "b": 9223372036854775807}}}`,
	`{"to": 9, "live": 9, "slices": 1, "account": {"filtered": {"a": -1}}}`,
}

func TestANoteThatNoSweepWritesIsForeign(t *testing.T) {
	for _, note := range foreignNotes {
		if s, err := parseStretch(consumer.Checkpoint{Topic: "t", Next: 5, Note: note}); !errors.Is(err, errForeignNote) {
			t.Errorf("%s: %v, %+v", note, err, s)
		}
		if _, err := parseKnown(note); !errors.Is(err, errForeignNote) {
			t.Errorf("%s: %v", note, err)
		}
	}
	for _, next := range []int64{-1, 2, 10, math.MaxInt64} {
		s := newStretch(consumer.Range{Topic: "t", From: 3, To: 9}, "terms")
		c, err := s.checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		if c.Next = next; next == 2 || next == 10 || next < 0 || next > 9 {
			if _, err := parseStretch(c); !errors.Is(err, errForeignNote) {
				t.Errorf("at %d: %v", next, err)
			}
		}
	}
}
