package sink

import (
	"container/heap"
	"time"
	"unicode/utf8"

	"kinesis-destination/schemas/backoff"
	"kinesis-destination/sink/deadletter"
)

// queue holds what a lane has still to deliver: a chain of records per key,
// FIFO. It decides what may be sent now, and never lets a key be in two places
// at once: a chain is ready, or waits for its retry, or is in flight, or its
// head awaits the dead-letter topic. It is pure and guarded by its lane.
type queue struct {
	chains   chains
	groups   []*group          // by shard; nil where none of it was queued
	active   []*group          // groups with ready chains, served in turn
	resting  groupHeap         // groups with ready chains that must wait for their shard
	waiting  chainHeap         // chains that wait for their retry
	rejected []*chain          // chains whose head goes to the dead-letter topic
	spare    []*chain          // at rest, for the next keys
	inFlight []inFlight        // of the last batch; the next one is written over it
	locate   func(*Record) int // the shard that it goes to
}

// keepSpare is how many chains are kept for the next keys: a full request's.
const keepSpare = maxBatchRecords

// entry is one queued record.
type entry struct {
	rec     *Record
	failure *deadletter.Failure // it goes to the dead-letter topic
	// share, unless 0, is how many records its request may hold: a request
	// that the service refused as a whole is halved until the culprit stands alone.
	share int
	// alone: no other key goes in its record, which went misrouted before.
	alone bool
}

// chain is everything queued of one key.
type chain struct {
	key      string
	hash     hashKey // of the key
	next     *chain  // in chains
	group    *group
	entries  []entry
	inFlight int // entries[:inFlight] are in flight, or in the hands of the dead-letter writer
	due      time.Time

	retry     *backoff.Backoff // of the head, once it failed
	attempts  int              // of the head
	state     chainState
	exhausted bool // the head outlived its retry and is held

	only [1]entry // room for entries of the usual key, which has one
}

// inFlight is the head of a chain on its way out. Its entries may be read
// without the lane's lock: nothing changes them until they are settled.
type inFlight struct {
	*chain
	head []entry
	// joins: it goes in one record with the flight before it.
	joins bool
}

type chainState uint8

const (
	chainReady chainState = iota
	chainSending
	chainWaiting
	chainRejected
)

// group is the ready chains of one shard.
type group struct {
	shard  int
	ready  []*chain  // FIFO
	room   []*chain  // what ready is a part of
	listed bool      // it is in active or resting
	until  time.Time // its turn at its shard, not yet used
}

// push appends a chain. What has left the front makes room once it is the larger part.
func (g *group) push(c *chain) {
	if len(g.ready) == cap(g.ready) && len(g.ready) <= cap(g.room)/2 {
		n := copy(g.room[:cap(g.room)], g.ready)
		clear(g.room[n:cap(g.room)])
		g.ready = g.room[:n]
	}
	before := cap(g.ready)
	g.ready = append(g.ready, c)
	if cap(g.ready) != before {
		g.room = g.ready[:0]
	}
}

// limits bound one request.
type limits struct {
	records, bytes int  // of a request
	record         int  // of a record, key included
	aggregate      int  // of an aggregate; 0: none are made
	share          bool // keys of one shard may share an aggregate
}

// allow asks whether a shard takes so many more records and bytes now, and if
// not, from when: that is the asker's turn, which it names when it asks again.
type allow func(shard int, now, turn time.Time, records, bytes int) (ok bool, until time.Time)

func newQueue(locate func(*Record) int) queue {
	return queue{chains: newChains(), locate: locate}
}

// Push appends a record to its key's chain.
func (q *queue) Push(e entry) {
	c := q.chains.find(e.rec)
	if c == nil {
		c = q.chain()
		c.key, c.hash, c.group = e.rec.PartitionKey, e.rec.hash, q.group(q.locate(e.rec))
		c.entries = c.only[:0]
		q.chains.add(c)
	}
	c.entries = append(c.entries, e)
	if len(c.entries) == 1 {
		q.promote(c)
	}
}

// chain is one that is spare, or a new one.
func (q *queue) chain() *chain {
	n := len(q.spare)
	if n == 0 {
		return new(chain)
	}
	c := q.spare[n-1]
	q.spare = q.spare[:n-1]
	return c
}

func (q *queue) group(shard int) *group {
	if shard >= len(q.groups) {
		q.groups = append(q.groups, make([]*group, shard+1-len(q.groups))...)
	}
	g := q.groups[shard]
	if g == nil {
		g = &group{shard: shard}
		q.groups[shard] = g
	}
	return g
}

// promote puts a chain where its head belongs.
func (q *queue) promote(c *chain) {
	if c.entries[0].failure != nil {
		c.state = chainRejected
		q.rejected = append(q.rejected, c)
		return
	}
	c.state = chainReady
	c.group.push(c)
	if !c.group.listed {
		c.group.listed = true
		q.active = append(q.active, c.group)
	}
}

// Batch takes the next request: heads of ready chains, each key once. The
// chains stay in flight until Settle or Again; the slice is good until the next call.
func (q *queue) Batch(now time.Time, lim limits, may allow) []inFlight {
	q.release(now)
	b := batch{lim: lim, inFlight: q.inFlight[:0]}
	for len(q.active) > 0 {
		g := q.active[0]
		full := q.drain(g, &b, now, may)
		q.active = q.active[1:]
		switch {
		case len(g.ready) == 0:
			g.listed = false
		case full:
			q.active = append(q.active, g) // the next request begins with the others
		default:
			heap.Push(&q.resting, g)
		}
		if full {
			break
		}
	}
	q.inFlight = b.inFlight
	return b.inFlight
}

type batch struct {
	lim      limits
	inFlight []inFlight
	records  int // of the stream; flights that join others make none
	bytes    int
	last     aggregate // the last record, which others may join
}

// drain moves ready chains of a group into the batch, until the group is empty
// or its shard takes no more. It reports whether the batch is full.
func (q *queue) drain(g *group, b *batch, now time.Time, may allow) (full bool) {
	turn := g.until
	g.until = time.Time{}
	for len(g.ready) > 0 {
		c := g.ready[0]
		e := &c.entries[0]
		if e.failure = checkRecord(e.rec, b.lim.record); e.failure != nil {
			g.ready = g.ready[1:]
			q.promote(c)
			continue
		}
		n, next := c.run(b.lim)
		joins := b.last.joinedBy(next, b.lim)
		records, bytes, limit := 1, next.size, b.lim.records
		if joins {
			next = b.last.join(next)
			records, bytes = 0, next.size-b.last.size
		}
		if e.share > 0 {
			limit = min(limit, e.share)
		}
		if b.records+records > limit || (b.records > 0 && b.bytes+bytes > b.lim.bytes) {
			return true
		}
		ok, until := may(g.shard, now, turn, records, bytes)
		if !ok {
			g.until = until
			return false
		}
		b.lim.records, b.last = limit, next
		b.records += records
		b.bytes += bytes
		f := c.depart(n)
		f.joins = joins
		b.inFlight = append(b.inFlight, f)
		g.ready = g.ready[1:]
	}
	return false
}

// checkRecord says why the stream would never take a record.
func checkRecord(r *Record, limit int) *deadletter.Failure {
	// What has few bytes has few characters.
	if n := len(r.PartitionKey); n < 1 || n > maxKeyRunes && utf8.RuneCountInString(r.PartitionKey) > maxKeyRunes {
		return &deadletter.Failure{Stage: StageSink, Reason: ReasonInvalidPartitionKey, Message: "the partition key must have 1 to 256 characters"}
	}
	if r.size() > limit {
		return &deadletter.Failure{Stage: StageSink, Reason: ReasonRecordTooLarge, Message: "the record with its key is larger than the stream takes"}
	}
	return nil
}

// release makes ready what has waited long enough.
func (q *queue) release(now time.Time) {
	for len(q.waiting) > 0 && !q.waiting[0].due.After(now) {
		q.promote(heap.Pop(&q.waiting).(*chain))
	}
	for len(q.resting) > 0 && !q.resting[0].until.After(now) {
		q.active = append(q.active, heap.Pop(&q.resting).(*group))
	}
}

// Ready says whether Batch may find something now.
func (q *queue) Ready(now time.Time) bool {
	q.release(now)
	return len(q.active) > 0
}

// Next is when the next chain or group becomes ready by itself; zero: never.
func (q *queue) Next() time.Time {
	var at time.Time
	if len(q.waiting) > 0 {
		at = q.waiting[0].due
	}
	if len(q.resting) > 0 && (at.IsZero() || q.resting[0].until.Before(at)) {
		at = q.resting[0].until
	}
	return at
}

// Rejected takes the heads that go to the dead-letter topic. Their chains
// stand still until Settle.
func (q *queue) Rejected() []inFlight {
	var taken []inFlight
	for _, c := range q.rejected {
		taken = append(taken, c.depart(1))
	}
	q.rejected = nil
	return taken
}

// depart takes the first n entries of a chain out.
func (c *chain) depart(n int) inFlight {
	c.state, c.inFlight = chainSending, n
	return inFlight{chain: c, head: c.entries[:n:n]}
}

// park sends everything else of the same source partition after the head,
// which has gone to the dead-letter topic.
func (c *chain) park(head *deadletter.Origin) {
	for i := c.inFlight; i < len(c.entries); i++ {
		e := &c.entries[i]
		if e.failure != nil {
			continue
		}
		if from := e.rec.origin(); from.Topic == head.Topic && from.Partition == head.Partition {
			e.failure = parkedFailure()
		}
	}
}

// Settle removes what is in flight of a chain, and lets the next one follow.
func (q *queue) Settle(c *chain) {
	clear(c.entries[:c.inFlight])
	c.entries = c.entries[c.inFlight:]
	c.inFlight, c.retry, c.attempts = 0, nil, 0
	if len(c.entries) == 0 {
		q.chains.remove(c)
		if *c = (chain{}); len(q.spare) < keepSpare { // nothing has it any more
			q.spare = append(q.spare, c)
		}
		return
	}
	q.promote(c)
}

// Again keeps what is in flight of a chain as its head, to be sent again once
// it is due. Nothing newer of the key goes before.
func (q *queue) Again(c *chain, now, due time.Time) {
	c.inFlight = 0
	if !due.After(now) || c.entries[0].failure != nil {
		q.promote(c)
		return
	}
	c.state, c.due = chainWaiting, due
	heap.Push(&q.waiting, c)
}
