package resend

import (
	"errors"
	"math"
	"testing"

	"kinesis-destination/consumer"
)

// What other tools, or people, write as a group's metadata is refused as foreign:
// it neither panics nor becomes a range that cannot be.
func FuzzCheckpoint(f *testing.F) {
	s := NewPartitionRange(consumer.Range{Topic: "t", From: 3, To: 9}, "terms")
	c, err := s.Checkpoint()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c.Note, int64(5))
	for _, note := range foreignNotes {
		f.Add(note, int64(5))
	}
	f.Fuzz(func(t *testing.T, note string, next int64) {
		s, err := ParsePartitionRange(consumer.Checkpoint{Topic: "t", Next: next, Note: note})
		if err != nil {
			if !errors.Is(err, ErrForeignCheckpoint) {
				t.Errorf("%q: %v", note, err)
			}
			return
		}
		if s.From < 0 || s.To < s.From || s.Live < s.From || s.next < s.From || s.next > s.To || s.Slices < 1 || s.Slices > maxSlices || s.Slice < 0 || s.Slice >= s.Slices {
			t.Errorf("%q at %d became %+v", note, next, s.note)
		}
		if s.Account.Unaccounted() < 0 || s.Account.Consumed > s.To-s.From {
			t.Errorf("%q became the account %+v", note, s.Account)
		}
		s.Ended()
		s.count(func(a *Account) { a.Filtered["x"]++; a.DeadLettered["x"]++ }) // neither is nil
		(&Job{LatestOnly: true}).Report(s)
		if done, total := s.Progress(); done < 0 || total < 0 || done > total {
			t.Errorf("%q: %d of %d", note, done, total)
		}
	})
}

// foreignNotes are JSON of the right form with numbers that no job writes.
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

func TestACheckpointThatNoJobWritesIsForeign(t *testing.T) {
	for _, note := range foreignNotes {
		if s, err := ParsePartitionRange(consumer.Checkpoint{Topic: "t", Next: 5, Note: note}); !errors.Is(err, ErrForeignCheckpoint) {
			t.Errorf("%s: %v, %+v", note, err, s)
		}
	}
	for _, next := range []int64{-1, 2, 10, math.MaxInt64} {
		s := NewPartitionRange(consumer.Range{Topic: "t", From: 3, To: 9}, "terms")
		c, err := s.Checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		if c.Next = next; next == 2 || next == 10 || next < 0 || next > 9 {
			if _, err := ParsePartitionRange(c); !errors.Is(err, ErrForeignCheckpoint) {
				t.Errorf("at %d: %v", next, err)
			}
		}
	}
}
