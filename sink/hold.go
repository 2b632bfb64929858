package sink

import (
	"errors"
	"time"
)

var errExhausted = errors.New("records have been tried for longer than retry.maxElapsedTime; they are tried on")

// opened notes a call that the service answered: it works.
func (s *Sink) opened(as probe) {
	if s.gate.Answered(as) {
		s.stream.refresh() // what was repaired may also have been changed
		s.wakeAll()
	}
}

// held notes a call that was refused for a stream-wide cause.
func (s *Sink) held(now time.Time, as probe, reason string, err error) {
	s.gate.Held(now, as, reason, err)
	s.wakeAll()
}

// unanswered notes a call without an answer.
func (s *Sink) unanswered(now time.Time, as probe, err error) {
	if s.gate.Failed(now, as, err) {
		s.wakeAll()
	}
}

// idle ends a hold of the stream once nothing is queued any more, as all was withdrawn: no
// call would find its end. What is in flight is queued until after its answer was noted.
func (s *Sink) idle() {
	if records, _ := s.queued(); records == 0 {
		s.gate.Forget()
	}
}

// addExhausted counts the records that are held because they outlived their retry.
func (s *Sink) addExhausted(n int) {
	s.exhaustedMu.Lock()
	defer s.exhaustedMu.Unlock()
	before := s.exhausted
	s.exhausted += n
	switch {
	case before == 0 && s.exhausted > 0:
		s.holds.Set(fromExhausted, HoldExhausted, errExhausted)
	case before > 0 && s.exhausted == 0:
		s.holds.Set(fromExhausted, "", nil)
	}
}
