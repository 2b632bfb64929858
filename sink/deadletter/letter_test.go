package deadletter

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// A producer may send headers with the names of a letter's own. They must not be
// taken for what this program found, and a redrive gives them back.
func TestOnlyOurOwnHeadersHaveTheNamesOfALettersHeaders(t *testing.T) {
	forged := []string{
		HeaderTopic, HeaderPartition, HeaderOffset, HeaderTimestamp, HeaderGroup, HeaderMessage, HeaderDestination, HeaderStage, HeaderReason,
		HeaderAttempts, HeaderFailedAt, HeaderParkedKey, HeaderRedrives, HeaderValueOmitted, HeaderKeyOmitted, HeaderHeadersOmitted,
	}
	for _, parks := range []bool{false, true} {
		origin := Origin{Topic: "events", Redrives: 1, Value: []byte("v"), Key: []byte("k")}
		for _, name := range append(forged, "x-source-x-reason", "x-source-x-source-x-reason", "x-source-other", "other") {
			origin.Headers = append(origin.Headers, kafka.Header{Key: name, Value: []byte("forged")})
		}
		m := (&Letter{Origin: &origin, PartitionKey: "k", Failure: Failure{Stage: "decode", Reason: "malformed"}, At: time.Now()}).message("d", "g", time.Now(), parks, whole)
		var back []kafka.Header
		for _, h := range m.Headers {
			if name, source := SourceName(h.Key); source {
				back = append(back, kafka.Header{Key: name, Value: h.Value})
			} else if string(h.Value) == "forged" {
				t.Errorf("the source's %s passes for ours", h.Key)
			}
		}
		if !slices.EqualFunc(back, origin.Headers, func(a, b kafka.Header) bool { return a.Key == b.Key && bytes.Equal(a.Value, b.Value) }) {
			t.Errorf("given back: %v", back)
		}
	}
}

// TestWhatWasNotTriedCountsAsNoRedrive: a letter that follows another one in a redrive, as that
// failed again, would be left at the limit of redrives without ever having failed.
func TestWhatWasNotTriedCountsAsNoRedrive(t *testing.T) {
	for redrives, want := range map[int]struct{ tried, untried string }{0: {"", ""}, 1: {"1", ""}, 3: {"3", "2"}} {
		for _, untried := range []bool{false, true} {
			l := Letter{Origin: &Origin{Topic: "events", Redrives: redrives}, Failure: Failure{Stage: "sink", Reason: "parked", Untried: untried}}
			got := ""
			for _, h := range l.message("d", "g", time.Now(), true, whole).Headers {
				if h.Key == HeaderRedrives {
					got = string(h.Value)
				}
			}
			if wanted := map[bool]string{false: want.tried, true: want.untried}[untried]; got != wanted {
				t.Errorf("sent again %d times, untried: %v: it tells %q, and %q is right", redrives, untried, got, wanted)
			}
		}
	}
}

func FuzzHeaderNamesComeBack(f *testing.F) {
	for _, name := range []string{"", "x-reason", "x-source-", "x-source-x-reason", "x-source-x-source-x-redrives", "traceparent"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		in := LetterName(name)
		if isLetterHeader(in) {
			t.Fatalf("%q passes for ours", name)
		}
		if back, source := SourceName(in); !source || back != name {
			t.Fatalf("%q became %q and came back as %q", name, in, back)
		}
	})
}

func FuzzOmittedComesBack(f *testing.F) {
	f.Add(OmittedOf([]byte("x")).String())
	f.Add("length=-1 sha256=00")
	f.Fuzz(func(t *testing.T, text string) {
		if o, ok := ParseOmitted(text); ok && (o.String() != text || o.Length < 0) {
			t.Fatalf("%q became %v", text, o)
		}
	})
}

func TestWithOtherPartitionCountsTheKeyDecides(t *testing.T) {
	l := func(key []byte, partition int) *Letter {
		return &Letter{Origin: &Origin{Key: key, Partition: partition}}
	}
	if p := l([]byte("a"), 2).partition(3, 3); p != 2 {
		t.Errorf("equal counts: partition %d", p)
	}
	// murmur2 as the Java client has it: "21" hashes to -973932308.
	java := int32(-973932308)
	if p := l([]byte("21"), 2).partition(3, 7); p != int(java&0x7fffffff)%7 {
		t.Errorf("partition %d", p)
	}
	if p := l(nil, 5).partition(9, 4); p != 1 {
		t.Errorf("without a key: partition %d", p)
	}
}
