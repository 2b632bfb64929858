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
	return identified(ctx, &b.Evaluator, m)
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
	return memberState(ctx, &b.Evaluator, j, b.resent(m), func(segment string) bool {
		return slices.Contains(b.wanted, segment) // only the job's own goroutine changes it
	})
}
