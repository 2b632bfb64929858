package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kversion"
)

// remake deletes the topic, lets it be missing for a while, makes it anew and
// writes n messages to it, which are numbered from 100 on.
func (w *world) remake(missing time.Duration, n int) {
	w.t.Helper()
	if err := w.kafka.DeleteTopic("events"); err != nil {
		w.t.Fatal(err)
	}
	if missing > 0 {
		pass(missing)
	}
	if err := w.kafka.CreateTopic("events", 1, nil); err != nil {
		w.t.Fatal(err)
	}
	w.produce(0, 100, 100+n)
}

// The versions of brokers that tell what a topic is by other means: by its id in
// each fetch, by its id in answers about topics alone, by its absence.
func kafkas() map[string]*kversion.Versions {
	return map[string]*kversion.Versions{"newest": nil, "3.0": kversion.V3_0_0(), "2.7": kversion.V2_7_0()}
}

func TestATopicMadeAnewIsReadFromItsBeginningWhereItIsToldSo(t *testing.T) {
	for name, versions := range kafkas() {
		for _, missing := range []time.Duration{0, 8 * time.Second} {
			if name == "2.7" && missing == 0 {
				continue // nothing tells
			}
			t.Run(fmt.Sprint(name, missing), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorldOf(t, 1, versions)
					w.config.OnOffsetOutOfRange = Earliest
					w.produce(0, 0, 5)
					m := w.member(Options{}, settle)
					pass(20 * time.Second)
					w.remake(missing, 9)
					pass(time.Minute)
					if s := m.Stats().Partitions; len(s) != 1 || s[0].Committed != 9 || s[0].End != 9 || s[0].Held != "" {
						t.Errorf("%+v", s)
					}
					m.stop(t)
					if got, want := m.values(), slices.Concat(values(0, 0, 5), values(0, 100, 109)); !slices.Equal(got, want) {
						t.Errorf("handed out %v", got)
					}
					if at := w.committed(0); at != 9 {
						t.Errorf("committed %d", at)
					}
				})
			})
		}
	}
}

func TestATopicMadeAnewHoldsUnlessToldOtherwise(t *testing.T) {
	for _, missing := range []time.Duration{0, 8 * time.Second} {
		t.Run(missing.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				w.produce(0, 0, 5)
				m := w.member(Options{}, settle)
				pass(20 * time.Second)
				w.remake(missing, 9)
				pass(time.Minute)
				s := m.Stats().Partitions
				if len(s) != 1 || s[0].Held != ReasonOutOfRange || s[0].Committed != -1 || s[0].Settled != 0 {
					t.Errorf("%+v", s)
				}
				if p := w.progress(w.config); p.Lag() != 9 {
					t.Errorf("nothing of the new topic is read, and the lag is %d: %+v", p.Lag(), p)
				}
				m.stop(t)
				if got := m.values(); !slices.Equal(got, values(0, 0, 5)) {
					t.Errorf("handed out %v", got)
				}
				if at := w.committed(0); at != -1 {
					t.Errorf("offset %d of the old topic stands beside the new one", at)
				}
			})
		})
	}
}

// What was handed out of the old topic comes to rest as ever, and says nothing of
// how far the new one is.
func TestWhatIsUnderWayOfTheOldTopicIsNotCommittedToTheNewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.config.OnOffsetOutOfRange = Earliest
		w.produce(0, 0, 5)
		var mu sync.Mutex
		var slow []*Message
		m := w.member(Options{}, func(_ *member, msg *Message) {
			if string(msg.Value) == "0:1" || string(msg.Value) == "0:101" {
				mu.Lock()
				slow = append(slow, msg)
				mu.Unlock()
				return
			}
			msg.Settle()
		})
		pass(20 * time.Second)
		w.remake(0, 3)
		pass(20 * time.Second)
		if at := w.committed(0); at > 1 {
			t.Errorf("committed %d, and only the first has settled", at)
		}
		slow[0].Settle()
		pass(5 * time.Second)
		if at := w.committed(0); at != 1 {
			t.Errorf("committed %d once the old one has settled; of the new topic the first has", at)
		}
		slow[1].Settle()
		pass(5 * time.Second)
		m.stop(t)
		if at := w.committed(0); at != 3 {
			t.Errorf("committed %d in the end", at)
		}
	})
}

// A broker may keep a group's offsets over the end of a topic, and a commit may
// arrive after it.
func TestASuccessorNoticesThatAnOffsetIsOfAnEarlierTopic(t *testing.T) {
	for _, where := range []string{Hold, Earliest} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				w.config.OnOffsetOutOfRange = where
				w.produce(0, 0, 5)
				m := w.member(Options{}, settle)
				pass(20 * time.Second)
				m.stop(t)
				text := w.metadata(0)
				w.remake(0, 9)
				w.commitWith(0, 5, text)
				if p := w.progress(w.config); p.Lag() != 9 || p.Committed != -1 {
					t.Errorf("the lag: %+v", p)
				}
				m = w.member(Options{}, settle)
				pass(20 * time.Second)
				s := m.Stats().Partitions
				m.stop(t)
				if where == Hold && (s[0].Held != ReasonOutOfRange || len(m.values()) != 0) {
					t.Errorf("%+v, handed out %v", s, m.values())
				}
				if want := values(0, 100, 109); where == Earliest && !slices.Equal(m.values(), want) {
					t.Errorf("%+v, handed out %v", s, m.values())
				}
			})
		})
	}
}

func TestAnOffsetThatAnotherToolCommittedIsOfTheTopicAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.produce(0, 0, 5)
		w.commitWith(0, 3, "by a tool of the operator")
		m := w.member(Options{}, settle)
		pass(20 * time.Second)
		m.stop(t)
		if got := m.values(); !slices.Equal(got, values(0, 3, 5)) {
			t.Errorf("handed out %v", got)
		}
	})
}

func TestStartLatestLeavesOutNothingOfATopicMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.config.Start, w.config.OnOffsetOutOfRange = Latest, Earliest
		m := w.member(Options{}, settle)
		pass(20 * time.Second)
		w.produce(0, 0, 5)
		pass(5 * time.Second)
		if err := w.kafka.DeleteTopic("events"); err != nil {
			t.Fatal(err)
		}
		if err := w.kafka.CreateTopic("events", 2, nil); err != nil { // one more than before
			t.Fatal(err)
		}
		w.produce(0, 100, 103)
		w.produce(1, 100, 103)
		pass(time.Minute)
		m.stop(t)
		got := m.values()
		slices.Sort(got)
		want := slices.Concat(values(0, 0, 5), values(0, 100, 103), values(1, 100, 103))
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("handed out %v", got)
		}
	})
}

func TestCheckpointsOfAnEarlierTopicAreNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		ctx := context.Background()
		w.produce(0, 0, 5)
		h, err := NewHistory(w.config, w.network.DialContext)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		c, err := h.Checkpoints(ctx, w.config.Group)
		if err == nil {
			err = c.Commit(ctx, Checkpoint{"events", 0, 4, "note"})
		}
		if err != nil {
			t.Fatal(err)
		}
		l, err := h.Ledger(ctx, w.config.Group, []Range{{Topic: "events", To: 5}})
		if err != nil {
			t.Fatal(err)
		}
		text := w.metadata(0)
		w.remake(10*time.Second, 9)
		pass(10 * time.Second)
		w.commitWith(0, 4, text)
		if err := c.Commit(ctx, Checkpoint{"events", 0, 5, "note"}); !errors.Is(err, ErrRemade) {
			t.Errorf("a checkpoint of the old topic: %v", err)
		}
		l.Note(&Message{Topic: "events", Offset: 4}, false)
		if err := l.Commit(ctx); !errors.Is(err, ErrRemade) {
			t.Errorf("a ledger of the old topic: %v", err)
		}
		if c, err = h.Checkpoints(ctx, w.config.Group); err != nil || len(c.All()) != 0 || !slices.Equal(c.Remade(), []string{"events"}) {
			t.Errorf("%v, %v, %v", c.All(), c.Remade(), err)
		}
		if err := c.Commit(ctx, Checkpoint{"events", 0, 1, "new"}); err != nil {
			t.Errorf("a checkpoint of the new topic: %v", err)
		}
		settled, err := h.Settled(ctx, w.config.Group, []Range{{Topic: "events"}})
		if err != nil || !settled(0, 0) || settled(0, 1) {
			t.Errorf("what is settled: %v", err)
		}
	})
}

// metadata is what stands beside the group's offset.
func (w *world) metadata(partition int) string {
	w.t.Helper()
	transport, err := w.config.Transport(w.network.DialContext)
	if err != nil {
		w.t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Transport: transport}
	res, err := client.OffsetFetch(context.Background(), &kafka.OffsetFetchRequest{
		Addr: w.config.Addr(), GroupID: "g", Topics: map[string][]int{"events": {partition}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Topics["events"][0].Metadata
}
