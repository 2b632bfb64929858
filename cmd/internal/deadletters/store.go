package deadletters

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/letter"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
)

// Store is the dead-letter topic of a destination, up to where it ended
// when it was opened, with what has been settled of it.
type Store struct {
	rules.Evaluator
	Config  *config.Config
	history *consumer.History
	ranges  []consumer.Range
	ledger  *consumer.Ledger
}

// Open opens the topic; close it. Without a topic there are no letters.
// What is settled is remembered under the source's group, ".dead-letters", and
// the id where there is one.
func Open(ctx context.Context, cfg *config.Config, id string) (_ *Store, err error) {
	b := &Store{Config: cfg}
	if b.Evaluator, err = rules.NewEvaluator(cfg); err != nil {
		return nil, err
	}
	if b.history, err = consumer.NewHistory(cfg.DeadLetterSource(), nil); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	b.ranges, err = b.history.Ranges(ctx, consumer.Beginning(), consumer.End())
	if err != nil && !errors.Is(err, kafka.UnknownTopicOrPartition) {
		return nil, fmt.Errorf("look at the dead-letter topic: %w", err)
	}
	if b.ledger, err = b.history.Ledger(ctx, config.SettledGroup(cfg, id), b.ranges); err != nil {
		return nil, err
	}
	return b, nil
}

// Close gives the connections back.
func (b *Store) Close() { b.history.Close() }

// first reads all letters in order, notes them in the ledger, and hands out
// those that are not settled; and to foreign, where that is given, what is no letter
// of ours, and why.
func (b *Store) first(ctx context.Context, each func(*letter.Letter) error, foreign func(m *consumer.Message, why string)) error {
	return b.Read(ctx, func(m *consumer.Message, l *letter.Letter, why string) error {
		open := b.ledger.Note(m, l == nil)
		switch {
		case l == nil && foreign != nil:
			foreign(m, why)
			return nil
		case !open:
			return nil
		}
		return each(l)
	})
}

// Read reads everything in order; what is no letter of ours comes without one.
func (b *Store) Read(ctx context.Context, each func(m *consumer.Message, l *letter.Letter, foreign string) error) error {
	for _, r := range b.ranges {
		if err := b.history.Read(ctx, r, func(m *consumer.Message) error {
			l, foreign := letter.ReadOwn(m, b.Config)
			return each(m, l, foreign)
		}); err != nil {
			return fmt.Errorf("read the dead-letter topic: %w", err)
		}
	}
	return nil
}

// selected tells whether a filter chooses a letter, which it decodes where the
// identity matters.
func (b *Store) selected(ctx context.Context, f *Filter, l *letter.Letter) (bool, error) {
	if !f.chooses(l) {
		return false, nil
	}
	if f.Identity == "" || string(l.Source.Key) == f.Identity {
		return true, nil
	}
	if err := b.makeWhole(ctx, l); err != nil || l.Left != "" {
		return false, err
	}
	j, err := b.Evaluate(ctx, l.Source, l.From())
	if err != nil {
		return false, err
	}
	return j.PartitionKey == f.Identity || profileID(j.Event) == f.Identity, nil
}
