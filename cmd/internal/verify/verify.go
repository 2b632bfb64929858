package verify

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/cmd/internal/letter"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/sink"
	"kinesis-destination/transform"
)

// Result compares what a range of the topic must have made with what
// stands in the stream.
type Result struct {
	Consumed     int64            `json:"consumed"` // events of the range
	Expected     int64            `json:"expected"` // records that they make by the configuration
	Filtered     map[string]int64 `json:"filtered"`
	DeadLettered map[string]int64 `json:"deadLettered"` // by the configuration, or found on the dead-letter topic in place of a record
	Found        int64            `json:"found"`
	Missing      int64            `json:"missing"`
	Reordered    int64            `json:"reordered"`  // stand only after a newer record of their key, or leave an old state as the last
	Replayed     int64            `json:"replayed"`   // as Reordered, but of a range that a replay of all events has sent once more: allowed
	Duplicates   int64            `json:"duplicates"` // repetitions; allowed after a crash or a lost answer
	Unknown      int64            `json:"unknown"`    // records of the stream that no event of the range makes
	Undecided    []string         `json:"undecided"`  // what cannot be told, and why
	Places       []Place          `json:"places,omitempty"`
}

// OK tells whether nothing is missing and nothing out of order.
func (v *Result) OK() bool { return v.Missing == 0 && v.Reordered == 0 }

// Run reads the range of the topic and the stream, and compares them. Of each kind that
// it finds wrong it names as many places as list says.
func Run(ctx context.Context, config *config.Config, from, to consumer.Place, list int) (*Result, error) {
	history, err := consumer.NewHistory(config.Source.Kafka, nil)
	if err != nil {
		return nil, err
	}
	defer history.Close()
	ranges, err := history.Ranges(ctx, from, to)
	if err != nil {
		return nil, err
	}
	committed, err := history.Committed(ctx, config.Source.Kafka.Group, ranges)
	if err != nil {
		return nil, err
	}
	v := NewListingVerifier(list)
	if err := v.findReplays(ctx, history, config); err != nil {
		v.result.Undecided = append(v.result.Undecided, "which replays there were is not known: "+err.Error())
	}
	late := int64(0)
	for i := range ranges {
		if done := committed[ranges[i]]; done < ranges[i].To {
			late += ranges[i].To - max(done, ranges[i].From)
			ranges[i].To = done
		}
	}
	if late > 0 {
		v.result.Undecided = append(v.result.Undecided, fmt.Sprintf("%d offsets of the range are not committed yet: they are not judged", late))
	}
	letters, err := deadletters.Open(ctx, config, "")
	if err != nil {
		return nil, err
	}
	defer letters.Close()
	if err := v.readLetters(ctx, letters); err != nil {
		return nil, err
	}
	for _, r := range ranges {
		if err := history.Read(ctx, r, func(m *consumer.Message) error { return v.event(ctx, letters, m) }); err != nil {
			return nil, err
		}
	}
	options := sink.Options{DeadLetter: config.DeadLetter, Brokers: config.Source.Kafka.Brokers}
	if err := sink.ReadStream(ctx, config.Target.Kinesis.Config, options, v.oldest, func(s sink.Stored) error {
		v.Stored(s.PartitionKey, transform.WithoutResend(s.Data), s.Shard+" "+s.SequenceNumber)
		return nil
	}); err != nil {
		return nil, err
	}
	return v.Verdict(config), nil
}

// clockSlack is how far the clocks of Kafka and Kinesis may be apart.
const clockSlack = time.Minute

// Verifier holds, per partition key, the documents that are expected, in order.
// A document is known by its hash: a range may be large.
type Verifier struct {
	result   Result
	seed     maphash.Seed
	expected map[string]*sequence
	oldest   time.Time                   // of the range's events, less the slack
	dead     map[transform.Source]string // reasons of the letters that are on the dead-letter topic
	replays  []consumer.Range            // that were sent once more, old states and all
	topics   []consumer.Range            // topics and partitions that a spot has the index of
	list     int                         // how many places of each kind are named
}

// sequence is what is expected of one key, and how much of it has been found.
type sequence struct {
	documents []uint64
	found     []bool
	spots     []spot
	dead      []string // why a letter stands for it; empty: none does
	next      int      // behind the newest that was found
	last      int      // where the latest record of the key in the stream belongs
}

// NewVerifier has seen nothing yet.
func NewVerifier() *Verifier { return NewListingVerifier(0) }

// NewListingVerifier names the places of so many of each kind that it finds.
func NewListingVerifier(list int) *Verifier {
	return &Verifier{
		seed: maphash.MakeSeed(), list: list, expected: map[string]*sequence{},
		result: Result{Filtered: map[string]int64{}, DeadLettered: map[string]int64{}, Undecided: []string{}},
	}
}

// readLetters notes which events have a dead letter, settled or not.
func (v *Verifier) readLetters(ctx context.Context, letters *deadletters.Store) error {
	v.dead = map[transform.Source]string{}
	return letters.Read(ctx, func(_ *consumer.Message, l *letter.Letter, _ string) error {
		if l != nil {
			v.dead[l.From()] = l.Reason
		}
		return nil
	})
}

// event judges a message as run does, and expects the record that it makes.
func (v *Verifier) event(ctx context.Context, letters *deadletters.Store, m *consumer.Message) error {
	v.result.Consumed++
	if at := m.Time.Add(-clockSlack); v.oldest.IsZero() || at.Before(v.oldest) {
		v.oldest = at
	}
	source := rules.SourceIn(m)
	j, err := letters.Evaluate(ctx, m, source)
	if err != nil {
		return err
	}
	switch j.Outcome {
	case transform.Filter:
		v.result.Filtered[string(j.Reason)]++
	case transform.Export:
		v.Expect(j.PartitionKey, j.Data, v.dead[source], Offset{m.Topic, m.Partition, m.Offset})
	case transform.Hold:
		return fmt.Errorf("offset %d of %s/%d is held: %w", m.Offset, m.Topic, m.Partition, j.Cause)
	default:
		v.result.DeadLettered[string(j.Reason)]++
	}
	return nil
}

// Expect notes a record that must stand in the stream, unless a letter, dead for
// the reason, stands for it.
func (v *Verifier) Expect(key string, document []byte, dead string, at Offset) {
	s := v.expected[key]
	if s == nil {
		s = &sequence{}
		v.expected[key] = s
	}
	s.documents = append(s.documents, maphash.Bytes(v.seed, document))
	s.found = append(s.found, false)
	s.dead = append(s.dead, dead)
	s.spots = append(s.spots, v.spot(at))
	v.result.Expected++
}

// Stored takes the next document of a key as it stands in the stream, at shard and
// sequence number.
func (v *Verifier) Stored(key string, document []byte, at string) {
	s := v.expected[key]
	if s == nil {
		v.unknown(at)
		return
	}
	hash := maphash.Bytes(v.seed, document)
	for i := s.next; i < len(s.documents); i++ {
		if s.documents[i] == hash {
			s.found[i], s.next, s.last = true, i+1, i
			v.result.Found++
			return
		}
	}
	for i := s.next - 1; i >= 0; i-- {
		switch {
		case s.documents[i] != hash:
		case s.found[i]:
			s.last = i
			v.result.Duplicates++
			return
		default: // something newer of this key was found before it
			s.found[i], s.last = true, i
			v.result.Found++
			v.disordered(s.spots[i], "stands only after a newer record of its identity", at)
			return
		}
	}
	v.unknown(at)
}

// Verdict compares what was expected with what was stored.
func (v *Verifier) Verdict(config *config.Config) *Result {
	for _, s := range v.expected {
		for i, found := range s.found {
			switch {
			case found:
			case s.dead[i] != "":
				v.result.Expected--
				v.result.DeadLettered[s.dead[i]]++
			default:
				v.result.Missing++
				v.place(Place{What: "missing", Offset: v.offset(s.spots[i])})
			}
		}
		if s.next > 0 && s.last != s.next-1 { // a repetition that leaves an old state as the last one
			v.disordered(s.spots[s.last], "is the last record of its identity, though newer ones left", "")
		}
	}
	v.choosePlaces()
	if !config.Target.Kinesis.Metadata {
		v.result.Undecided = append(v.result.Undecided,
			"records carry no _source (target.kinesis.metadata): equal documents of one identity cannot be told apart, so one of them may stand for another")
	}
	if v.result.Replayed > 0 {
		v.result.Undecided = append(v.result.Undecided,
			"replays of all events have left old states after newer ones: what else may have is not told apart in their ranges")
	}
	if v.result.Unknown > 0 {
		v.result.Undecided = append(v.result.Undecided,
			"unknown records are of events outside the range, of earlier rules, or of other writers to the stream")
	}
	if v.result.Missing > 0 {
		v.result.Undecided = append(v.result.Undecided,
			"a missing record may have been exported under earlier rules, or be past the retention of the stream or of the dead-letter topic")
	}
	return &v.result
}

// ErrNotVerified says that records are missing or out of order.
var ErrNotVerified = errors.New("the stream does not hold what the topic's range makes")
