package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kinesis-destination/schemas/backoff"
)

// proposal is a change under way.
type proposal struct {
	entry  entry
	record []byte
	// tried: it was given to the log, and may stand there.
	tried bool
	// gone: nobody waits for it any more, so it is not written again.
	gone bool
	done chan answer
}

type answer struct {
	outcome outcome
	err     error
}

func (s *Store) propose(ctx context.Context, e entry) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	p := &proposal{entry: e, done: make(chan answer, 1)}
	s.mu.Lock()
	err := s.readOnly()
	switch {
	case err != nil:
		err = fmt.Errorf("%w: %w", ErrReadOnly, err)
	case s.full(&e) != nil:
		err = s.full(&e)
	case len(s.queue) >= maxQueue:
		err = fmt.Errorf("%w: %d changes are waiting already", ErrNotWritten, len(s.queue))
	}
	if err != nil {
		s.mu.Unlock()
		return outcome{}, err
	}
	s.enqueue(p)
	s.mu.Unlock()
	select {
	case a := <-p.done:
		return a.outcome, a.err
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.gone = true
	delete(s.pending, p.entry.ID)
	select {
	case a := <-p.done: // at the last moment
		return a.outcome, a.err
	default:
	}
	if !p.tried {
		return outcome{}, s.because(ErrNotWritten)
	}
	return outcome{}, s.because(ErrMayStillHappen)
}

// because adds what stands in the way of writing or reading. It is called with mu held.
func (s *Store) because(err error) error {
	switch {
	case s.unwritten != nil:
		return fmt.Errorf("%w: %w", err, s.unwritten)
	case s.trouble != nil:
		return fmt.Errorf("%w: %w", err, s.trouble)
	}
	return err
}

// enqueue is called with mu held.
func (s *Store) enqueue(p *proposal) {
	s.queue = append(s.queue, p)
	select {
	case s.queued <- struct{}{}:
	default:
	}
}

// resolve answers a proposal whose entry was read. It is called with mu held.
func (s *Store) resolve(p *proposal, o outcome) {
	if o.verdict == Repeated {
		return // the first one has answered
	}
	delete(s.pending, p.entry.ID)
	if o.verdict == Stale { // it did not happen, and never will: as another entry it may
		p.tried = false
		if !p.gone {
			s.enqueue(p)
		}
		return
	}
	p.done <- answer{outcome: o}
}

const (
	// maxQueue bounds the changes that wait to be written: what API servers let in at
	// the same time stays far below it. Of the API's 1 MiB a body it would be 2 GB.
	maxQueue = 2_000

	maxBatch      = 500
	maxBatchBytes = MaxEntry
)

// write gives proposals to the log, several at a time, one attempt after the other.
func (s *Store) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.queued:
		}
		for batch := s.batch(); len(batch) > 0; batch = s.batch() {
			s.append(ctx, batch)
		}
	}
}

// batch takes proposals from the queue, and makes entries of them.
func (s *Store) batch() []*proposal {
	s.mu.Lock()
	defer s.mu.Unlock()
	var batch []*proposal
	size := 0
	for len(s.queue) > 0 && len(batch) < maxBatch {
		p := s.queue[0]
		if p.gone {
			s.queue = s.queue[1:]
			continue
		}
		if err := s.prepareEntry(p); err != nil {
			s.queue = s.queue[1:]
			p.done <- answer{err: err}
			continue
		}
		if size += len(p.record); size > maxBatchBytes && len(batch) > 0 {
			break
		}
		s.queue = s.queue[1:]
		s.pending[p.entry.ID] = p
		batch = append(batch, p)
	}
	return batch
}

// prepareEntry makes the entry of a proposal by what has been read so far.
func (s *Store) prepareEntry(p *proposal) error {
	if err := s.readOnly(); err != nil {
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	if s.state == nil || s.state.last() == nil {
		return fmt.Errorf("%w: the log has not been read yet", ErrNotWritten)
	}
	last := *s.state.last()
	p.entry.ID, p.entry.Store, p.entry.Prev = newID(), s.state.store, &last
	p.entry.At = time.Now().UTC().Truncate(time.Millisecond)
	var err error
	p.record, err = p.entry.encode()
	return err
}

// append writes a batch. Where it is not known whether it was written, the same
// entries are written again: the first ones count.
func (s *Store) append(ctx context.Context, batch []*proposal) {
	unknown := false // what became of an attempt
	for wait := retryWait; ; wait = min(2*wait, maxRetryWait) {
		keys, records := s.unanswered(batch)
		if len(keys) == 0 {
			return
		}
		bounded, cancel := context.WithTimeout(ctx, appendWait)
		err := s.log.Append(bounded, keys, records)
		cancel()
		switch {
		case err == nil:
			s.mu.Lock()
			s.unwritten = nil
			s.mu.Unlock()
			return
		case unknown: // what comes after it does not tell
		case errors.Is(err, errRefused):
			s.refuse(batch, err)
			return
		case errors.Is(err, errNotYet):
			s.untried(batch)
		default:
			unknown = true
		}
		s.mu.Lock()
		first := s.unwritten == nil
		s.unwritten = err
		s.mu.Unlock()
		if first {
			s.logger.Warn("changes cannot be written for now", "changes", len(keys), "error", err)
		}
		if backoff.Sleep(ctx, wait) != nil {
			return
		}
	}
}

// unanswered are the entries of a batch that are still to be written.
func (s *Store) unanswered(batch []*proposal) (keys []string, records [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range batch {
		if s.pending[p.entry.ID] == p && !p.gone && s.stopped == nil {
			p.tried = true
			keys, records = append(keys, p.entry.ID), append(records, p.record)
		}
	}
	return keys, records
}

// untried is called where it is known that no attempt has written anything.
func (s *Store) untried(batch []*proposal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range batch {
		p.tried = false
	}
}

// abandon answers all proposals, for a reason that lasts. It is called with mu held.
func (s *Store) abandon(why error) {
	for _, p := range s.pending {
		p.gone = true
		err := ErrNotWritten
		if p.tried {
			err = ErrMayStillHappen
		}
		p.done <- answer{err: fmt.Errorf("%w: %w", err, why)}
	}
	clear(s.pending)
	for _, p := range s.queue {
		p.gone = true
		p.done <- answer{err: fmt.Errorf("%w: %w", ErrNotWritten, why)}
	}
	s.queue = nil
}

// refuse answers proposals that the log did not take, and will not.
func (s *Store) refuse(batch []*proposal, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range batch {
		if s.pending[p.entry.ID] == p {
			delete(s.pending, p.entry.ID)
			p.done <- answer{err: fmt.Errorf("%w: %w", ErrNotWritten, err)}
		}
	}
}
