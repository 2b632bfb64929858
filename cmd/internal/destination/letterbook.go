package destination

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/consumer"
)

// letterbook is the dead-letter topic of a destination, up to where it ended
// when it was opened, with what has been settled of it.
type letterbook struct {
	judging
	config  *Config
	history *consumer.History
	ranges  []consumer.Range
	ledger  *consumer.Ledger
}

// openLetters opens the topic; close it. Without a topic there are no letters.
// What is settled is remembered under the source's group, ".dead-letters", and
// the id where there is one.
func openLetters(ctx context.Context, config *Config, id string) (_ *letterbook, err error) {
	b := &letterbook{config: config}
	if b.judging, err = newJudging(config); err != nil {
		return nil, err
	}
	if b.history, err = consumer.NewHistory(config.letterTopic(), nil); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	b.ranges, err = b.history.Ranges(ctx, consumer.Beginning(), consumer.End())
	if err != nil && !errors.Is(err, kafka.UnknownTopicOrPartition) {
		return nil, fmt.Errorf("look at the dead-letter topic: %w", err)
	}
	if b.ledger, err = b.history.Ledger(ctx, letterGroup(config, id), b.ranges); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *letterbook) close() { b.history.Close() }

// first reads all letters in order, notes them in the ledger, and hands out
// those that are not settled; and to foreign, where that is given, what is no letter
// of ours, and why.
func (b *letterbook) first(ctx context.Context, each func(*Letter) error, foreign func(m *consumer.Message, why string)) error {
	return b.read(ctx, func(m *consumer.Message, l *Letter, why string) error {
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

// read reads everything in order; what is no letter of ours comes without one.
func (b *letterbook) read(ctx context.Context, each func(m *consumer.Message, l *Letter, foreign string) error) error {
	for _, r := range b.ranges {
		if err := b.history.Read(ctx, r, func(m *consumer.Message) error {
			l, foreign := parseLetter(m, b.config.Name)
			return each(m, l, foreign)
		}); err != nil {
			return fmt.Errorf("read the dead-letter topic: %w", err)
		}
	}
	return nil
}

// selected tells whether a filter chooses a letter, which it decodes where the
// identity matters.
func (b *letterbook) selected(ctx context.Context, f *LetterFilter, l *Letter) (bool, error) {
	if !f.chooses(l) {
		return false, nil
	}
	if f.Identity == "" || string(l.message.Key) == f.Identity {
		return true, nil
	}
	if err := b.makeWhole(ctx, l); err != nil || l.omitted.left != "" {
		return false, err
	}
	j, err := b.judge(ctx, l.message, l.Origin)
	if err != nil {
		return false, err
	}
	return j.PartitionKey == f.Identity || profileID(j.event) == f.Identity, nil
}
