package dedupe

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func document(partition int, offset int64) []byte {
	return fmt.Appendf(nil, `{"person":{},"_source":{"topic":"t","partition":%d,"offset":%d,"eventId":"e","evaluatedAt":"2020-05-25T23:37:33Z"}}`, partition, offset)
}

func TestEachRecordIsFreshOnceHoweverItIsRepeated(t *testing.T) {
	f := New(100)
	// A crash after 9 and 12: both come again, then what is new.
	for i, step := range []struct {
		key       string
		partition int
		offset    int64
		fresh     bool
	}{
		{"a", 0, 9, true},
		{"a", 0, 9, false},
		{"b", 0, 10, true},
		{"a", 0, 12, true},
		{"a", 0, 9, false},
		{"b", 0, 10, false},
		{"a", 0, 12, false},
		{"a", 0, 13, true},
		{"a", 1, 2, true}, // another partition: another profile under the same key
	} {
		fresh, err := f.Fresh(step.key, document(step.partition, step.offset))
		if err != nil || fresh != step.fresh {
			t.Errorf("step %d: fresh %v, %v", i, fresh, err)
		}
	}
}

func TestAFilterForgetsWhatItHasNotSeenForLongest(t *testing.T) {
	f := New(2)
	for _, key := range []string{"a", "b", "a", "c"} { // b is the oldest when c comes
		if _, err := f.Fresh(key, document(0, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if fresh, _ := f.Fresh("a", document(0, 1)); fresh {
		t.Error("a was forgotten, and it is more recent than b")
	}
	if len(f.seen) != 2 || f.recent.Len() != 2 {
		t.Errorf("%d remembered, the limit is 2", len(f.seen))
	}
}

func TestARecordWithoutASourceIsAnErrorThatQuotesNothing(t *testing.T) {
	f := New(1)
	if _, err := f.Fresh("a", []byte(`{"person":{"email":"ada@example.com"}}`)); !errors.Is(err, ErrNoSource) {
		t.Errorf("%v", err)
	}
	if _, err := f.Fresh("a", []byte(`ada@example.com`)); err == nil || strings.Contains(err.Error(), "ada") {
		t.Errorf("%v", err)
	}
}

// A reader sees live traffic, a repetition after a crash, a backfill of what it
// knows already, and a replay under a newer rule that a kill repeats in part.
func TestWhatIsSentOnceMoreOnPurposeIsNoRepetition(t *testing.T) {
	f := New(100)
	for i, step := range []struct {
		resend string
		offset int64
		fresh  bool
	}{
		{"", 9, true},
		{"", 12, true},
		{"", 9, false},
		{"", 12, false},
		{"backfill.a.12", 12, true},
		{"", 12, false},
		{"replay.b", 9, true},
		{"replay.b", 12, true},
		{"replay.b", 9, false},
		{"replay.b", 12, false},
		{"", 13, true},
		{"replay.c", 9, true}, // another replay
	} {
		document := fmt.Appendf(nil, `{"_source":{"topic":"t","partition":0,"offset":%d,"resend":%q}}`, step.offset, step.resend)
		if fresh, err := f.Fresh("a", document); err != nil || fresh != step.fresh {
			t.Errorf("step %d: fresh %v, %v", i, fresh, err)
		}
	}
}
