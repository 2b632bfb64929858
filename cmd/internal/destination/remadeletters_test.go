package destination

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/consumer"
	"kinesis-destination/sink/deadletter"
	"kinesis-destination/sink/embeddedkinesis"
)

// topicID is the source topic's.
func (s *site) topicID() [16]byte {
	s.t.Helper()
	history, err := consumer.NewHistory(consumer.Config{Brokers: s.brokers, Topic: s.topic}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer history.Close()
	ids, err := history.TopicIDs(s.t.Context())
	if err != nil || ids[s.topic] == ([16]byte{}) {
		s.t.Fatal("the broker does not say the topic's id:", ids, err)
	}
	return ids[s.topic]
}

// Offsets of a topic that was deleted say nothing about the one that has its name
// now: what came after a letter's message cannot be known.
func TestContractALetterOfATopicThatWasMadeAnewIsLeft(t *testing.T) {
	for _, c := range []struct {
		name            string
		remade, past    bool
		left, delivered bool
	}{
		{name: "same", delivered: true},
		{name: "another", remade: true, left: true},
		{name: "past retention", remade: true, past: true, delivered: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, embeddedkinesis.Random(73, embeddedkinesis.Rates{}))
			g, o := newLeads(t, 73, 1), newOracle()
			s.feedOneThatLeaves(g, o)
			id := s.topicID()
			if c.remade {
				id[0]++
			}
			s.letterHeader = &kafka.Header{Key: deadletter.HeaderTopicID, Value: id[:]}
			// In the topic as it is now that event stands as well: it is none of the letter's
			// identity where the letter is of another topic.
			n := s.loseToLetters(func(m *consumer.Message) bool { return string(m.Key) == "lead-00000" })
			if c.remade {
				s.emptyTopic()
			}
			a, err := deadletters.Redrive(t.Context(), s.config(""), deadletters.RedriveOptions{MaxRedrives: 3, PastRetention: c.past, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 || c.left != (a.Left[deadletters.LeftHistoryGone] > 0) || c.delivered != (a.Delivered > 0) {
				t.Errorf("%d letters: %+v", n, a)
			}
		})
	}
}

// emptyTopic erases all messages, as nothing of the old topic is in the new one.
func (s *site) emptyTopic() {
	s.t.Helper()
	history, err := consumer.NewHistory(consumer.Config{Brokers: s.brokers, Topic: s.topic}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer history.Close()
	ranges, err := history.Ranges(s.t.Context(), consumer.Beginning(), consumer.End())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range ranges {
		if err := history.Erase(s.t.Context(), r.Topic, r.Partition, r.To); err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestContractALetterTellsItsTopicsID(t *testing.T) {
	s := newSite(t, nil)
	s.produce(kafka.Message{Key: []byte("poison"), Value: []byte("no Avro")})
	p := s.start()
	s.await(time.Minute, "it is at rest", func() bool { return atRest(p) >= 1 })
	p.stop(t)
	if all, telling := s.lettersTelling(s.topicID()); all != 1 || telling != 1 {
		t.Errorf("%d of %d letters tell it", telling, all)
	}
}

// TestContractALetterOfWhatIsSentOnceMoreTellsItsTopicsID: of a replay, and of a redrive in which
// the letter failed again. Where the topic is made anew, their offsets say nothing either.
func TestContractALetterOfWhatIsSentOnceMoreTellsItsTopicsID(t *testing.T) {
	s := newSite(t, nil)
	s.makeTopic(s.letterTopic(), sitePartitions)
	s.produce(kafka.Message{Key: []byte("poison"), Value: []byte("no Avro")})
	if a := replayAll(t, s.config(""), everything("one")); a.DeadLettered["malformed"] != 1 {
		t.Fatalf("%+v", a)
	}
	if all, telling := s.lettersTelling(s.topicID()); all != 1 || telling != 1 {
		t.Errorf("of a replay, %d of %d letters tell it", telling, all)
	}
	a, err := deadletters.Redrive(t.Context(), s.config(""), deadletters.RedriveOptions{MaxRedrives: 3, Logger: slog.New(slog.DiscardHandler)})
	if err != nil || a.DeadLettered["malformed"] != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	if all, telling := s.lettersTelling(s.topicID()); all != 2 || telling != 2 {
		t.Errorf("of a replay and a redrive, %d of %d letters tell it", telling, all)
	}
}

// lettersTelling is how many letters there are, and how many tell their topic's id.
func (s *site) lettersTelling(id [16]byte) (all, telling int) {
	s.t.Helper()
	s.readLetters(func(m *consumer.Message) {
		all++
		if slices.ContainsFunc(m.Headers, func(h consumer.Header) bool {
			return h.Key == deadletter.HeaderTopicID && string(h.Value) == string(id[:])
		}) {
			telling++
		}
	})
	return all, telling
}

// lettersWith is how many letters have a header.
func (s *site) lettersWith(header string) (n int) {
	s.t.Helper()
	s.readLetters(func(m *consumer.Message) {
		if slices.ContainsFunc(m.Headers, func(h consumer.Header) bool { return h.Key == header }) {
			n++
		}
	})
	return n
}

func (s *site) readLetters(each func(m *consumer.Message)) {
	s.t.Helper()
	history, err := consumer.NewHistory(consumer.Config{Brokers: s.brokers, Topic: s.letterTopic()}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer history.Close()
	ranges, err := history.Ranges(s.t.Context(), consumer.Beginning(), consumer.End())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range ranges {
		if err := history.Read(s.t.Context(), r, func(m *consumer.Message) error {
			each(m)
			return nil
		}); err != nil {
			s.t.Fatal(err)
		}
	}
}
