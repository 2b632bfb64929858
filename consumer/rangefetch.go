package consumer

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/schemas/backoff"
)

// rangeFetch fetches a range, set by set.
type rangeFetch struct {
	peek
	history *History
	to      int64
	at      int64 // what is fetched next
	most    int32 // bytes at a time, or one batch
	wait    *backoff.Backoff
	told    bool // that the cluster is waited for
}

func (h *History) fetchRange(r Range, own *Budget, most int32) *rangeFetch {
	return &rangeFetch{
		peek: peek{h.transport, h.cfg.Addr(), own, r.topicPartition()}, history: h, to: r.To, at: r.From, most: most, wait: newBackoff(),
	}
}

// next is the next set; none: the range has ended, or a transaction that is still open
// holds the rest back. A cluster that does not answer is waited for.
func (f *rangeFetch) next(ctx context.Context) (*recordSet, error) {
	for f.at < f.to {
		answer, set, err := f.fetch(ctx, f.at, f.most, readCommitted)
		good := set != nil && (err == nil || set.next > f.at) // what comes before what is at fault
		over := ctx.Err()
		if set != nil && (!good || over != nil) {
			set.close()
		}
		switch {
		case over != nil:
			return nil, over
		case good:
			f.wait.Reset()
			if f.told {
				f.told = false
				f.history.Waiting(nil)
			}
			if set.next == f.at && answer.lastStable >= 0 && f.at >= answer.lastStable {
				f.at = f.to
			} else {
				f.at = set.next
			}
			return set, nil
		case errors.Is(err, kafka.OffsetOutOfRange):
			return nil, fmt.Errorf("read %s/%d from offset %d: %w", f.topic, f.partition, f.at, err)
		case errors.Is(err, errCorrupt), HoldReason(err) == ReasonTooLarge:
			return nil, err
		}
		if f.history.Waiting != nil && !f.told && !settlesSoon(err) {
			f.told = true
			f.history.Waiting(err)
		}
		pause(ctx, f.wait.NextBackOff())
	}
	return nil, nil
}
