package destination

import (
	"context"
	"errors"

	"kinesis-destination/consumer"
	"kinesis-destination/transform"
)

// progressEvery is after how many events someone hears how far it is.
const progressEvery = 256

// run sweeps a stretch to its end, or to that of the round in which it is cut off.
func (w *sweep) run(ctx context.Context, s *stretch) error {
	w.take(s)
	w.tell(s)
	for {
		err := w.slice(ctx, s)
		if err != nil && s.taken > s.next {
			w.cutOff(ctx)
		}
		if err != nil || s.Slice == s.Slices-1 {
			return err
		}
		s.Slice++
		s.next, s.taken, s.surveyed = s.From, s.From, s.From
		if err := w.write(ctx, s); err != nil {
			return err
		}
	}
}

// take has the rounds be those of a stretch.
func (w *sweep) take(s *stretch) {
	w.at, w.inFlight = s, &inFlight{claim: s.claim}
	clear(w.sent)
	w.taken = 0
	w.size, w.keep, w.marked = sweepRound, w, s.Open
}

// slice sweeps what is left of the slice at hand.
func (w *sweep) slice(ctx context.Context, s *stretch) error {
	if s.next >= s.To {
		return nil
	}
	if w.latestOnly {
		if err := w.survey(ctx, s); err != nil {
			return err
		}
	}
	rest := consumer.Range{Topic: s.topic, Partition: s.partition, From: s.next, To: s.To}
	err := w.history.Read(ctx, rest, func(m *consumer.Message) error {
		if err := w.event(ctx, s, m); err != nil {
			return err
		}
		s.taken = m.Offset + 1
		if w.taken%progressEvery == 0 {
			w.tell(s)
		}
		return w.next(ctx)
	})
	if err != nil {
		return err
	}
	s.taken = s.To
	if s.Slice == s.Slices-1 {
		return w.finish(ctx)
	}
	return w.end(ctx)
}

// event takes one event of the range.
func (w *sweep) event(ctx context.Context, s *stretch, m *consumer.Message) error {
	j, err := w.candidate(ctx, m)
	if err != nil {
		return err
	}
	if s.newest == nil {
		if j.Outcome == transform.Export {
			j = w.purpose.compose(ctx, m, j)
		}
		return w.send(ctx, s, m, j)
	}
	if j.Outcome != transform.Export { // it has no identity, and so is counted with the first slice
		if s.Slice > 0 {
			return nil
		}
		return w.send(ctx, s, m, j)
	}
	id := identity{s.part, hashKey(j.PartitionKey)}
	if !s.newest.holds(id.key) {
		return nil
	}
	newest, superseded := s.newest.standing(id.key, m.Offset)
	switch {
	case newest && !superseded:
		j = w.purpose.compose(ctx, m, j)
	case s.unsure && (newest || s.Live < s.To): // it may have been sent, as the newest then, after what is newer
		w.doubt(id, m.Offset)
		w.tail.lookAgain(s.part, s.Live)
		fallthrough
	default:
		j = filtered(ReasonSuperseded)
	}
	if j.Outcome == transform.Export && w.sink != nil {
		if err := w.overtake(ctx, id, m.Offset); err != nil {
			return err
		}
	}
	return w.send(ctx, s, m, j)
}

// survey learns the newest event of each identity, from the checkpoint to the
// end of the topic as it is now.
func (w *sweep) survey(ctx context.Context, s *stretch) error {
	s.newest = &newestIndex{slice: s.Slice, slices: s.Slices, limit: w.indexLimit, events: map[keyHash]newestOffsets{}}
	fresh := s.Slice == 0 && s.next == s.From && !s.Open
	n := 0
	rest := consumer.Range{Topic: s.topic, Partition: s.partition, From: s.next, To: s.To}
	if err := w.history.Read(ctx, rest, func(m *consumer.Message) error {
		j, err := w.candidate(ctx, m)
		if err == nil && j.Outcome == transform.Export {
			s.newest.candidate(hashKey(j.PartitionKey), m.Offset, fresh)
		}
		if n++; n%progressEvery == 0 {
			s.surveyed = m.Offset
			w.tell(s)
		}
		return err
	}); err != nil {
		return err
	}
	s.Slices = s.newest.slices
	s.surveyed = s.To
	w.tail = &tail{
		history: w.history, next: map[part]int64{s.part: s.To},
		bounds: func(ctx context.Context, at []consumer.Progress) error {
			return w.untilKafka(ctx, func() error { return w.history.Bounds(ctx, at) })
		},
		judge: func(ctx context.Context, m *consumer.Message, source transform.Source) (j judgment, err error) {
			err = w.untilRegistry(ctx, func() (err error) { j, err = w.judge(ctx, m, source); return err })
			return j, err
		},
		leaves: func(id identity, offset int64) { s.newest.leaves(id.key, offset) },
	}
	_, err := w.tail.look(ctx, nil)
	return err
}

// candidate asks the purpose, for as long as the registry cannot answer.
func (w *sweep) candidate(ctx context.Context, m *consumer.Message) (j judgment, err error) {
	err = w.untilRegistry(ctx, func() (err error) {
		j, err = w.purpose.candidate(ctx, m)
		return err
	})
	return j, err
}

// untilRegistry tries until the registry answers.
func (w *sweep) untilRegistry(ctx context.Context, try func() error) error {
	return retryUntil(ctx, try, func(err error) { logHold(w.log, HoldRegistry, err) })
}

// untilKafka tries until Kafka answers, unless another process sweeps the same, or
// the topic is another one by now.
func (w *sweep) untilKafka(ctx context.Context, try func() error) error {
	var moved error
	err := retryUntil(ctx, func() error {
		err := try()
		if errors.Is(err, consumer.ErrMoved) || errors.Is(err, consumer.ErrRemade) {
			moved, err = err, nil
		}
		return err
	}, waitingForKafka(w.log))
	return errors.Join(moved, err)
}
