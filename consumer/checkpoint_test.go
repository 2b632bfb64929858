package consumer

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
)

func TestCheckpointsAreKeptAndNoticeEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		ctx := context.Background()
		open := func() *Checkpoints {
			h, err := NewHistory(w.config, w.network.DialContext)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(h.Close)
			c, err := h.Checkpoints(ctx, "g.replay.x")
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		first := open()
		if all := first.All(); len(all) != 0 {
			t.Errorf("a group that is not there has %v", all)
		}
		want := []Checkpoint{{"events", 0, 0, "begun"}, {"events", 1, 7, ""}}
		if err := first.Commit(ctx, want...); err != nil {
			t.Fatal(err)
		}
		second := open()
		if !slices.Equal(second.All(), want) {
			t.Errorf("kept %v, not %v", second.All(), want)
		}
		next := Checkpoint{"events", 0, 5, "on the way"}
		if err := first.Commit(ctx, next); err != nil {
			t.Fatal(err)
		}
		if err := second.Commit(ctx, Checkpoint{"events", 0, 3, ""}); !errors.Is(err, ErrMoved) {
			t.Errorf("it did not notice the other: %v", err)
		}
		if err := second.Commit(ctx, Checkpoint{"events", 1, 9, ""}); err != nil { // of which the other has no part
			t.Error(err)
		}
		if all := open().All(); !slices.Equal(all, []Checkpoint{next, {"events", 1, 9, ""}}) {
			t.Errorf("%v", all)
		}
		if err := second.Commit(ctx, Checkpoint{"events", 1, 9, string(make([]byte, maxMetadata+1))}); err == nil {
			t.Error("a note that Kafka refuses is taken")
		}
	})
}

// TestCheckpointsOfTheTopicsThatAreThere: one of several was deleted. What a group has of the
// others is kept on, or Kafka would forget it.
func TestCheckpointsOfTheTopicsThatAreThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.config.Topic, w.config.Topics = "", []string{"deleted", "events"}
		h, err := NewHistory(w.config, w.network.DialContext)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(h.Close)
		if _, err := h.Checkpoints(t.Context(), "g"); !errors.Is(err, kafka.UnknownTopicOrPartition) {
			t.Errorf("whoever needs all of them is told %v", err)
		}
		c, err := h.CheckpointsOfPresent(t.Context(), "g")
		if err != nil {
			t.Fatal(err)
		}
		want := Checkpoint{"events", 0, 7, "note"}
		if err := c.Commit(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if c, err = h.CheckpointsOfPresent(t.Context(), "g"); err != nil || !slices.Equal(c.All(), []Checkpoint{want}) {
			t.Errorf("%v, %v", c, err)
		}
	})
}

func TestWithinEndsWithWhatMayBeReadAndNamesWhatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.produce(0, 0, 10)
		h, err := NewHistory(w.config, w.network.DialContext)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		within := func(partition int, from, to string) (Range, error) {
			t.Helper()
			begin, err := ParsePlace(from, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			end, err := ParsePlace(to, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			return h.Within(context.Background(), "events", partition, begin, end)
		}
		for _, c := range []struct {
			partition int
			from, to  string
			want      [2]int64
		}{
			{0, "earliest", "latest", [2]int64{0, 10}},
			{1, "earliest", "latest", [2]int64{0, 0}},
			{0, "0=3", "0=7,1=2", [2]int64{3, 7}},
			{0, "0=3", "0=700", [2]int64{3, 10}},
			{1, "0=3", "latest", [2]int64{0, 0}}, // is not named
			{0, "2999-01-01T00:00:00Z", "latest", [2]int64{10, 10}},
			{0, "1999-01-01T00:00:00Z", "2999-01-01T00:00:00Z", [2]int64{0, 10}},
			{0, "1969-12-31T23:59:59.999Z", "latest", [2]int64{0, 10}}, // in Kafka's numbers -1 is the latest
		} {
			if r, err := within(c.partition, c.from, c.to); err != nil || r.From != c.want[0] || r.To != c.want[1] {
				t.Errorf("partition %d, %s to %s: %+v, %v", c.partition, c.from, c.to, r, err)
			}
		}
	})
}

// TestWhatAClaimCommitsIsCommittedAnew: as it is, stamp and all, so that Kafka keeps it. One
// that is refused would have all of its group forgotten.
func TestWhatAClaimCommitsIsCommittedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.produce(0, 0, 3)
		h, err := NewHistory(w.config, w.network.DialContext)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		now, err := topicIDs(t.Context(), h.transport, h.cfg.Addr(), []string{"events"})
		if err != nil {
			t.Fatal(err)
		}
		var spans []span
		for o := int64(1); o < 2988*8; o += 2 { // a bitmap that is as large as one may be
			spans = append(spans, span{o, o + 1})
		}
		at := position{metadata: encodeSettled(0, spans), topic: now.ids["events"], stamped: true}
		if n := len(at.metadata); n > maxMetadata || n < maxMetadata-10 {
			t.Fatalf("%d bytes are committed beside the offset", n)
		}
		if err := h.commit(t.Context(), "g", map[topicPartition]position{{"events", 0}: at}); err != nil {
			t.Fatal(err)
		}
		checkpoints, err := h.Checkpoints(t.Context(), "g")
		if err != nil {
			t.Fatal(err)
		}
		if err := checkpoints.Commit(t.Context(), checkpoints.All()...); err != nil {
			t.Error(err)
		}
	})
}
