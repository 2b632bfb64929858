package sink

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// lease is how much of it is left.
func (s *Sink) lease(now time.Time) time.Duration {
	if s.opts.Lease == nil {
		return math.MaxInt64
	}
	return s.opts.Lease().Sub(now)
}

// deliver makes one call and settles what it brought.
func (l *lane) deliver(batch []inFlight) {
	s := l.sink
	taken, err := s.memory.begin(s.ctx, callCost(batch))
	if err != nil { // Close did not wait any longer
		l.failed(batch, time.Now(), err)
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
	l.inFlight.Store(int64(entries(batch)))
	out, err := s.client.putRecords(ctx, l.body)
	l.inFlight.Store(0)
	if cap(l.body) > s.memory.keptBody() {
		l.body = nil
	}
	now := time.Now()
	if err == nil && len(out.Records) != recordGroups(batch) {
		err = errMisanswered
	}
	if err != nil {
		l.failed(batch, now, err)
		return
	}
	l.answered(batch, now, out.Records)
}

// serialise writes the body of a call into the lane's buffer.
func (l *lane) serialise(batch []inFlight) {
	target := *l.sink.stream.target.Load()
	need := len(bodyHead) + len(bodyARN) + len(target) + 4
	for _, f := range batch {
		for _, e := range f.head {
			need += e.rec.size()*4/3 + bodyPerItem + 8
		}
	}
	b := slices.Grow(l.body[:0], need)
	b = append(b, bodyHead...)
	for rest, first := batch, true; len(rest) > 0; first = false {
		n := recordGroup(rest)
		data := rest[0].head[0].rec.Data
		if entries(rest[:n]) > 1 {
			l.packed = appendAggregate(l.packed[:0], rest[:n])
			data = l.packed
		}
		b = appendItem(b, first, data, rest[0].key)
		rest = rest[n:]
	}
	l.body = appendTail(b, target)
}

// answered settles each record by its own result.
func (l *lane) answered(batch []inFlight, now time.Time, results []types.PutRecordsResultEntry) {
	s := l.sink
	l.backoff, l.notBefore = nil, time.Time{}
	var held verdict
	failed, why := 0, ""
	l.mu.Lock()
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
	l.withdrawStale()
	settled := l.takeSettled()
	l.mu.Unlock()
	l.notify(settled)
	result := putOK
	if failed > 0 {
		result = putPartial
	}
	s.metrics.putRecords.WithLabelValues(result).Inc()
	l.endSpan(result, why, failed)
	if held.action == hold {
		s.held(now, l.probe, held.reason, s.client.addressed(errEntryHeld))
		return
	}
	s.accepted.Store(s.accepted.Load() || failed < recordGroups(batch))
	s.opened()
}

// result settles one record of the stream; it returns nothing for a stored one.
func (l *lane) result(flights []inFlight, now time.Time, r types.PutRecordsResultEntry) verdict {
	code := aws.ToString(r.ErrorCode)
	if code == "" {
		l.stored(flights, now, aws.ToString(r.ShardId))
		return verdict{}
	}
	v := entryVerdict(code)
	l.sink.errorStats.failed(v.reason, now)
	if v.reason == retryThrottled {
		l.throttled(flights[0].chain, now)
	}
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
func (l *lane) stored(flights []inFlight, now time.Time, shard string) {
	misrouted := !l.placed(flights[0].chain, shard) && len(flights) > 1
	for _, f := range flights {
		if misrouted {
			for i := range f.head {
				f.head[i].alone = true
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
func (l *lane) failed(batch []inFlight, now time.Time, err error) {
	s := l.sink
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
	l.endSpan(result, v.reason, recordGroups(batch))
	if v.action == refuse {
		if len(batch) == 1 && !s.accepted.Load() {
			v = verdict{hold, HoldConfiguration, true} // it is not this record: none was ever taken
		} else {
			s.stream.lookAgain()
		}
	}
	l.mu.Lock()
	switch v.action {
	case refuse:
		l.halve(batch, now, shown)
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
		s.opened()
	}
}

// halve finds the culprit of a refused request: its records go again in
// requests of half the size, and one that is refused alone is dead-lettered.
func (l *lane) halve(batch []inFlight, now time.Time, err error) {
	n := recordGroups(batch)
	for _, f := range batch {
		if n == 1 {
			l.refuse(f, entries(batch) > 1, now, err.Error())
			continue
		}
		f.limit(n / 2)
		l.keep(f.chain, now, retryHalved)
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
	l.doom(f.chain, now, ReasonRejected, "the stream refused the record: "+why)
}

// limit lets the records of a flight go only in requests of so many.
func (f inFlight) limit(share int) {
	for i := range f.head {
		f.head[i].share = share
	}
}

// entries counts the records of a request.
func entries(batch []inFlight) (n int) {
	for _, f := range batch {
		n += len(f.head)
	}
	return n
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
