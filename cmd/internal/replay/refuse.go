package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
)

// What becomes of events that cannot be exported, where letters have been dealt with.
const (
	LettersAsk   = ""      // the replay ends at the first of them, and says so
	LettersWrite = "write" // they go to the dead-letter topic, once more
	LettersSkip  = "skip"  // they are counted, and left
)

// ReasonLetterSkipped filters an event that cannot be exported and is not to be a letter
// once more.
const ReasonLetterSkipped = "letter-skipped"

// ErrBesideLive says that a replay of all events would leave old states after newer ones.
var ErrBesideLive = errors.New("the destination runs: its newer states would be followed by old ones. Give --latest-only, which leaves none, or another --stream; or --beside-live if that is meant")

// ErrLettersAgain says that a replay would make letters anew that were dealt with.
var ErrLettersAgain = errors.New("cannot be exported, and would be a dead letter; letters of this destination were dropped or redriven before, and would come back. Give --letters skip to leave such events out, or --letters write to have letters of them")

// besideNobody refuses to send all events to the stream that running processes write to.
func (r *Job) besideNobody(ctx context.Context) error {
	if r.LatestOnly || r.o.DryRun || r.o.BesideLive || r.o.Stream != "" {
		return nil
	}
	members, err := r.History.Members(ctx, r.Config.Source.Kafka.Group)
	if err != nil {
		return err
	}
	if n := len(members); n > 0 {
		return fmt.Errorf("%w (members of its group: %d)", ErrBesideLive, n)
	}
	return nil
}

// findLetters learns whether letters of the destination were dealt with. Which they were
// cannot be known, as dropped ones are erased.
func (r *Job) findLetters(ctx context.Context) error {
	if r.o.DryRun || r.o.Letters != LettersAsk {
		return nil
	}
	letters, err := consumer.NewHistory(r.Config.DeadLetterSource(), nil)
	if err != nil {
		return err
	}
	defer letters.Close()
	settled, err := letters.Checkpoints(ctx, config.SettledGroup(r.Config, ""))
	if errors.Is(err, kafka.UnknownTopicOrPartition) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask which dead letters were dealt with: %w", err)
	}
	for _, c := range settled.All() {
		r.dealt = r.dealt || c.Next > 0 || c.Note != ""
	}
	return nil
}

// letter decides about an event that cannot be exported.
func (r *Job) letter(m *consumer.Message, j rules.Evaluation) (rules.Evaluation, error) {
	switch {
	case r.o.Letters == LettersSkip:
		return rules.FilteredBy(ReasonLetterSkipped), nil
	case r.dealt:
		return j, fmt.Errorf("the event of %s/%d at offset %d %w", m.Topic, m.Partition, m.Offset, ErrLettersAgain)
	}
	return j, nil
}
