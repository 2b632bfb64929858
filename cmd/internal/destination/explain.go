package destination

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
	"kinesis-destination/sink"
	"kinesis-destination/transform"
)

// Explanation tells what run would make of one event, and why.
type Explanation struct {
	transform.Explanation
	// Letter is what the headers of a dead letter say of it, in their order.
	Letter []consumer.Header
}

// Explain explains an event in Avro JSON; name is where text was read. The
// schema is that of schemaFile if given, else the destination's own: its schema
// file, or the newest version of its topic's subject. The error is Problems
// where text or schemaFile is at fault.
func Explain(ctx context.Context, config *Config, schemaFile, name string, text []byte) (Explanation, error) {
	schema, err := explainSchema(ctx, config, schemaFile)
	if err != nil {
		return Explanation{}, err
	}
	body, err := schema.EncodeJSON(text)
	if err != nil {
		return Explanation{}, Problems{{File: name, Line: syntaxLine(text), Message: err.Error()}}
	}
	rules, err := newRuleset(config, 1)
	if err != nil {
		return Explanation{}, err
	}
	var source transform.Source
	if names := config.Source.Kafka.TopicNames(); len(names) > 0 {
		source.Topic = names[0]
	}
	return rules.explain(schemas.Event{Schema: schema, Body: body}, source)
}

// syntaxLine is where a text stops being JSON; 0 when it is JSON. (A decoder that
// reads token by token does not know.)
func syntaxLine(text []byte) int {
	var syntax *json.SyntaxError
	if !errors.As(json.Unmarshal(text, new(json.RawMessage)), &syntax) {
		return 0
	}
	return 1 + bytes.Count(text[:min(int(syntax.Offset), len(text))], []byte("\n"))
}

// ExplainMessage explains the message at an offset of Kafka by its own writer
// schema: of a source topic, or a dead letter, which is explained as the message
// that it was.
func ExplainMessage(ctx context.Context, config *Config, topic string, partition int, offset int64) (Explanation, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*checkTimeout)
	defer cancel()
	m, err := consumer.Peek(ctx, config.Source.Kafka, nil, topic, partition, offset)
	if err != nil {
		return Explanation{}, fmt.Errorf("read topic %s, partition %d: %w", topic, partition, err)
	}
	decoder, err := schemas.NewDecoder(config.Source.Config, nil)
	if err != nil {
		return Explanation{}, err
	}
	rules, err := newRuleset(config, 1)
	if err != nil {
		return Explanation{}, err
	}
	e, err := rules.explainMessage(ctx, decoder, m)
	e.Letter = letterHeaders(m)
	return e, err
}

func (r *ruleset) explainMessage(ctx context.Context, decoder *schemas.Decoder, m *consumer.Message) (Explanation, error) {
	if m.Value == nil && m.Omitted == nil {
		return undecoded(transform.Decision{Outcome: transform.Filter, Reason: ReasonTombstone, Rule: 10}, "the message has no value"), nil
	}
	err := tooLarge(m)
	var event schemas.Event
	if err == nil {
		event, err = decoder.Decode(ctx, m.Value)
	}
	if err != nil {
		failure, own := decodeFailure(err)
		if !own {
			return Explanation{}, err
		}
		return undecoded(transform.Decision{
			Outcome: transform.Reject, Stage: transform.StageDecode, Reason: transform.Reason(failure.Reason),
		}, failure.Message), nil
	}
	return r.explain(event, sourceOf(m))
}

func (r *ruleset) explain(event schemas.Event, source transform.Source) (Explanation, error) {
	plan, err := r.plan(event.Schema)
	if err != nil {
		return Explanation{}, err
	}
	return Explanation{Explanation: plan.Explain(event, source)}, nil
}

// undecoded explains what is decided before an event's schema is known.
func undecoded(d transform.Decision, why string) Explanation {
	return Explanation{Explanation: transform.Explanation{
		Outcome: d.Outcome.String(), Stage: d.Stage, Rule: d.Rule, Reason: d.Reason, Message: why, Decision: d,
	}}
}

// sourceOf is where a message stood before it became a dead letter, if it is one.
func sourceOf(m *consumer.Message) transform.Source {
	source := sourceIn(m)
	topic, partition, offset := header(m, sink.HeaderTopic), header(m, sink.HeaderPartition), header(m, sink.HeaderOffset)
	if len(topic) > 0 && len(partition) == 4 && len(offset) == 8 {
		source = transform.Source{
			Topic: string(topic), Partition: int(binary.BigEndian.Uint32(partition)), Offset: int64(binary.BigEndian.Uint64(offset)),
		}
	}
	return source
}

// letterHeaders are the headers of a dead letter that say what happened, numbers
// as text; none for other messages.
func letterHeaders(m *consumer.Message) []consumer.Header {
	if header(m, sink.HeaderReason) == nil || header(m, sink.HeaderTopic) == nil {
		return nil
	}
	source := sourceOf(m)
	headers := []consumer.Header{{Key: "from", Value: fmt.Appendf(nil, "topic %s, partition %d, offset %d", source.Topic, source.Partition, source.Offset)}}
	for _, key := range []string{sink.HeaderDestination, sink.HeaderStage, sink.HeaderReason, sink.HeaderAttempts, sink.HeaderFailedAt} {
		if value := header(m, key); value != nil {
			headers = append(headers, consumer.Header{Key: key, Value: value})
		}
	}
	return headers
}

// header is the last header of a name, as a dead letter's own come after those of
// the message that it was.
func header(m *consumer.Message, key string) []byte {
	for _, h := range slices.Backward(m.Headers) {
		if h.Key == key {
			return h.Value
		}
	}
	return nil
}

func explainSchema(ctx context.Context, config *Config, file string) (*schemas.Schema, error) {
	if file != "" {
		schema, err := schemas.ReadFile(file)
		if err != nil {
			return nil, Problems{{File: file, Message: err.Error()}}
		}
		return schema, nil
	}
	if config.Source.SchemaFile != "" {
		return schemas.ReadFile(config.Source.SchemaFile)
	}
	names := config.Source.Kafka.TopicNames()
	if len(names) == 0 {
		return nil, errors.New("source.kafka.topicPattern names no one topic whose schema to look up: give one with --schema")
	}
	decoder, err := schemas.NewDecoder(config.Source.Config, nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startLookup)
	defer cancel()
	schema, err := decoder.Registry().Latest(ctx, names[0]+"-value")
	if err != nil {
		return nil, fmt.Errorf("look up the event's schema (or give one with --schema): %w", err)
	}
	return schema, nil
}
