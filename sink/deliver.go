package sink

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"
)

var (
	errMisanswered = errors.New("the answer does not have one result a record")
	errEntryHeld   = errors.New("PutRecords: the stream refused records for a cause that is not theirs")
)

// lease is how much of it is left.
func (s *Sink) lease(now time.Time) time.Duration {
	if s.opts.Lease == nil {
		return math.MaxInt64
	}
	return s.opts.Lease().Sub(now)
}

// deliver sends a batch in a call of its own or in a shared one, and settles what it
// brought.
func (l *lane) deliver(batch []inFlight) {
	l.request.batch = batch
	if l.few(batch) {
		l.share(&l.request)
		return
	}
	l.sink.shared.left(l)
	l.alone[0] = &l.request
	l.send(l.alone[:])
}

// send makes one call for this lane and for others, which wait for it.
func (l *lane) send(group []*request) {
	s := l.sink
	batch := l.gather(group)
	taken, err := s.memory.begin(s.ctx, s.client.wire.callCost(batch))
	if err != nil { // Close did not wait any longer
		l.failed(group, batch, err)
		return
	}
	defer s.memory.end(taken)
	l.serialise(batch)
	timeout := requestTimeout
	if left := s.lease(time.Now()); left-leaseMargin < timeout {
		timeout = left - leaseMargin
	}
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	defer cancel()
	ctx = l.startSpan(ctx, batch)
	for _, r := range group {
		r.lane.inFlight.Store(int64(entries(r.batch)))
	}
	results, err := s.client.putRecords(ctx, &l.call)
	for _, r := range group {
		r.lane.inFlight.Store(0)
	}
	if err == nil && len(results) != recordGroups(batch) {
		err = errMisanswered
	}
	if err != nil {
		l.failed(group, batch, err)
	} else {
		l.answered(group, results)
	}
	l.call.trim(s.memory.kept())
}

// serialise writes the body of a call into the lane's buffer.
func (l *lane) serialise(batch []inFlight) {
	target, w := *l.sink.stream.target.Load(), l.sink.client.wire
	need := 2*len(headCBOR) + 2*len("StreamARN") + 2*len(target)
	for _, f := range batch {
		for _, e := range f.head {
			need += e.rec.sent(w)
		}
	}
	b := w.begin(slices.Grow(l.call.body[:0], need))
	for rest := batch; len(rest) > 0; {
		if len(rest) < len(batch) {
			b = append(b, w.separator...)
		}
		n := recordGroup(rest)
		first := rest[0].head[0].rec
		switch {
		case !first.raw:
			b = append(b, first.written...)
		case entries(rest[:n]) > 1:
			l.call.packed = appendAggregate(l.call.packed[:0], rest[:n])
			b = w.record(b, l.call.packed, first.PartitionKey)
		default:
			b = w.record(b, first.written, first.PartitionKey)
		}
		rest = rest[n:]
	}
	l.call.body = w.end(b, target)
}

// gather is all that goes in a call.
func (l *lane) gather(group []*request) []inFlight {
	if len(group) == 1 {
		return group[0].batch
	}
	l.gathered = l.gathered[:0]
	for _, r := range group {
		l.gathered = append(l.gathered, r.batch...)
	}
	return l.gathered
}

// answered settles each record by its own result.
func (l *lane) answered(group []*request, results []result) {
	now := time.Now()
	result, why, failed := putOK, "", 0
	for _, r := range group {
		n := recordGroups(r.batch)
		if refused, reason := r.lane.settleResults(r.batch, now, results[:n]); refused > 0 {
			result, why = putPartial, reason
			failed += refused
		}
		results = results[n:]
	}
	l.sink.settled(group)
	l.sink.metrics.putRecords.WithLabelValues(result).Inc()
	l.endSpan(result, why, failed)
}

// settleResults settles the lane's own records of a call, whose owners are not told yet. It
// returns how many the stream refused, and the reason word of the last.
func (l *lane) settleResults(batch []inFlight, now time.Time, results []result) (failed int, why string) {
	s := l.sink
	l.backoff, l.notBefore = nil, time.Time{}
	var held verdict
	l.mu.Lock()
	if l.settled == nil {
		l.settled = l.told
	}
	l.told = nil
	for rest := batch; len(rest) > 0; results = results[1:] {
		n := recordGroup(rest)
		if v := l.result(rest[:n], now, results[0]); v != (verdict{}) {
			failed++
			why = v.reason
			if v.action == hold {
				held = v
			}
		}
		rest = rest[n:]
	}
	l.reportShard(now)
	l.withdrawStale()
	settled := l.takeSettled()
	l.mu.Unlock()
	l.told = settled
	if held.action == hold {
		s.held(now, l.probe, held.reason, s.client.addressed(errEntryHeld))
		return failed, why
	}
	s.accepted.Store(s.accepted.Load() || failed < recordGroups(batch))
	s.opened(l.probe)
	return failed, why
}

// result settles one record of the stream; it returns nothing for a stored one.
func (l *lane) result(flights []inFlight, now time.Time, r result) verdict {
	if len(r.code) == 0 {
		l.shardAnswered(flights[0].group.shard, now, false)
		l.stored(flights, now, r.shard)
		return verdict{}
	}
	code := string(r.code)
	v := entryVerdict(code)
	l.sink.errorStats.failed(v.reason, now)
	l.shardAnswered(flights[0].group.shard, now, v.reason == retryThrottled)
	for _, f := range flights {
		switch v.action {
		case again:
			l.retry(f.chain, v, now)
		case hold:
			l.keep(f.chain, now, retryHeld)
		case refuse:
			l.refuse(f, entries(flights) > 1, now, code)
		}
	}
	return v
}

// stored settles what the stream took. An aggregate of several keys that went
// elsewhere than predicted may not reach its readers whole: all of it goes
// again, each key by itself, before anything newer of its keys.
func (l *lane) stored(flights []inFlight, now time.Time, shard []byte) {
	misrouted := !l.placed(flights[0].chain, shard) && len(flights) > 1
	for _, f := range flights {
		if misrouted {
			flying := f.flying()
			for i := range flying {
				flying[i].alone = true
			}
			l.keep(f.chain, now, retryResharded)
			continue
		}
		l.settle(f.chain, Delivered, "")
		l.queue.Settle(f.chain)
	}
}

// failed keeps every entry of a call that was refused or got no answer. What
// may have been stored is sent again before anything newer of its key.
func (l *lane) failed(group []*request, batch []inFlight, err error) {
	s, now, records := l.sink, time.Now(), recordGroups(batch)
	v, shown := s.client.classify("PutRecords", err)
	if s.ctx.Err() != nil {
		v = verdict{again, retryTimeout, false} // Close did not wait any longer
	}
	s.errorStats.failed(v.reason, now)
	result := putRefused
	if !v.reached {
		result = putNoAnswer
	}
	s.metrics.putRecords.WithLabelValues(result).Inc()
	l.endSpan(result, v.reason, records)
	if v.action == refuse {
		if len(batch) == 1 && !s.accepted.Load() {
			v = verdict{hold, HoldConfiguration, true} // it is not this record: none was ever taken
		} else {
			s.stream.refresh()
		}
	}
	for _, r := range group {
		r.lane.keepCall(r.batch, records, now, v, shown)
	}
}

// keepCall keeps the lane's own records of a call of so many that failed.
func (l *lane) keepCall(batch []inFlight, records int, now time.Time, v verdict, shown error) {
	s := l.sink
	l.mu.Lock()
	switch v.action {
	case refuse:
		l.halve(batch, records, now, shown)
	case hold:
		for _, f := range batch {
			l.keep(f.chain, now, retryHeld)
		}
	case again:
		l.pause(batch, v, now)
	}
	l.withdrawStale()
	settled := l.takeSettled()
	l.mu.Unlock()
	l.notify(settled)
	switch {
	case v.action == hold:
		s.held(now, l.probe, v.reason, shown)
	case !v.reached:
		s.unanswered(now, l.probe, shown)
	default:
		s.opened(l.probe)
	}
}

// refuse dead-letters what the stream will not take. Of an aggregate each
// record is asked for by itself first.
func (l *lane) refuse(f inFlight, aggregated bool, now time.Time, why string) {
	if aggregated {
		f.limit(1)
		l.keep(f.chain, now, retryHalved)
		return
	}
	l.rejectInFlight(f.chain, now, ReasonRejected, "the stream refused the record: "+why)
}

// entries counts the records of a request.
func entries(batch []inFlight) (n int) {
	for _, f := range batch {
		n += len(f.head)
	}
	return n
}

// settle notes what became of what is in flight of a chain.
func (l *lane) settle(c *chain, outcome Outcome, reason string) {
	l.clearExhausted(c)
	for _, e := range c.entries[:c.inFlight] {
		l.settled = append(l.settled, settlement{e.rec, outcome, reason})
	}
}

// takeSettled returns the news that are to be told, and makes their room free.
func (l *lane) takeSettled() []settlement {
	settled := l.settled
	l.settled = nil
	return settled
}

// settled informs the owners of what settleResults has settled. Their room is given back at
// once: that of each lane by itself would have all who wait looked at sixteen times a call.
func (s *Sink) settled(group []*request) {
	lists := make([][]settlement, 0, DefaultLanes)
	for _, r := range group {
		r.lane.inbox.left(r.lane.told)
		lists = append(lists, r.lane.told)
	}
	s.notify(lists...)
	for _, r := range group {
		clear(r.lane.told)
		r.lane.told = r.lane.told[:0]
	}
}

// notify informs the owners of the lane's records. The lock is not held.
func (l *lane) notify(settled []settlement) {
	if len(settled) == 0 {
		return
	}
	l.inbox.left(settled)
	l.sink.notify(settled)
}

// notify informs the owners, of several lists at once. Their room is free before that.
func (s *Sink) notify(lists ...[]settlement) {
	s.rooms.release(lists...)
	for _, settled := range lists {
		for _, n := range settled {
			n.notify()
		}
	}
	s.idle()
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
