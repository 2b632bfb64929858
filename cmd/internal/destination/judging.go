package destination

import (
	"context"
	"slices"

	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
	"kinesis-destination/transform"
)

// judging takes messages through the rules outside of the pipeline, one by one
// and to no effect.
type judging struct {
	decoder *schemas.Decoder
	rules   func() *ruleset // those in force
	resend  string          // what sends events once more; empty: nothing is sent
}

// newJudging judges by what the configuration says now.
func newJudging(config *Config) (judging, error) {
	decoder, err := schemas.NewDecoder(config.Source.Config, nil)
	if err != nil {
		return judging{}, err
	}
	rules, err := newRuleset(config, 1)
	return judging{decoder: decoder, rules: func() *ruleset { return rules }}, err
}

// judgment is what today's rules make of a message.
type judgment struct {
	transform.Decision
	event schemas.Event // without a schema where it could not be decoded
	why   error         // of a rejected or held one
}

// judge decides as run does. The error is the registry's, which cannot answer now.
func (u *judging) judge(ctx context.Context, m *consumer.Message, source transform.Source) (judgment, error) {
	j, err := u.decode(ctx, m)
	if err != nil || j.Outcome != 0 {
		return j, err
	}
	source.Resend = u.resend
	j.Decision, j.why = u.rules().judge(nil, j.event, source)
	return j, nil
}

// decode is the first step of judge: without an outcome, there is an event.
func (u *judging) decode(ctx context.Context, m *consumer.Message) (judgment, error) {
	if m.Value == nil && m.Omitted == nil {
		return judgment{Decision: transform.Decision{Outcome: transform.Filter, Reason: ReasonTombstone, Rule: 10}}, nil
	}
	event, err := decodeMessage(ctx, u.decoder, m)
	if err != nil {
		failure, own := decodeFailure(err)
		if !own {
			return judgment{}, err
		}
		return judgment{Decision: transform.Decision{
			Outcome: transform.Reject, Stage: transform.StageDecode, Reason: transform.Reason(failure.Reason),
		}, why: err}, nil
	}
	return judgment{event: event}, nil
}

// filtered is the judgment that an event does not leave.
func filtered(reason transform.Reason) judgment {
	return judgment{Decision: transform.Decision{Outcome: transform.Filter, Reason: reason}}
}

// sourceIn is where a message stands.
func sourceIn(m *consumer.Message) transform.Source {
	return transform.Source{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset}
}

// decodeMessage finds a message's writer schema, unless the message was too large
// to be kept.
func decodeMessage(ctx context.Context, decoder *schemas.Decoder, m *consumer.Message) (schemas.Event, error) {
	if err := tooLarge(m); err != nil {
		return schemas.Event{}, err
	}
	return decoder.Decode(ctx, m.Value, header(m, schemas.HeaderSchemaID))
}

// header is the last header of a name, the one that Kafka's clients give.
func header(m *consumer.Message, key string) []byte {
	for _, h := range slices.Backward(m.Headers) {
		if h.Key == key {
			return h.Value
		}
	}
	return nil
}
