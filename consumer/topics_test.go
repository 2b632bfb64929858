package consumer

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// produceTo writes one value to partition 0 of a topic.
func (w *world) produceTo(topic, value string) {
	w.t.Helper()
	cl := w.producer()
	defer cl.Close()
	if err := cl.ProduceSync(context.Background(), &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) create(topics ...string) {
	w.t.Helper()
	for _, topic := range topics {
		if err := w.kafka.CreateTopic(topic, 2, nil); err != nil {
			w.t.Fatal(err)
		}
	}
}

func topicsOf(m *member) []string {
	var names []string
	for _, p := range m.Stats().Partitions {
		names = append(names, p.Topic)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestAPatternMatchesWholeNamesAndNeverWhatIsNotForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.create("orders-a", "orders-b", "my-orders-a", "orders-a.g.dlt", "orders-a.other.dlt", "__orders-x")
		w.config.Topic, w.config.TopicPattern, w.config.DeadLetterTopic = "", "(__)?orders-.*", "orders-a.g.dlt"
		m := w.member(Options{}, settle)
		pass(20 * time.Second)
		if got, want := topicsOf(m), []string{"orders-a", "orders-b"}; !slices.Equal(got, want) {
			t.Errorf("reads %v, want %v", got, want)
		}
		m.stop(t)
	})
}

// A dead letter that is read as an event is exported after newer states of its identity.
func TestAPatternMeansDeadLetterTopicsOnlyWhereItSaysSo(t *testing.T) {
	for pattern, want := range map[string]bool{
		".*": false, "orders-.*": false, "orders.*dlt": false, `orders-.*|orders-a\..*\.dlt`: true, "orders-a.other.dlt": true,
	} {
		c := Config{TopicPattern: pattern, DeadLetterTopic: "orders-a.g.dlt"}
		if got := c.Reads("orders-a.other.dlt"); got != want {
			t.Errorf("%s: %v", pattern, got)
		}
		if c.Reads("orders-a.g.dlt") {
			t.Errorf("%s matches the destination's own letters", pattern)
		}
	}
}

func TestATopicThatBeginsToMatchIsReadFromItsBeginningByAllMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.config.Topic, w.config.TopicPattern = "", "later-.*"
		a, b := w.member(Options{}, settle), w.member(Options{}, settle)
		pass(time.Minute)
		if got := a.reasons(); !slices.Equal(got, []string{ReasonTopicMissing}) {
			t.Errorf("without a topic: %v", got)
		}
		var want []string
		for _, topic := range []string{"later-1", "later-2"} {
			w.create(topic)
			w.produceTo(topic, topic)
			want = append(want, topic)
			pass(time.Minute)
			for _, m := range []*member{a, b} {
				if n := len(m.Stats().Partitions); n != len(want) {
					t.Errorf("a member has %d partitions of %v", n, want)
				}
			}
		}
		a.stop(t)
		b.stop(t)
		got := append(a.values(), b.values()...)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("handed out %v, want %v", got, want)
		}
	})
}

func TestStartLatestLeavesOutNothingOfATopicThatBeginsToMatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.config.Topic, w.config.TopicPattern, w.config.Start = "", "later-.*", Latest
		w.create("later-1")
		w.produceTo("later-1", "before the group")
		m := w.member(Options{}, settle)
		pass(20 * time.Second)
		w.create("later-2")
		w.produceTo("later-2", "before it is noticed")
		pass(time.Minute)
		m.stop(t)
		if got := m.values(); !slices.Equal(got, []string{"before it is noticed"}) {
			t.Errorf("handed out %v", got)
		}
	})
}

func TestATopicThatGoesAwayIsNoLongerAssigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.create("orders-a", "orders-b")
		w.config.Topic, w.config.TopicPattern = "", "orders-.*"
		m := w.member(Options{}, settle)
		pass(20 * time.Second)
		if err := w.kafka.DeleteTopic("orders-a"); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		w.produceTo("orders-b", "still read")
		pass(10 * time.Second)
		if got := topicsOf(m); !slices.Equal(got, []string{"orders-b"}) {
			t.Errorf("reads %v", got)
		}
		if held := m.reasons(); len(held) > 0 && held[len(held)-1] != "" {
			t.Errorf("holds %v", held)
		}
		m.stop(t)
		if got := m.values(); !slices.Equal(got, []string{"still read"}) {
			t.Errorf("handed out %v", got)
		}
	})
}

func TestATopicPatternThatIsNoneIsRefused(t *testing.T) {
	for pattern, want := range map[string]bool{"a.*": true, "a|b": true, "(": false, "a)|(b": false} {
		c := Config{Brokers: []string{"b:9092"}, TopicPattern: pattern, Group: "g"}
		c.Defaults()
		ok := true
		c.Validate(func(string, string) { ok = false })
		if ok != want {
			t.Errorf("%q is taken: %v", pattern, ok)
		}
	}
}

func TestOneOfSeveralTopicsThatIsMissingIsAHoldOfItsOwn(t *testing.T) {
	for _, start := range []string{Earliest, Latest} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1)
			w.config.Topic, w.config.Topics, w.config.Start = "", []string{"events", "later"}, start
			a, b := w.member(Options{}, settle), w.member(Options{}, settle)
			pass(20 * time.Second)
			w.produce(0, 0, 10)
			pass(20 * time.Second)
			if got := slices.Concat(a.values(), b.values()); !slices.Equal(got, values(0, 0, 10)) {
				t.Errorf("of the topic that is there: %v", got)
			}
			for _, m := range []*member{a, b} {
				if got := m.reasons(); !slices.Equal(got, []string{ReasonTopicMissing}) {
					t.Errorf("while one is missing: %q", got)
				}
			}
			if _, err := a.Check(context.Background()); err == nil || !strings.Contains(err.Error(), "there is no topic later: ") {
				t.Errorf("the check says %v", err)
			}
			w.create("later") // of two partitions
			w.produceTo("later", "first")
			pass(time.Minute)
			for _, m := range []*member{a, b} {
				if got := m.reasons(); !slices.Equal(got, []string{ReasonTopicMissing, ""}) {
					t.Errorf("once it is there: %q", got)
				}
			}
			if n, m := len(a.Stats().Partitions), len(b.Stats().Partitions); n+m != 3 || n == 0 || m == 0 {
				t.Errorf("of three partitions one member has %d, the other one %d", n, m)
			}
			if got := slices.Concat(a.values(), b.values()); !slices.Contains(got, "first") {
				t.Errorf("start %s: what was written before the topic was noticed is left out: %v", start, got)
			}
			if err := w.kafka.DeleteTopic("later"); err != nil {
				t.Fatal(err)
			}
			pass(time.Minute)
			w.produce(0, 10, 20)
			pass(20 * time.Second)
			if got := slices.Concat(a.values(), b.values()); len(got) != 21 {
				t.Errorf("after one was deleted: %v", got)
			}
			for _, m := range []*member{a, b} {
				m.mu.Lock()
				got := maps.Clone(m.standing)
				m.mu.Unlock()
				maps.DeleteFunc(got, func(_, reason string) bool { return reason == "" })
				if want := map[string]string{"later/-1": ReasonTopicMissing}; !maps.Equal(got, want) {
					t.Errorf("after one was deleted, held: %q", got)
				}
			}
			a.stop(t)
			b.stop(t)
		})
	}
}
