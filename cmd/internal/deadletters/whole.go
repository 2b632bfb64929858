package deadletters

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/letter"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/sink/deadletter"
)

// makeWhole reads what a letter lacks, as it was too large for its topic, from
// where its message stood. What stands there by now must be that message, or
// nothing is taken from it. The error is the cluster's, which cannot answer now;
// that it is gone is no error: see letter.Letter.Left.
func (b *Store) makeWhole(ctx context.Context, l *letter.Letter) error {
	return makeWhole(ctx, &b.Config.Source.Kafka, l)
}

func makeWhole(ctx context.Context, source *consumer.Config, l *letter.Letter) error {
	if l.Sought || !l.Omitted.Any() {
		return nil
	}
	if !source.Reads(l.Origin.Topic) {
		l.Sought, l.Left = true, LeftValueGone
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, rules.CheckTimeout)
	defer cancel()
	m, err := consumer.Peek(ctx, *source, nil, l.Origin.Topic, l.Origin.Partition, l.Origin.Offset)
	switch {
	case errors.Is(err, consumer.ErrNoMessage), errors.Is(err, kafka.UnknownTopicOrPartition), err == nil && !isOf(l, m):
		l.Sought, l.Left = true, LeftValueGone
		return nil
	case err != nil:
		return fmt.Errorf("read what letter %d of partition %d lacks: %w", l.Offset, l.Partition, err)
	}
	l.Sought = true
	full := *l.Source
	full.Key, full.Value = m.Key, m.Value
	l.Source = &full
	if l.Omitted.Headers >= 0 {
		l.SourceHeaders = m.Headers
	}
	return nil
}

// isOf tells whether a message is the one that a letter is about.
func isOf(l *letter.Letter, m *consumer.Message) bool {
	same := func(omitted *deadletter.Omitted, inLetter, found []byte) bool {
		if omitted == nil {
			return bytes.Equal(inLetter, found)
		}
		return found != nil && deadletter.OmittedOf(found) == *omitted
	}
	return same(l.Omitted.Value, l.Source.Value, m.Value) && same(l.Omitted.Key, l.Source.Key, m.Key) &&
		(l.Omitted.Headers < 0 || l.Omitted.Headers == len(m.Headers))
}
