package rules

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
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
func Explain(ctx context.Context, cfg *config.Config, schemaFile, name string, text []byte) (Explanation, error) {
	schema, err := ExplainSchema(ctx, cfg, schemaFile)
	if err != nil {
		return Explanation{}, err
	}
	body, err := schema.EncodeJSON(text)
	if mistakes, ok := errors.AsType[schemas.Mistakes](err); ok {
		problems := make(config.Problems, len(mistakes))
		for i, m := range mistakes {
			problems[i] = config.Problem{File: name, Message: m.Error()}
		}
		return Explanation{}, problems
	}
	if err != nil {
		return Explanation{}, config.Problems{{File: name, Line: syntaxLine(text), Message: err.Error()}}
	}
	rules, err := New(cfg, 1)
	if err != nil {
		return Explanation{}, err
	}
	var source transform.Source
	if names := cfg.Source.Kafka.TopicNames(); len(names) > 0 {
		source.Topic = names[0]
	}
	return rules.explain(ctx, schemas.Event{Schema: schema, Body: body}, source)
}

// ExplainRaw explains a message's value as it stands in Kafka.
func ExplainRaw(ctx context.Context, config *config.Config, value []byte) (Explanation, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*CheckTimeout)
	defer cancel()
	m := &consumer.Message{Value: value}
	if names := config.Source.Kafka.TopicNames(); len(names) > 0 {
		m.Topic = names[0]
	}
	return ExplainMessage(ctx, config, m, SourceIn(m))
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

// ExplainMessage explains a message that stood at source by what the configuration
// says now, and by its own writer schema.
func ExplainMessage(ctx context.Context, config *config.Config, m *consumer.Message, source transform.Source) (Explanation, error) {
	decoder, err := schemas.NewDecoder(config.Source.Config, nil)
	if err != nil {
		return Explanation{}, err
	}
	rules, err := New(config, 1)
	if err != nil {
		return Explanation{}, err
	}
	return rules.ExplainMessage(ctx, decoder, m, source)
}

// ExplainMessage explains a message that stood at source.
func (r *Ruleset) ExplainMessage(ctx context.Context, decoder *schemas.Decoder, m *consumer.Message, source transform.Source) (Explanation, error) {
	if m.Value == nil && m.Omitted == nil {
		return Undecoded(transform.Decision{Outcome: transform.Filter, Reason: ReasonTombstone, Rule: 10}, "the message has no value"), nil
	}
	event, err := DecodeMessage(ctx, decoder, m)
	if err != nil {
		failure, own := DecodeFailure(err)
		if !own {
			return Explanation{}, err
		}
		return Undecoded(transform.Decision{
			Outcome: transform.Reject, Stage: transform.StageDecode, Reason: transform.Reason(failure.Reason),
		}, failure.Message), nil
	}
	return r.explain(ctx, event, source)
}

func (r *Ruleset) explain(ctx context.Context, event schemas.Event, source transform.Source) (Explanation, error) {
	plan, err := r.Plan(event.Schema)
	if err != nil {
		return Undecoded(transform.Decision{
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
func (r *Ruleset) weigh(ctx context.Context, e *Explanation) {
	failure := (&Fits{target: r.target}).check(ctx, e.Decision)
	if failure == nil {
		return
	}
	e.Decision.Outcome, e.Decision.Stage, e.Decision.Reason = transform.Reject, transform.Stage(failure.Stage), transform.Reason(failure.Reason)
	e.Decision.Rule, e.Decision.Data = 0, nil
	e.Outcome, e.Stage, e.Reason, e.Rule, e.Text = e.Decision.Outcome.String(), e.Decision.Stage, e.Decision.Reason, 0, ""
	e.Message = failure.Message
}

// Undecoded explains what is decided before an event's schema is known.
func Undecoded(d transform.Decision, why string) Explanation {
	return Explanation{Explanation: transform.Explanation{
		Outcome: d.Outcome.String(), Stage: d.Stage, Rule: d.Rule, Text: transform.RuleText(d.Rule), Reason: d.Reason, Message: why, Decision: d,
	}}
}

// ExplainSchema is what an event in Avro JSON is read by: a file, else the
// destination's own schema.
func ExplainSchema(ctx context.Context, cfg *config.Config, file string) (*schemas.Schema, error) {
	if file != "" {
		schema, err := schemas.ReadFile(file)
		if err != nil {
			return nil, config.Problems{{File: file, Message: err.Error()}}
		}
		return schema, nil
	}
	if cfg.Source.SchemaFile != "" {
		return schemas.ReadFile(cfg.Source.SchemaFile)
	}
	names := cfg.Source.Kafka.TopicNames()
	if len(names) == 0 {
		return nil, errors.New("source.kafka.topicPattern names no one topic whose schema to look up: give one with --schema")
	}
	decoder, err := schemas.NewDecoder(cfg.Source.Config, nil)
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
