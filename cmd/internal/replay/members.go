package replay

import (
	"context"
	"errors"
	"slices"

	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/transform"
)

// identified decides whose event it is, of one that can be read; whatever it changed.
func identified(ctx context.Context, e *rules.Evaluator, m *consumer.Message) (rules.Evaluation, error) {
	j, err := e.Decode(ctx, m)
	if err != nil {
		return rules.Evaluation{}, err
	}
	if j.Outcome != 0 { // the live pipeline has dealt with it
		return rules.FilteredBy(j.Reason), nil
	}
	plan, err := e.Rules().Plan(j.Event.Schema)
	if err != nil {
		return rules.FilteredBy(rules.ReasonInvalidSchema), nil
	}
	if j.PartitionKey, err = plan.Key(j.Event, ctx.Done()); err != nil {
		return rules.Evaluation{}, ctx.Err()
	}
	if j.PartitionKey == "" {
		return rules.FilteredBy(transform.ReasonMalformed), nil
	}
	j.Outcome = transform.Export
	return j, nil
}

// memberState is the present state of an identity that is in a wanted segment.
func memberState(ctx context.Context, e *rules.Evaluator, j rules.Evaluation, source transform.Source, wanted func(segment string) bool) (rules.Evaluation, error) {
	plan, err := e.Rules().Plan(j.Event.Schema)
	if err != nil {
		return rules.FilteredBy(transform.ReasonNotInMappedSegment), nil
	}
	listed, err := plan.Memberships(j.Event, ctx.Done())
	if err != nil {
		return rules.Evaluation{}, ctx.Err()
	}
	if !slices.ContainsFunc(listed, func(l transform.Membership) bool { return l.Inside && wanted(l.Segment) }) {
		return rules.FilteredBy(transform.ReasonNotInMappedSegment), nil
	}
	source.Done = ctx.Done()
	decision, why := plan.State(nil, j.Event, source)
	if errors.Is(why, transform.ErrEnded) {
		return rules.Evaluation{}, ctx.Err()
	}
	if decision.Outcome == transform.Reject { // the live pipeline has dealt with it
		decision.Outcome = transform.Filter
	}
	return rules.Evaluation{Decision: decision, Event: j.Event, Cause: why}, nil
}
