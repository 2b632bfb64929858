package destination

import (
	"context"
	"fmt"

	"kinesis-destination/consumer"
)

// ExplainAt explains the message at an offset of Kafka by its own writer schema: of
// a source topic, or a dead letter, which is explained as the message that it was.
func ExplainAt(ctx context.Context, config *Config, topic string, partition int, offset int64) (Explanation, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*checkTimeout)
	defer cancel()
	m, err := consumer.Peek(ctx, config.Source.Kafka, nil, topic, partition, offset)
	if err != nil {
		return Explanation{}, fmt.Errorf("read topic %s, partition %d: %w", topic, partition, err)
	}
	source := sourceIn(m)
	var letter *Letter
	if !config.Source.Kafka.Reads(m.Topic) { // of a source topic no header is believed
		letter, _ = readLetter(m)
	}
	if letter != nil {
		source = letter.Origin
	}
	e, err := ExplainMessage(ctx, config, m, source)
	e.Letter = letter.story()
	return e, err
}
