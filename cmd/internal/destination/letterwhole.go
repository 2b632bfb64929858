package destination

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/consumer"
	"kinesis-destination/sink"
)

// makeWhole reads what a letter lacks, as it was too large for its topic, from
// where its message stood. What stands there by now must be that message, or
// nothing is taken from it. The error is the cluster's, which cannot answer now;
// that it is gone is no error: see omitted.left.
func (b *letterbook) makeWhole(ctx context.Context, l *Letter) error {
	if l.omitted.sought || !l.omitted.any() {
		return nil
	}
	source := &b.config.Source.Kafka
	if !source.Reads(l.Origin.Topic) {
		l.omitted.sought, l.omitted.left = true, LeftValueGone
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	m, err := consumer.Peek(ctx, *source, nil, l.Origin.Topic, l.Origin.Partition, l.Origin.Offset)
	switch {
	case errors.Is(err, consumer.ErrNoMessage), errors.Is(err, kafka.UnknownTopicOrPartition), err == nil && !isOf(l, m):
		l.omitted.sought, l.omitted.left = true, LeftValueGone
		return nil
	case err != nil:
		return fmt.Errorf("read what letter %d of partition %d lacks: %w", l.Offset, l.Partition, err)
	}
	l.omitted.sought = true
	full := *l.message
	full.Key, full.Value = m.Key, m.Value
	l.message = &full
	if l.omitted.headers >= 0 {
		l.headers = m.Headers
	}
	return nil
}

// isOf tells whether a message is the one that a letter is about.
func isOf(l *Letter, m *consumer.Message) bool {
	same := func(omitted *sink.Omitted, inLetter, found []byte) bool {
		if omitted == nil {
			return bytes.Equal(inLetter, found)
		}
		return found != nil && sink.OmittedOf(found) == *omitted
	}
	return same(l.omitted.value, l.message.Value, m.Value) && same(l.omitted.key, l.message.Key, m.Key) &&
		(l.omitted.headers < 0 || l.omitted.headers == len(m.Headers))
}
