package journal

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ends asks for the log's end, once for all who ask at the same time.
type ends struct {
	log   appendLog
	asked chan struct{} // holds one when somebody waits

	mu      sync.Mutex
	waiting []chan<- endAnswer
}

type endAnswer struct {
	first, end int64
	err        error
}

// get asks for the end as it is at some time after the call.
func (e *ends) get(ctx context.Context) (first, end int64, err error) {
	answer := make(chan endAnswer, 1)
	e.mu.Lock()
	e.waiting = append(e.waiting, answer)
	e.mu.Unlock()
	select {
	case e.asked <- struct{}{}:
	default:
	}
	select {
	case a := <-answer:
		return a.first, a.end, a.err
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
}

// answer serves get: who asks while a call is under way is answered by the next
// one, as its own write may have come between.
func (e *ends) answer(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.asked:
		}
		e.mu.Lock()
		waiting := e.waiting
		e.waiting = nil
		e.mu.Unlock()
		var a endAnswer
		bounded, cancel := context.WithTimeout(ctx, appendWait)
		a.first, a.end, a.err = e.log.Bounds(bounded)
		cancel()
		for _, w := range waiting {
			w <- a
		}
	}
}

// fresh waits until the state is that of the log's end as it is now.
func (s *Store) fresh(ctx context.Context) error {
	was := s.position()
	first, end, err := s.ends.get(ctx)
	switch {
	case err != nil:
		return err
	case end < was:
		return errors.New("the log ends before what was read of it")
	}
	for {
		s.mu.Lock()
		next, stopped, moved := int64(-1), s.stopped, s.moved
		if s.state != nil {
			next = s.state.next
		} else if s.begin != nil && s.begin.next >= end && s.begin.first == first {
			s.mu.Unlock()
			why := &stop{offset: first, why: noCheckpoint(first)}
			s.halt(why)
			return why
		}
		if stopped == nil && next >= end {
			s.caughtUp = time.Now()
		}
		s.mu.Unlock()
		switch {
		case stopped != nil:
			return stopped
		case next >= end:
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// position is the offset that is read next; -1: not known yet.
func (s *Store) position() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == nil {
		return -1
	}
	return s.state.next
}
