package destination

import (
	"context"
	"errors"

	"kinesis-destination/consumer"
	"kinesis-destination/sink"
	"kinesis-destination/transform"
)

// progressEvery is after how many events someone hears how far it is.
const progressEvery = 256

// run sweeps a stretch to its end. Should it end before, what was sent comes to
// rest and is kept, if it does so soon; otherwise the next run begins with this
// round again.
func (w *sweep) run(ctx context.Context, s *stretch) error {
	w.tell(s)
	for {
		err := w.slice(ctx, s)
		if err != nil && s.taken > s.next {
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
			defer cancel()
			_ = w.endRound(stopping, s, s.taken)
		}
		if err != nil || s.Slice == s.Slices-1 {
			return err
		}
		s.Slice++
		s.next, s.taken, s.surveyed = s.From, s.From, s.From
		if err := w.commit(ctx, s); err != nil {
			return err
		}
	}
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
	inRound := 0
	w.sent = map[keyHash]int64{}
	rest := consumer.Range{Topic: s.topic, Partition: s.partition, From: s.next, To: s.To}
	err := w.history.Read(ctx, rest, func(m *consumer.Message) error {
		if err := w.event(ctx, s, m); err != nil {
			return err
		}
		s.taken = m.Offset + 1
		if inRound++; inRound%progressEvery == 0 {
			w.tell(s)
		}
		if inRound < sweepRound {
			return nil
		}
		inRound = 0
		return w.endRound(ctx, s, m.Offset+1)
	})
	if err == nil {
		err = w.endRound(ctx, s, s.To)
	}
	return err
}

// event takes one event of the range.
func (w *sweep) event(ctx context.Context, s *stretch, m *consumer.Message) error {
	j, err := w.candidate(ctx, m)
	if err != nil {
		return err
	}
	if s.newest == nil {
		if j.Outcome == transform.Export {
			j = w.purpose.compose(m, j)
		}
		return w.send(ctx, s, m, j)
	}
	if j.Outcome != transform.Export { // it has no identity, and so is counted with the first slice
		if s.Slice > 0 {
			return nil
		}
		return w.send(ctx, s, m, j)
	}
	h := hashKey(j.PartitionKey)
	if !s.newest.holds(h) {
		return nil
	}
	newest, superseded := s.newest.standing(h, m.Offset)
	switch {
	case newest && !superseded:
		j = w.purpose.compose(m, j)
	case s.unsure && (newest || s.Live < s.To): // it may have been sent, as the newest then, after what is newer
		w.sent[h] = m.Offset
		fallthrough
	default:
		j = filtered(ReasonSuperseded)
	}
	if j.Outcome == transform.Export {
		if err := w.open(ctx, s); err != nil {
			return err
		}
		w.sent[h] = m.Offset
	}
	return w.send(ctx, s, m, j)
}

// open notes, before the first put, that a round is under way: should the process
// be killed amid it, the next one knows that what it finds superseded may have
// been sent after what superseded it.
func (w *sweep) open(ctx context.Context, s *stretch) error {
	if s.Open {
		return nil
	}
	s.Open = true
	return w.commit(ctx, s)
}

// endRound awaits what is under way, repairs what live traffic overtook, and
// has Kafka keep that everything before next is done.
func (w *sweep) endRound(ctx context.Context, s *stretch, next int64) error {
	if err := w.underway.rest(ctx); err != nil {
		return err
	}
	if w.latestOnly && w.sink != nil && len(w.sent) > 0 {
		if s.unsure {
			s.seen = s.Live
		}
		if err := w.catchUp(ctx, s); err != nil {
			return err
		}
	}
	clear(w.sent)
	s.unsure = false
	s.next, s.taken = next, next
	s.Account = s.account()
	s.Open = s.Open && !s.ended()
	if err := w.commit(ctx, s); err != nil {
		return err
	}
	w.tell(s)
	if w.roundEnds != nil {
		return w.roundEnds(ctx)
	}
	return nil
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
	s.seen = s.To
	_, err := w.look(ctx, s)
	return err
}

// candidate asks the purpose, for as long as the registry cannot answer.
func (w *sweep) candidate(ctx context.Context, m *consumer.Message) (j judgment, err error) {
	err = w.insist(ctx, func() (err error) {
		j, err = w.purpose.candidate(ctx, m)
		return err
	})
	return j, err
}

// insist tries until the registry answers.
func (w *sweep) insist(ctx context.Context, try func() error) error {
	return insist(ctx, try, func(err error) { logHold(w.log, HoldRegistry, err) })
}

// insistKafka tries until Kafka answers, unless another process sweeps the same.
func (w *sweep) insistKafka(ctx context.Context, try func() error) error {
	var moved error
	err := insist(ctx, func() error {
		err := try()
		if errors.Is(err, consumer.ErrMoved) {
			moved, err = err, nil
		}
		return err
	}, waitingForKafka(w.log))
	return errors.Join(moved, err)
}

// insist tries until it succeeds or ctx ends; waiting hears once why it has to.
func insist(ctx context.Context, try func() error, waiting func(error)) error {
	err := try()
	if err == nil || ctx.Err() != nil {
		return err
	}
	waiting(err)
	for wait := newHoldBackoff(); err != nil; err = try() {
		if err := rest(ctx, wait.NextBackOff()); err != nil {
			return err
		}
	}
	return nil
}

// catchUp puts the newer events of identities that were sent in this round once
// more, and again what came meanwhile, until nothing did.
func (w *sweep) catchUp(ctx context.Context, s *stretch) error {
	for {
		newer, err := w.look(ctx, s)
		if err != nil || len(newer) == 0 {
			return err
		}
		for h, event := range newer {
			w.sent[h] = event.Offset
			if err := w.underway.give(func() error { return w.sink.Put(ctx, event.record((*overtaken)(w))) }); err != nil {
				return err
			}
		}
		if err := w.underway.rest(ctx); err != nil {
			return err
		}
	}
}

// look reads on to the end as it is now. It returns the newest events that leave
// of identities which were sent in this round.
func (w *sweep) look(ctx context.Context, s *stretch) (map[keyHash]*newerEvent, error) {
	at := []consumer.Progress{{Topic: s.topic, Partition: s.partition}}
	if err := w.insistKafka(ctx, func() error { return w.history.Bounds(ctx, at) }); err != nil {
		return nil, err
	}
	newer := map[keyHash]*newerEvent{}
	tail := consumer.Range{Topic: s.topic, Partition: s.partition, From: max(s.seen, at[0].Start), To: at[0].End}
	err := w.history.Read(ctx, tail, func(m *consumer.Message) error {
		var j judgment
		source := sourceIn(m)
		if err := w.insist(ctx, func() (err error) { j, err = w.judge(ctx, m, source); return err }); err != nil || j.Outcome != transform.Export {
			return err
		}
		h := hashKey(j.PartitionKey)
		s.newest.leaves(h, m.Offset)
		if older, ok := w.sent[h]; ok && older < m.Offset {
			newer[h] = &newerEvent{keptOrigin(m), j.PartitionKey, j.Data}
		}
		return nil
	})
	s.seen = max(s.seen, at[0].End)
	return newer, err
}

// overtaken hears of a newer event that was put once more. Should the stream
// refuse it, the live pipeline's own attempt is refused as well.
type overtaken sweep

// Done counts it.
func (o *overtaken) Done(sink.Outcome, string) { o.caughtUp.Add(1); o.underway.Done() }

// Withdrawn is for the live pipeline to deliver.
func (o *overtaken) Withdrawn() { o.underway.Done() }
