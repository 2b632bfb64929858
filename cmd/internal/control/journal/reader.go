package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kinesis-destination/schemas/backoff"
)

// maxOddities is how many foreign and corrupt records are remembered.
const maxOddities = 100

// Oddity is a record that was passed over.
type Oddity struct {
	Offset  int64
	Verdict Verdict // Foreign or Corrupt
	Why     string
}

// tail reads the log for as long as the store is open, or until what follows
// cannot be judged.
func (s *Store) tail(ctx context.Context) {
	wait := retryWait
	for ctx.Err() == nil {
		err := s.step(ctx)
		if halt, ok := errors.AsType[*stop](err); ok {
			if !halt.otherStore || !s.stillOurs(ctx) {
				s.halt(halt)
				return
			}
			s.passOver(halt)
			err = nil
		}
		s.note(ctx, err)
		if err == nil {
			wait = retryWait
			continue
		}
		if backoff.Sleep(ctx, wait) != nil {
			return
		}
		wait = min(2*wait, maxRetryWait)
	}
}

// note keeps why the log is not read now, and says so when that changes.
func (s *Store) note(ctx context.Context, err error) {
	s.mu.Lock()
	before := s.trouble
	s.trouble = err
	s.mu.Unlock()
	switch {
	case before == nil && err != nil && ctx.Err() == nil:
		s.logger.Warn("the journal cannot be read for now: reads are answered from memory", "error", err)
	case before != nil && err == nil:
		s.logger.Info("the journal is read again")
	}
}

// step reads once.
func (s *Store) step(ctx context.Context) error {
	s.mu.Lock()
	from := int64(-1)
	switch {
	case s.state != nil:
		from = s.state.next
	case s.begin != nil:
		from = s.begin.next
	}
	s.mu.Unlock()
	if from < 0 {
		return s.restart(ctx)
	}
	records, err := s.log.Read(ctx, from)
	if errors.Is(err, errOutside) {
		return s.outside(ctx, from)
	}
	if err != nil {
		return err
	}
	return s.apply(records)
}

// restart begins at the log's first record.
func (s *Store) restart(ctx context.Context) error {
	first, _, err := s.log.Bounds(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if first == 0 {
		s.state = newState()
	} else {
		s.begin = newBeginning(first)
	}
	s.report(nil) // who waits for the end of an empty log has it
	return nil
}

// beyondChecks is how often the log must say that it ends before what was read
// of it: a leader that was just chosen may say less for a moment.
const beyondChecks, beyondWait = 5, 500 * time.Millisecond

// outside is reached where the log does not have what comes next: others have
// deleted what a checkpoint says, and it begins later; or it ends before.
func (s *Store) outside(ctx context.Context, from int64) error {
	for n := 1; ; n++ {
		first, end, err := s.log.Bounds(ctx)
		switch {
		case err != nil:
			return err
		case first > from:
			return s.restartAfter(ctx, first)
		case end >= from:
			return nil
		case n == beyondChecks:
			return &stop{offset: from, why: fmt.Sprintf("the log ends at offset %d, and was read to %d before: it was deleted and made anew, or lost entries", end, from)}
		}
		if backoff.Sleep(ctx, beyondWait) != nil {
			return ctx.Err()
		}
	}
}

// restartAfter comes to a state anew, beside the present one, which is what
// readers see until then.
func (s *Store) restartAfter(ctx context.Context, first int64) error {
	b := newBeginning(first)
	for {
		_, end, err := s.log.Bounds(ctx)
		if err != nil {
			return err
		}
		if b.next >= end {
			return &stop{offset: first, why: noCheckpoint(first)}
		}
		records, err := s.log.Read(ctx, b.next)
		if err != nil { // deleted once more, perhaps: from the beginning again
			return err
		}
		for i, r := range records {
			next, outcomes, err := b.take(r)
			if err != nil {
				return err
			}
			if next == nil {
				continue
			}
			s.mu.Lock()
			if s.state != nil && s.state.store != next.store {
				defer s.mu.Unlock()
				return &stop{offset: first, why: fmt.Sprintf("the log is of store %s now, and was of %s: it was made anew", next.store, s.state.store)}
			}
			s.state, s.begin, s.snapshot = next, nil, nil
			s.report(outcomes)
			s.mu.Unlock()
			return s.apply(records[i+1:])
		}
	}
}

func noCheckpoint(first int64) string {
	return fmt.Sprintf("the log begins at offset %d, and no checkpoint says what was before: entries were deleted by something else than the control plane", first)
}

// apply folds records.
func (s *Store) apply(records []Record) error {
	if len(records) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range records {
		var outcomes []outcome
		var err error
		if s.state == nil {
			var next *state
			if next, outcomes, err = s.begin.take(r); next != nil {
				s.state, s.begin = next, nil
			}
		} else {
			var o outcome
			if o, err = s.state.apply(r); err == nil {
				outcomes = []outcome{o}
			}
		}
		s.report(outcomes)
		if err != nil {
			return err
		}
		if s.state != nil && s.opts.StoreID != "" && s.state.store != "" && s.state.store != s.opts.StoreID {
			return &stop{offset: r.Offset, why: fmt.Sprintf("the log is of store %s, and is known to be of %s: it was made anew", s.state.store, s.opts.StoreID)}
		}
	}
	return nil
}

// report counts outcomes, answers who waits for them, and wakes who watches. It
// is called with mu held.
func (s *Store) report(outcomes []outcome) {
	for _, o := range outcomes {
		s.counts[o.verdict]++
		if o.err != nil {
			s.odd(Oddity{o.offset, o.verdict, o.err.Error()})
		}
		if o.verdict == Applied || o.verdict == Marked { // or the store has its id now
			s.snapshot = nil
		}
		if o.entry == nil {
			continue
		}
		p := s.pending[o.entry.ID]
		s.noteCheckpoint(o, p != nil)
		if p != nil {
			s.resolve(p, o)
		}
	}
	close(s.moved)
	s.moved = make(chan struct{})
}

func (s *Store) odd(o Oddity) {
	s.logger.Warn("a record of the journal was passed over", "offset", o.Offset, "verdict", string(o.Verdict), "error", o.Why)
	if s.oddities = append(s.oddities, o); len(s.oddities) > maxOddities {
		s.oddities = s.oddities[1:]
	}
}

// stillOurs tells whether the log begins with an entry of the store: then what is
// of another one was written by a process that is wrong about the log.
func (s *Store) stillOurs(ctx context.Context) bool {
	first, end, err := s.log.Bounds(ctx)
	for at := first; err == nil && at < end; {
		var records []Record
		records, err = s.log.Read(ctx, at)
		for _, r := range records {
			if e, bad := r.parse(); bad == nil && e.V == format {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.state != nil && e.Store == s.state.store
			}
			at = r.Offset + 1
		}
	}
	return false
}

// passOver counts an entry of another store as foreign.
func (s *Store) passOver(halt *stop) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.next = halt.offset + 1
	s.report([]outcome{{offset: halt.offset, verdict: Foreign, err: errors.New(halt.why)}})
}

// halt ends reading and writing for good.
func (s *Store) halt(why *stop) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = why
	s.abandon(why)
	s.logger.Error("the control plane is read-only", "reason", why.Error())
	s.report(nil)
}
