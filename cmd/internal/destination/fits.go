package destination

import (
	"context"
	"errors"
	"fmt"

	"kinesis-destination/sink"
	"kinesis-destination/transform"
)

// fits judges, where nothing is sent, what the stream would make of a record. The
// stream is asked for its limit only where that matters, and at most once.
type fits struct {
	target sink.Config
	limit  int   // 0: it was not asked yet
	err    error // why the limit is not known
}

// judge says why the stream would never take a decision's record; nil: it would.
func (f *fits) judge(ctx context.Context, d transform.Decision) *sink.Failure {
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

func (f *fits) ask(ctx context.Context) int {
	if f.limit > 0 {
		return f.limit
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if f.limit, f.err = sink.RecordLimit(ctx, f.target, sink.Options{}); f.err != nil {
		f.limit = sink.DefaultRecordBytes
	}
	return f.limit
}

// weigh makes of a record that the stream would not take the rejection that it
// would become.
func (f *fits) weigh(ctx context.Context, j judgment) judgment {
	if failure := f.judge(ctx, j.Decision); failure != nil {
		j.Outcome, j.Stage, j.Reason, j.Rule, j.Data = transform.Reject, transform.Stage(failure.Stage), transform.Reason(failure.Reason), 0, nil
		j.why = errors.New(failure.Message)
	}
	return j
}
