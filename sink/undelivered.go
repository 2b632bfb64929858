package sink

import (
	"time"

	"kinesis-destination/sink/deadletter"
)

// What was in flight and was not stored goes back to the head of its key, or to the
// dead-letter topic. The methods below are called with the lane's lock held.

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
	if l.sink.opts.DeadLetter.OnExhausted == deadletter.OnExhaustedDeadLetter {
		l.rejectInFlight(c, now, ReasonRetriesExhausted, "the record could not be delivered within retry.maxElapsedTime")
		return true
	}
	if !c.exhausted {
		c.exhausted = true
		l.sink.addExhausted(+1)
	}
	return false
}

// rejectInFlight sends what was in flight of a chain to the dead-letter topic.
func (l *lane) rejectInFlight(c *chain, now time.Time, reason, message string) {
	if reason == ReasonRejected {
		c.attempts++ // lose counts the others
	}
	for i := range c.entries[:c.inFlight] {
		c.entries[i].failure = &deadletter.Failure{Stage: StageSink, Reason: reason, Message: message, Attempts: c.attempts}
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

// giveBack gives back what gone names of all that is unsent.
func (l *lane) giveBack(gone func(*Record) bool) {
	l.mu.Lock()
	l.absorb()
	l.withdrawIf(gone)
	settled := l.takeSettled()
	l.mu.Unlock()
	l.notify(settled)
}

func (l *lane) withdrawIf(gone func(*Record) bool) {
	for _, e := range l.queue.Withdraw(gone, l.clearExhausted) {
		l.settled = append(l.settled, settlement{rec: e.rec})
	}
}

// pause keeps a whole call back. Its records stay together, or the next call
// would carry only those whose time has come. That the service did not answer
// is not their fault, so it does not count against their backoff.
func (l *lane) pause(batch []inFlight, v verdict, now time.Time) {
	if l.backoff == nil {
		r := l.sink.cfg.Retry
		r.MaxElapsedTime = 0
		l.backoff = newRetryBackoff(r, now, l.random)
	}
	delay, _ := l.backoff.Next(now)
	l.notBefore = now.Add(delay)
	for _, f := range batch {
		f.attempts++
		f.retry = nil
		l.clearExhausted(f.chain)
		l.keep(f.chain, now, v.reason)
	}
}

// halve finds the culprit of a refused request of n records, some of which are other
// lanes': they go again in requests of half the size, and one that is refused alone
// is dead-lettered.
func (l *lane) halve(batch []inFlight, n int, now time.Time, err error) {
	for _, f := range batch {
		if n == 1 {
			l.refuse(f, entries(batch) > 1, now, err.Error())
			continue
		}
		f.limit(n / 2)
		l.keep(f.chain, now, retryHalved)
	}
}

// limit lets the records of a flight go only in requests of so many.
func (f inFlight) limit(share int) {
	flying := f.flying()
	for i := range flying {
		flying[i].share = share
	}
}

// flying are the entries of a flight where the chain has them now: what came since it
// left may have moved them, and head is as they were.
func (f inFlight) flying() []entry { return f.entries[:f.inFlight] }
