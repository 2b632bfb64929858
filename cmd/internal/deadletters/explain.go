package deadletters

import (
	"context"
	"fmt"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/letter"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/transform"
)

// ExplainAt explains the message at an offset of Kafka by its own writer schema: of
// a source topic, or a dead letter, which is explained as the message that it was.
func ExplainAt(ctx context.Context, config *config.Config, topic string, partition int, offset int64) (rules.Explanation, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*rules.CheckTimeout)
	defer cancel()
	m, err := consumer.Peek(ctx, config.Source.Kafka, nil, topic, partition, offset)
	if err != nil {
		return rules.Explanation{}, fmt.Errorf("read topic %s, partition %d: %w", topic, partition, err)
	}
	var parsed *letter.Letter
	if !config.Source.Kafka.Reads(m.Topic) { // of a source topic no header is believed
		parsed, _ = letter.Read(m)
	}
	if parsed == nil {
		return rules.ExplainMessage(ctx, config, m, rules.SourceIn(m))
	}
	if err := makeWhole(ctx, &config.Source.Kafka, parsed); err != nil {
		return rules.Explanation{}, err
	}
	e := rules.Undecoded(transform.Decision{Outcome: transform.Reject, Reason: LeftValueGone}, withoutValue) // it stays a dead letter
	if parsed.Left == "" {
		e, err = rules.ExplainMessage(ctx, config, parsed.Source, parsed.From())
	}
	e.Letter = parsed.Story()
	return e, err
}
