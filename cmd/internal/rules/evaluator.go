package rules

import (
	"context"
	"errors"
	"slices"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
	"kinesis-destination/transform"
)

// Evaluator takes messages through the rules outside of the pipeline, one by one
// and to no effect.
type Evaluator struct {
	Decoder *schemas.Decoder
	Rules   func() *Ruleset // those in force
	Resend  string          // what sends events once more; empty: nothing is sent
}

// NewEvaluator judges by what the configuration says now.
func NewEvaluator(config *config.Config) (Evaluator, error) {
	decoder, err := schemas.NewDecoder(config.Source.Config, nil)
	if err != nil {
		return Evaluator{}, err
	}
	rules, err := New(config, 1)
	return Evaluator{Decoder: decoder, Rules: func() *Ruleset { return rules }}, err
}

// Evaluation is what today's rules make of a message.
type Evaluation struct {
	transform.Decision
	Event schemas.Event // without a schema where it could not be decoded
	Cause error         // of a rejected or held one
}

// Evaluate decides as run does. The error is the registry's, which cannot answer now.
func (u *Evaluator) Evaluate(ctx context.Context, m *consumer.Message, source transform.Source) (Evaluation, error) {
	j, err := u.Decode(ctx, m)
	if err != nil || j.Outcome != 0 {
		return j, err
	}
	source.Resend, source.Done = u.Resend, ctx.Done()
	j.Decision, j.Cause = u.Rules().Evaluate(nil, j.Event, source)
	if errors.Is(j.Cause, transform.ErrEnded) {
		return Evaluation{}, ctx.Err()
	}
	return j, nil
}

// Decode is the first step of judge: without an outcome, there is an event.
func (u *Evaluator) Decode(ctx context.Context, m *consumer.Message) (Evaluation, error) {
	if m.Value == nil && m.Omitted == nil {
		return Evaluation{Decision: transform.Decision{Outcome: transform.Filter, Reason: ReasonTombstone, Rule: 10}}, nil
	}
	event, err := DecodeMessage(ctx, u.Decoder, m)
	if err != nil {
		failure, own := DecodeFailure(err)
		if !own {
			return Evaluation{}, err
		}
		return Evaluation{Decision: transform.Decision{
			Outcome: transform.Reject, Stage: transform.StageDecode, Reason: transform.Reason(failure.Reason),
		}, Cause: err}, nil
	}
	return Evaluation{Event: event}, nil
}

// FilteredBy is the judgment that an event does not leave.
func FilteredBy(reason transform.Reason) Evaluation {
	return Evaluation{Decision: transform.Decision{Outcome: transform.Filter, Reason: reason}}
}

// SourceIn is where a message stands.
func SourceIn(m *consumer.Message) transform.Source {
	return transform.Source{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset}
}

// DecodeMessage finds a message's writer schema, unless the message was too large
// to be kept.
func DecodeMessage(ctx context.Context, decoder *schemas.Decoder, m *consumer.Message) (schemas.Event, error) {
	if err := tooLarge(m); err != nil {
		return schemas.Event{}, err
	}
	return decoder.Decode(ctx, m.Value, Header(m, schemas.HeaderSchemaID))
}

// Header is the last header of a name, the one that Kafka's clients give.
func Header(m *consumer.Message, key string) []byte {
	for _, h := range slices.Backward(m.Headers) {
		if h.Key == key {
			return h.Value
		}
	}
	return nil
}
