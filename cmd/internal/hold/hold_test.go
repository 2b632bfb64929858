package hold_test

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/cmd/internal/hold"
)

// A hold's line names its topic where it has one: an empty one would read as a topic that
// could not be told.
func TestALineOfAHoldNamesNoEmptyTopic(t *testing.T) {
	var said bytes.Buffer
	holds := hold.New(slog.New(slog.NewTextHandler(&said, nil)))
	holds.Set(hold.Key{Source: "sink", Partition: -1}, "throttled", errors.New("the stream says no"))
	holds.Set(hold.Key{Source: "kafka", Topic: "events", Partition: 3}, "topic-missing", errors.New("no such topic"))
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	if len(lines) != 2 || strings.Contains(lines[0], "topic=") || !strings.Contains(lines[1], " topic=events ") {
		t.Errorf("said\n%s", said.String())
	}
}

// TestWhoHearsOfHoldsHearsOfTheLongest: a job shows one cause. When that is gone, and another
// is not, it is the other that somebody has to look at.
func TestWhoHearsOfHoldsHearsOfTheLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []string
		holds := hold.Telling(slog.New(slog.DiscardHandler), func(reason, cause string) { heard = append(heard, reason+":"+cause) })
		kafka := holds.Waiting("kafka", func(error) string { return "kafka-unreachable" })
		stream := hold.Key{Source: "sink", Partition: -1}
		for _, step := range []func(){
			func() { holds.Set(stream, "throttled", errors.New("slow down")) },
			func() { kafka(errors.New("refused")) },
			func() { holds.Set(stream, "throttled", errors.New("slow down")) },
			func() { holds.Set(stream, "", nil) },
			func() { kafka(errors.New("no route")) },
			func() { kafka(nil) },
			func() { kafka(nil) },
		} {
			time.Sleep(time.Second) // virtual
			step()
		}
		if want := []string{"throttled:slow down", "throttled:slow down", "kafka-unreachable:refused", "kafka-unreachable:no route", ":"}; !slices.Equal(heard, want) {
			t.Errorf("heard %q, not %q", heard, want)
		}
	})
}
