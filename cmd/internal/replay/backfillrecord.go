package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/transform"
)

// Candidate implements Chooser: any event that can be read has an identity.
func (b *Backfill) Candidate(ctx context.Context, m *consumer.Message) (rules.Evaluation, error) {
	j, err := b.Decode(ctx, m)
	if err != nil {
		return rules.Evaluation{}, err
	}
	if j.Outcome != 0 { // the live pipeline has dealt with it
		return rules.FilteredBy(j.Reason), nil
	}
	plan, err := b.Rules().Plan(j.Event.Schema)
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

// resent tells this backfill's records from the live ones, and from those of a
// later backfill of the same segments.
func (b *Backfill) resent(m *consumer.Message) transform.Source {
	source := rules.SourceIn(m)
	source.Resend = fmt.Sprintf("backfill.%s.%d", b.At.Terms, b.At.Live)
	return source
}

// Compose implements Chooser: the present state of a member, unless the live
// pipeline has exported that very event.
func (b *Backfill) Compose(ctx context.Context, m *consumer.Message, j rules.Evaluation) (rules.Evaluation, error) {
	if m.Offset >= b.At.Live {
		source := rules.SourceIn(m)
		source.Done = ctx.Done()
		d, err := b.Rules().Evaluate(nil, j.Event, source)
		switch {
		case errors.Is(err, transform.ErrEnded):
			return rules.Evaluation{}, ctx.Err()
		case d.Outcome == transform.Export:
			return rules.FilteredBy(resend.ReasonSuperseded), nil
		}
	}
	plan, err := b.Rules().Plan(j.Event.Schema)
	if err != nil {
		return rules.FilteredBy(transform.ReasonNotInMappedSegment), nil
	}
	listed, err := plan.Memberships(j.Event, ctx.Done())
	if err != nil {
		return rules.Evaluation{}, ctx.Err()
	}
	if !slices.ContainsFunc(listed, func(l transform.Membership) bool {
		return l.Inside && slices.Contains(b.wanted, l.Segment) // only the job's own goroutine changes it
	}) {
		return rules.FilteredBy(transform.ReasonNotInMappedSegment), nil
	}
	source := b.resent(m)
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
