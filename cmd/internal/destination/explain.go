package destination

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

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
	return rules.explain(ctx, schemas.Event{Schema: schema, Body: body}, source)
}

// ExplainRaw explains a message's value as it stands in Kafka.
func ExplainRaw(ctx context.Context, config *Config, value []byte) (Explanation, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*checkTimeout)
	defer cancel()
	m := &consumer.Message{Value: value}
	if names := config.Source.Kafka.TopicNames(); len(names) > 0 {
		m.Topic = names[0]
	}
	return explainMessage(ctx, config, m)
}

// syntaxLine is where a text stops being JSON; 0 when it is JSON. (A decoder that
// reads token by token does not know.)
func syntaxLine(text []byte) int {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // the byte order mark of some editors
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
	return explainMessage(ctx, config, m)
}

// explainMessage explains by what the configuration says now.
func explainMessage(ctx context.Context, config *Config, m *consumer.Message) (Explanation, error) {
	decoder, err := schemas.NewDecoder(config.Source.Config, nil)
	if err != nil {
		return Explanation{}, err
	}
	rules, err := newRuleset(config, 1)
	if err != nil {
		return Explanation{}, err
	}
	source := sourceIn(m)
	var letter *Letter
	if !config.Source.Kafka.Reads(m.Topic) { // of a source topic no header is believed
		letter, _ = readLetter(m)
	}
	if letter != nil {
		source = letter.Origin
	}
	e, err := rules.explainMessage(ctx, decoder, m, source)
	e.Letter = letter.story()
	return e, err
}

// explainMessage explains a message that stood at source.
func (r *ruleset) explainMessage(ctx context.Context, decoder *schemas.Decoder, m *consumer.Message, source transform.Source) (Explanation, error) {
	if m.Value == nil && m.Omitted == nil {
		return undecoded(transform.Decision{Outcome: transform.Filter, Reason: ReasonTombstone, Rule: 10}, "the message has no value"), nil
	}
	event, err := decodeMessage(ctx, decoder, m)
	if err != nil {
		failure, own := decodeFailure(err)
		if !own {
			return Explanation{}, err
		}
		return undecoded(transform.Decision{
			Outcome: transform.Reject, Stage: transform.StageDecode, Reason: transform.Reason(failure.Reason),
		}, failure.Message), nil
	}
	return r.explain(ctx, event, source)
}

func (r *ruleset) explain(ctx context.Context, event schemas.Event, source transform.Source) (Explanation, error) {
	plan, err := r.plan(event.Schema)
	if err != nil {
		return undecoded(transform.Decision{
			Outcome: transform.Reject, Stage: transform.StageDecode, Reason: ReasonInvalidSchema,
		}, err.Error()), nil
	}
	e := Explanation{Explanation: plan.Explain(event, source)}
	if e.Decision.Outcome == transform.Export {
		r.weigh(ctx, &e)
	}
	return e, nil
}

// weigh makes a record that the stream would not take the dead letter that it
// would become.
func (r *ruleset) weigh(ctx context.Context, e *Explanation) {
	failure := (&fits{target: r.target}).judge(ctx, e.Decision)
	if failure == nil {
		return
	}
	e.Decision.Outcome, e.Decision.Stage, e.Decision.Reason = transform.Reject, transform.Stage(failure.Stage), transform.Reason(failure.Reason)
	e.Decision.Rule, e.Decision.Data = 0, nil
	e.Outcome, e.Stage, e.Reason, e.Rule, e.Text = e.Decision.Outcome.String(), e.Decision.Stage, e.Decision.Reason, 0, ""
	e.Message = failure.Message
}

// undecoded explains what is decided before an event's schema is known.
func undecoded(d transform.Decision, why string) Explanation {
	return Explanation{Explanation: transform.Explanation{
		Outcome: d.Outcome.String(), Stage: d.Stage, Rule: d.Rule, Reason: d.Reason, Message: why, Decision: d,
	}}
}

// story is what the headers of a letter say of it; none where there is no letter.
func (l *Letter) story() []consumer.Header {
	if l == nil {
		return nil
	}
	headers := []consumer.Header{{Key: "from", Value: fmt.Appendf(nil, "topic %s, partition %d, offset %d", l.Origin.Topic, l.Origin.Partition, l.Origin.Offset)}}
	for _, key := range []string{sink.HeaderDestination, sink.HeaderStage, sink.HeaderReason, sink.HeaderAttempts, sink.HeaderFailedAt, sink.HeaderValueOmitted} {
		if value := l.header(key); value != nil {
			headers = append(headers, consumer.Header{Key: key, Value: value})
		}
	}
	return headers
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
