package sink

import (
	"errors"
	"time"
)

var (
	errMisanswered = errors.New("the answer does not have one result a record")
	errEntryHeld   = errors.New("PutRecords: the stream refused records for a cause that is not theirs")
)

// The methods below are called with the lane's lock held.

// settle notes what became of what is in flight of a chain.
func (l *lane) settle(c *chain, outcome Outcome, reason string) {
	l.clearExhausted(c)
	for _, e := range c.entries[:c.inFlight] {
		l.settled = append(l.settled, settlement{e.rec, outcome, reason})
	}
}

// clearExhausted ends the hold of a record that had outlived its retry.
func (l *lane) clearExhausted(c *chain) {
	if c.exhausted {
		c.exhausted = false
		l.sink.addExhausted(-1)
	}
}

// attemptFailed counts a failed attempt of a chain's head.
func (l *lane) attemptFailed(c *chain, now time.Time) (delay time.Duration, exhausted bool) {
	c.attempts++
	if c.retry == nil {
		c.retry = newRetryBackoff(l.sink.cfg.Retry, now, l.random)
	}
	return c.retry.Next(now)
}

// retry sends the head of a chain again after its own backoff.
func (l *lane) retry(c *chain, v verdict, now time.Time) {
	delay, exhausted := l.attemptFailed(c, now)
	if exhausted && l.exhaust(c, now) {
		return
	}
	l.sink.again(v.reason)
	l.putBack(c, now, now.Add(delay))
}

// keep sends the head of a chain again as soon as a call is possible. Time
// under a hold does not count against a record's backoff.
func (l *lane) keep(c *chain, now time.Time, reason string) {
	if reason == retryHeld {
		l.clearExhausted(c)
		c.retry = nil
	}
	l.sink.again(reason)
	l.putBack(c, now, now)
}

// putBack makes what was in flight of a chain unsent again. If its claim ended
// meanwhile, Withdraw did not see it.
func (l *lane) putBack(c *chain, now, due time.Time) {
	for _, e := range c.entries[:c.inFlight] {
		l.stale = l.stale || e.rec.revoked()
	}
	l.queue.Again(c, now, due)
}

// exhaust applies onExhausted. It reports whether the record is dead-lettered;
// if not, it is held, and tried on at the largest interval.
func (l *lane) exhaust(c *chain, now time.Time) bool {
	if l.sink.opts.DeadLetter.OnExhausted == OnExhaustedDeadLetter {
		l.doom(c, now, ReasonRetriesExhausted, "the record could not be delivered within retry.maxElapsedTime")
		return true
	}
	if !c.exhausted {
		c.exhausted = true
		l.sink.addExhausted(+1)
	}
	return false
}

// doom sends what was in flight of a chain to the dead-letter topic.
func (l *lane) doom(c *chain, now time.Time, reason, message string) {
	if reason == ReasonRejected {
		c.attempts++ // lose counts the others
	}
	for i := range c.entries[:c.inFlight] {
		c.entries[i].failure = &Failure{Stage: StageSink, Reason: reason, Message: message, Attempts: c.attempts}
	}
	l.putBack(c, now, now)
}

// withdrawStale gives back what was put back after its claim had ended.
func (l *lane) withdrawStale() {
	if l.stale {
		l.stale = false
		l.withdrawIf((*Record).revoked)
	}
}

func (l *lane) withdrawIf(gone func(*Record) bool) {
	for _, e := range l.queue.Withdraw(gone, l.clearExhausted) {
		l.settled = append(l.settled, settlement{rec: e.rec})
	}
}

// takeSettled returns the news that are to be told, and makes their room free.
func (l *lane) takeSettled() []settlement {
	settled := l.settled
	l.settled = nil
	return settled
}

// notify informs the owners. The lock is not held.
func (l *lane) notify(settled []settlement) {
	bytes := 0
	for _, n := range settled {
		bytes += n.rec.held()
	}
	l.room.release(len(settled), bytes)
	l.sink.metrics.inFlight.Sub(float64(len(settled)))
	for _, n := range settled {
		n.notify()
	}
}

func (n settlement) notify() {
	if n.outcome == 0 {
		n.rec.Owner.Withdrawn()
		return
	}
	if n.outcome == AtRest {
		n.reason = ReasonLetterOfALetter
	}
	n.rec.Owner.Done(n.outcome, n.reason)
}
