package resend

import (
	"context"
	"errors"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/transform"
)

// progressEvery is after how many events someone hears how far it is.
const progressEvery = 256

// Run sends a range to its end, or to that of the round in which it is cut off.
func (w *Job) Run(ctx context.Context, s *PartitionRange) error {
	w.Start(s)
	w.Report(s)
	for {
		err := w.slice(ctx, s)
		if err != nil && s.Taken > s.next {
			w.CutOff(ctx)
		}
		if err != nil || s.Slice == s.Slices-1 {
			return err
		}
		s.Slice++
		s.next, s.Taken, s.scanned = s.From, s.From, s.From
		if err := w.WriteCheckpoint(ctx, s); err != nil {
			return err
		}
	}
}

// Start has the rounds be those of a range.
func (w *Job) Start(s *PartitionRange) {
	w.At, w.InFlight = s, &InFlight{claim: s.Claim}
	clear(w.sent)
	w.taken = 0
	w.Size, w.Keeper, w.Marked = RoundSize, w, s.Open
}

// slice sends what is left of the slice at hand.
func (w *Job) slice(ctx context.Context, s *PartitionRange) error {
	if s.next >= s.To {
		return nil
	}
	if w.LatestOnly {
		if err := w.Scan(ctx, s); err != nil {
			return err
		}
	}
	err := w.read(ctx, s, func(m *consumer.Message) error {
		if err := w.Event(ctx, s, m); err != nil {
			return err
		}
		s.Taken = m.Offset + 1
		if w.taken%progressEvery == 0 {
			w.Report(s)
		}
		return w.Next(ctx)
	})
	if err != nil {
		return err
	}
	s.Taken = s.To
	if s.Slice == s.Slices-1 {
		return w.Finish(ctx)
	}
	return w.End(ctx)
}

// read reads what is left of the slice at hand. What retention takes meanwhile is gone, and the
// log says so: a range that begins where its topic did, a process that was away, and a slice that
// reads it anew all meet that.
func (w *Job) read(ctx context.Context, s *PartitionRange, each func(m *consumer.Message) error) error {
	rest, outOfRange := consumer.Range{Topic: s.Topic, Partition: s.Partition, From: s.next, To: s.To}, error(nil)
	for {
		at := []consumer.Progress{{Topic: s.Topic, Partition: s.Partition}}
		if err := w.bounds(ctx, at); err != nil {
			return err
		}
		start := min(at[0].Start, rest.To)
		if start <= rest.From && outOfRange != nil { // it is not retention that took it
			return outOfRange
		}
		if start > rest.From {
			w.Log.Warn("retention took what was to be read", "topic", s.Topic, "partition", s.Partition, "from", rest.From, "to", start)
			rest.From = start
		}
		if rest.From >= rest.To {
			return nil
		}
		outOfRange = w.History.Read(ctx, rest, func(m *consumer.Message) error {
			err := each(m)
			if err == nil {
				rest.From = m.Offset + 1
			}
			return err
		})
		if !errors.Is(outOfRange, kafka.OffsetOutOfRange) {
			return outOfRange
		}
	}
}

func (w *Job) bounds(ctx context.Context, at []consumer.Progress) error {
	return w.UntilKafka(ctx, func() error { return w.History.Bounds(ctx, at) })
}

// Event takes one event of the range.
func (w *Job) Event(ctx context.Context, s *PartitionRange, m *consumer.Message) error {
	j, err := w.evaluate(ctx, m)
	if err == nil && j.Outcome == transform.Reject && w.Rejecting != nil {
		j, err = w.Rejecting(m, j)
	}
	if err != nil {
		return err
	}
	if s.newest == nil {
		if j.Outcome == transform.Export {
			if j, err = w.Chooser.Compose(ctx, m, j); err != nil {
				return err
			}
		}
		return w.send(ctx, s, m, j)
	}
	if j.Outcome != transform.Export { // it has no identity, and so is counted with the first slice
		if s.Slice > 0 {
			return nil
		}
		return w.send(ctx, s, m, j)
	}
	id := Identity{s.TopicPartition, HashKey(j.PartitionKey)}
	if !s.newest.holds(id.Key) {
		return nil
	}
	newest, superseded := s.newest.standing(id.Key, m.Offset)
	switch {
	case newest && !superseded:
		if j, err = w.Chooser.Compose(ctx, m, j); err != nil {
			return err
		}
	case s.unsure && (newest || s.Live < s.To): // it may have been sent, as the newest then, after what is newer
		w.Doubt(id, m.Offset)
		w.Tail.LookAgain(s.TopicPartition, s.Live)
		fallthrough
	default:
		j = rules.FilteredBy(ReasonSuperseded)
	}
	if j.Outcome == transform.Export && w.Sink != nil {
		if err := w.Overtake(ctx, id, m.Offset); err != nil {
			return err
		}
	}
	return w.send(ctx, s, m, j)
}

// Scan learns the newest event of each identity, from the checkpoint to the
// end of the topic as it is now.
func (w *Job) Scan(ctx context.Context, s *PartitionRange) error {
	s.newest = &newerIndex{slice: s.Slice, slices: s.Slices, limit: w.IndexLimit, events: map[KeyHash]newestOffsets{}}
	fresh := s.Slice == 0 && s.next == s.From && !s.Open
	n := 0
	if err := w.read(ctx, s, func(m *consumer.Message) error {
		j, err := w.evaluate(ctx, m)
		if err == nil && j.Outcome == transform.Export {
			s.newest.candidate(HashKey(j.PartitionKey), m.Offset, fresh)
		}
		if n++; n%progressEvery == 0 {
			s.scanned = m.Offset
			w.Report(s)
		}
		return err
	}); err != nil {
		return err
	}
	s.Slices = s.newest.slices
	s.scanned = s.To
	w.Tail = &Tail{
		Read: w.History.Read, Next: map[TopicPartition]int64{s.TopicPartition: s.To},
		Bounds: w.bounds,
		Evaluate: func(ctx context.Context, m *consumer.Message, source transform.Source) (j rules.Evaluation, err error) {
			err = w.untilRegistry(ctx, func() (err error) { j, err = w.Evaluate(ctx, m, source); return err })
			return j, err
		},
		Leaves: func(id Identity, offset int64) { s.newest.leaves(id.Key, offset) },
	}
	_, _, err := w.Tail.Look(ctx, nil)
	return err
}

// evaluate asks the purpose, for as long as the registry cannot answer.
func (w *Job) evaluate(ctx context.Context, m *consumer.Message) (j rules.Evaluation, err error) {
	err = w.untilRegistry(ctx, func() (err error) {
		j, err = w.Chooser.Candidate(ctx, m)
		return err
	})
	return j, err
}

// untilRegistry tries until the registry answers.
func (w *Job) untilRegistry(ctx context.Context, try func() error) error {
	return hold.RetryUntil(ctx, try, w.Holds.Waiting("registry", func(error) string { return rules.HoldRegistry }))
}

// UntilKafka tries until Kafka answers, unless another process sends the same, or
// the topic is another one by now.
func (w *Job) UntilKafka(ctx context.Context, try func() error) error {
	var moved error
	err := hold.RetryUntil(ctx, func() error {
		err := try()
		if errors.Is(err, consumer.ErrMoved) || errors.Is(err, consumer.ErrRemade) {
			moved, err = err, nil
		}
		return err
	}, w.Holds.Waiting("kafka", consumer.HoldReason))
	return errors.Join(moved, err)
}
