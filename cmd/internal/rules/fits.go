package rules

import (
	"context"
	"errors"
	"fmt"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/sink"
	"kinesis-destination/sink/deadletter"
	"kinesis-destination/transform"
)

// Fits tells, where nothing is sent, what the stream would make of a record. The
// stream is asked for its limit only where that matters, and at most once.
type Fits struct {
	target sink.Config
	limit  int   // 0: it was not asked yet
	err    error // why the limit is not known
}

// NewFits tells of the stream of a configuration.
func NewFits(c *config.Config) Fits { return Fits{target: c.Target.Kinesis.Config} }

// check says why the stream would never take a decision's record; nil: it would.
func (f *Fits) check(ctx context.Context, d transform.Decision) *deadletter.Failure {
	limit := sink.DefaultRecordBytes
	large := len(d.PartitionKey)+len(d.Data) > limit
	if large {
		limit = f.ask(ctx)
	}
	failure := sink.Unfit(d.PartitionKey, d.Data, limit)
	if failure != nil && large && f.err != nil {
		failure.Message += fmt.Sprintf("; what this one takes is not known (%v), others take %d bytes", f.err, limit)
	}
	return failure
}

func (f *Fits) ask(ctx context.Context) int {
	if f.limit > 0 {
		return f.limit
	}
	ctx, cancel := context.WithTimeout(ctx, CheckTimeout)
	defer cancel()
	if f.limit, f.err = sink.RecordLimit(ctx, f.target, sink.Options{}); f.err != nil {
		f.limit = sink.DefaultRecordBytes
	}
	return f.limit
}

// Weigh makes of a record that the stream would not take the rejection that it
// would become.
func (f *Fits) Weigh(ctx context.Context, j Evaluation) Evaluation {
	if failure := f.check(ctx, j.Decision); failure != nil {
		j.Outcome, j.Stage, j.Reason, j.Rule, j.Data = transform.Reject, transform.Stage(failure.Stage), transform.Reason(failure.Reason), 0, nil
		j.Cause = errors.New(failure.Message)
	}
	return j
}
