package sink

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"kinesis-destination/schemas/backoff"
)

// lane delivers the keys of its range of the hash space: one goroutine, one
// request in flight.
type lane struct {
	sink   *Sink
	signal chan struct{} // of capacity 1: something may have become possible
	done   chan struct{} // closed when the goroutine has ended
	inbox  inbox

	mu      sync.Mutex
	queue   queue        // guarded by mu
	closing bool         // guarded by mu
	shards  *shardMap    // guarded by mu: what the queue is grouped by
	stale   bool         // guarded by mu: something was put back after its claim had ended
	settled []settlement // guarded by mu: news not yet told
	taken   []entry      // guarded by mu: room for the inbox's next entries

	inFlight atomic.Int64

	// Owned by the goroutine, and while it waits in share, by that of the lane which
	// carries its request.
	backoff   *backoff.Backoff // of calls; nil after one that was answered
	notBefore time.Time
	probe     probe     // what the gate let the last call in as
	sent      time.Time // when the last call was put together
	shard     shardAnswers
	call      exchange
	told      []settlement // room for the news of the next call
	span      trace.Span   // of the call that is made; nil: it is not traced
	random    *rand.Rand
	request   request     // what it sends
	alone     [1]*request // a call's requests where it shares none
	gathered  []inFlight  // room for what goes in a shared call
	returning bool        // it made a shared call, and has not come again yet
	found     []inFlight  // its next request, found when a shared call had ended
}

func newLane(s *Sink, random *rand.Rand) *lane {
	l := &lane{
		sink:   s,
		random: random,
		signal: make(chan struct{}, 1),
		done:   make(chan struct{}),
		queue:  newQueue(func(*Record) int { return 0 }),
	}
	l.request = request{lane: l, turn: make(chan []*request, 1)}
	return l
}

// settlement is news for an owner, told outside the lock.
type settlement struct {
	rec     *Record
	outcome Outcome // none: withdrawn
	reason  string
}

// inbox is what came and is not in the queue yet. The queue is touched by few: a lane
// takes all that has come at once, where each record of each worker would have the
// queue's memory move from core to core.
type inbox struct {
	mu             sync.Mutex
	entries        []entry // guarded by mu
	closed         bool    // guarded by mu: nothing comes any more. The lane's closing ends its goroutine
	records, bytes int     // guarded by mu: what came and is not at rest
}

func (in *inbox) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
}

// push hands an entry over. Its room is taken already.
func (l *lane) push(e entry) error {
	in := &l.inbox
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.closed:
		return ErrClosed
	case e.rec.revoked():
		// Checked under the lock: a later Withdraw would find it otherwise.
		return ErrRevoked
	}
	in.entries = append(in.entries, e)
	in.records++
	in.bytes += e.rec.cost
	return nil
}

// left notes what is at rest, or was given back.
func (in *inbox) left(settled []settlement) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.records -= len(settled)
	for _, n := range settled {
		in.bytes -= n.rec.cost
	}
}

// used is what the lane has that is not at rest.
func (in *inbox) used() (records, bytes int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.records, in.bytes
}

// absorb queues what has come. The lane's lock is held.
func (l *lane) absorb() {
	l.inbox.mu.Lock()
	came := l.inbox.entries
	l.inbox.entries = l.taken
	l.inbox.mu.Unlock()
	for _, e := range came {
		if e.failure == nil && l.sink.parking.Any() && l.sink.parking.Holds(e.rec.origin(), e.rec.PartitionKey) {
			e.failure = parkedFailure()
		}
		l.queue.Push(e)
	}
	clear(came)
	if l.taken = came[:0]; cap(came) > 2*keepSpare {
		l.taken = nil
	}
}

func (l *lane) wake() {
	select {
	case l.signal <- struct{}{}:
	default:
	}
}

func (l *lane) run() {
	defer close(l.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer l.sink.shared.left(l)
	for {
		batch, at, end := l.found, time.Time{}, false
		if l.found = nil; len(batch) == 0 {
			batch, at, end = l.next(time.Now())
		}
		if end {
			return
		}
		if len(batch) > 0 {
			l.deliver(batch)
			continue
		}
		l.sink.shared.left(l)
		if at.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(at))
		}
		select {
		case <-l.signal:
		case <-timer.C:
		}
	}
}

// next hands rejected heads to the dead-letter writer and takes the next request,
// or says until when there is nothing to do; zero: until a wake-up.
func (l *lane) next(now time.Time) (batch []inFlight, at time.Time, end bool) {
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return nil, time.Time{}, true
	}
	if m := l.sink.stream.shards.Load(); m != l.shards {
		l.shards = m
		l.queue.Regroup(m.locate)
	}
	l.absorb()
	rejected := l.queue.Rejected()
	may := false
	if may, at = l.mayCall(now); may {
		lim := limits{records: maxBatchRecords, bytes: l.sink.memory.batchBytes(), record: int(l.sink.stream.recordLimit.Load()), aggregate: l.sink.aggregate, share: l.mayShare()}
		batch = l.queue.Batch(now, lim, l.mayPut)
		l.sent = now
		if len(batch) == 0 && l.sink.gate.CancelProbe(l.probe) {
			defer l.sink.wakeAll()
			defer l.sink.idle() // what it would have sent may have been the last
		}
		rejected = append(rejected, l.queue.Rejected()...)
		at = l.queue.Next()
	}
	l.mu.Unlock()
	for _, f := range rejected {
		l.deadLetter(f)
	}
	return batch, at, false
}

// mayCall says whether this lane may make a call now, and if not, when to ask
// again; zero: after a wake-up. The gate is asked last, as it counts on a call
// being made.
func (l *lane) mayCall(now time.Time) (may bool, at time.Time) {
	switch {
	case !l.queue.Ready(now):
		return false, l.queue.Next()
	case !l.sink.stream.usable.Load():
		return false, time.Time{}
	case now.Before(l.notBefore):
		return false, l.notBefore
	}
	if left := l.sink.lease(now); left < leaseMargin+minLease {
		return false, now.Add(leasePoll)
	}
	may, l.probe, at = l.sink.gate.Enter(now)
	return may, at
}

// mayPut asks a shard's bucket for room.
func (l *lane) mayPut(shard int, now, turn time.Time, records, bytes int) (bool, time.Time) {
	if len(l.shards.buckets) == 0 {
		return true, time.Time{}
	}
	return l.shards.buckets[shard].take(now, turn, records, bytes)
}

// placed says whether a record went where it was predicted.
func (l *lane) placed(c *chain, id []byte) bool {
	if l.shards.holds(c.group.shard, id) {
		return true
	}
	l.sink.stream.doubted.Store(l.shards)
	l.sink.stream.refresh() // the stream was resharded
	return false
}

// mayShare says whether keys may share aggregates: not while the shard map is
// missing or known to be old.
func (l *lane) mayShare() bool {
	return len(l.shards.ids) > 0 && l.sink.stream.doubted.Load() != l.shards
}

// deadLetter gives the head of a chain to the dead-letter writer. The chain stands
// still until the topic has acknowledged it.
func (l *lane) deadLetter(f inFlight) {
	e := f.head[0]
	why := *e.failure
	l.sink.deadLetter(e.rec, why, func(outcome Outcome) {
		l.mu.Lock()
		l.settle(f.chain, outcome, why.Reason)
		if outcome == 0 { // the next owner reads it again: what follows it goes back with it
			l.absorb()
			for _, e := range l.queue.WithdrawBehind(f.chain, (*Record).revoked) {
				l.settled = append(l.settled, settlement{rec: e.rec})
			}
		}
		if outcome == DeadLettered && l.sink.parking != nil {
			f.park(e.rec.origin())
		}
		l.queue.Settle(f.chain)
		settled := l.takeSettled()
		l.mu.Unlock()
		l.notify(settled)
		l.wake()
	})
}
