package consumer

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"
)

// Progress is how far a group is in one partition.
type Progress struct {
	Topic     string
	Partition int
	Committed int64     // -1: the group has committed nothing
	Start     int64     // the first offset that the partition still has
	Next      int64     // where the group goes on, or would begin
	End       int64     // the last stable offset: after the last message that may be read
	Oldest    time.Time // when the first message from Next on was written; zero: there is none, or it does not say
	Unknown   error     // why Start and End are -1: the partition has no leader, for one
}

// Lag is how many offsets lie between where the group goes on and the end, as
// kafka-consumer-groups counts them: markers of transactions and what was
// compacted away included.
func (p *Progress) Lag() int64 { return max(0, p.End-p.Next) }

// Progress tells how far a group is in every partition, whether it runs or not.
func (h *History) Progress(ctx context.Context, group string) ([]Progress, error) {
	topics, _, err := h.cfg.present(ctx, h.client, h.cfg.Addr())
	if err != nil {
		return nil, err
	}
	tps := allPartitions(topics)
	slices.SortFunc(tps, compareTopicPartitions)
	committed, err := committedOffsets(ctx, h.client, h.cfg.Addr(), group, tps)
	if err != nil {
		return nil, err
	}
	begun := false // what the group has no offset of was added later, and begins at its beginning
	for _, at := range committed {
		begun = begun || at.committed >= 0 || at.remade
	}
	all := make([]Progress, len(tps))
	for i, tp := range tps {
		all[i] = Progress{Topic: tp.topic, Partition: tp.partition, Committed: -1}
	}
	if err := h.bounds(ctx, all); err != nil {
		return nil, err
	}
	for i, tp := range tps {
		p := &all[i]
		switch at := committed[tp]; {
		case at.committed >= 0:
			p.Committed, p.Next = at.committed, at.committed
			if p.Unknown == nil && p.Committed > p.End { // of an earlier topic: all that is there waits
				p.Next = p.Start
			}
		case at.remade && h.cfg.OnOffsetOutOfRange == Latest, !at.remade && h.cfg.Start == Latest && !begun:
			p.Next = p.End
		default:
			p.Next = p.Start
		}
	}
	return all, h.oldest(ctx, all, func(*Progress) bool { return true })
}

// Outlook looks from Next on: it fills in Start and End, or why they are not known,
// and Oldest where that is zero and wanted; wanted may fill it in. Where no message can
// be looked at, as of what is corrupt, Oldest stays zero.
func (h *History) Outlook(ctx context.Context, all []Progress, wanted func(*Progress) bool) error {
	if err := h.bounds(ctx, all); err != nil {
		return err
	}
	_ = h.oldest(ctx, all, wanted) // it is known of the others
	return nil
}

// Bounds fills in Start and End.
func (h *History) Bounds(ctx context.Context, all []Progress) error {
	if err := h.bounds(ctx, all); err != nil {
		return err
	}
	for i := range all {
		if all[i].Unknown != nil {
			return all[i].Unknown
		}
	}
	return nil
}

// bounds fills in Start and End, or why they are not known. An error is about all.
func (h *History) bounds(ctx context.Context, all []Progress) error {
	first, last := map[topicPartition]int64{}, map[topicPartition]int64{}
	for i := range all {
		tp := topicPartition{all[i].Topic, all[i].Partition}
		first[tp], last[tp] = firstOffset, lastOffset
	}
	starts, err := listOffsets(ctx, h.client, h.cfg.Addr(), first)
	if err != nil {
		return err
	}
	ends, err := listOffsets(ctx, h.client, h.cfg.Addr(), last)
	if err != nil {
		return err
	}
	for i := range all {
		tp := topicPartition{all[i].Topic, all[i].Partition}
		start, end := starts[tp], ends[tp]
		all[i].Start, all[i].End, all[i].Unknown = start.offset, end.offset, cmp.Or(start.err, end.err)
		err = errors.Join(err, all[i].Unknown)
	}
	if !slices.ContainsFunc(all, func(p Progress) bool { return p.Unknown == nil }) {
		return err
	}
	return nil
}

// peekParallel bounds the fetches for one message each that are under way, in all of a
// process: each brings a batch, which nobody waits to have room for.
const peekParallel = 8

func (h *History) oldest(ctx context.Context, all []Progress, wanted func(*Progress) bool) error {
	ctx, cancel := context.WithTimeout(ctx, fetchMaxWait+requestTimeout)
	defer cancel()
	var peeks errgroup.Group
	peeks.SetLimit(peekParallel)
	for i := range all {
		p := &all[i]
		if from := max(p.Next, p.Start); from < p.End && p.Oldest.IsZero() && wanted(p) {
			peeks.Go(func() (err error) {
				select {
				case h.peeks <- struct{}{}:
				case <-ctx.Done():
					return ctx.Err()
				}
				defer func() { <-h.peeks }()
				p.Oldest, err = h.firstTime(ctx, Range{p.Topic, p.Partition, from, p.End})
				return err
			})
		}
	}
	return peeks.Wait()
}

var errFound = errors.New("found")

// firstTime is when the first message of a range was written; zero: it holds none,
// or it does not say.
func (h *History) firstTime(ctx context.Context, r Range) (time.Time, error) {
	var at time.Time
	own := h.cfg.Budget.part(historyBudget)
	batches := h.fetchRange(r, own, oneBatch)
	for {
		set, err := batches.next(ctx)
		if errors.Is(err, kafka.OffsetOutOfRange) {
			return at, nil // the topic has let go of it since
		}
		if set == nil || err != nil {
			return at, err
		}
		past, err := h.read(ctx, r, set, &account{budget: own}, func(m *Message) error {
			if m.Timed() {
				at = m.Time
			}
			return errFound
		})
		set.close()
		if errors.Is(err, errFound) {
			return at, nil
		}
		if past || err != nil {
			return at, err
		}
		batches.most = partitionMaxBytes // there may be many without a message
	}
}
