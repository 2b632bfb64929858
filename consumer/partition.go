package consumer

import (
	"context"
	"sync"
	"time"

	"kinesis-destination/schemas/backoff"
)

// Handler takes one message on. It may block (that is the back-pressure) until
// ctx, the claim, ends. nil: the message was taken, and will be settled or
// withdrawn. An error: it was not taken; unless the claim has ended, the process
// cannot go on. It is never about one record.
type Handler func(ctx context.Context, m *Message) error

// queuedSets is how many fetched sets may wait for a partition's worker: with
// two, it finds the next one ready while a fetch is under way.
const queuedSets = 2

// life is a claim's beginning and end, and what its owners share. It is set when the
// claim is made.
type life struct {
	ctx     context.Context // ends with the claim
	revoke  context.CancelFunc
	revoked <-chan struct{}    // of ctx: asking it for each message takes longer
	atWork  context.Context    // ends with the claim, or before: the worker takes no further message
	stop    context.CancelFunc // ends atWork
	worked  chan struct{}      // closed when the worker has ended
	sets    chan *recordSet    // from the fetch loop to the worker
	account account
	report  func(topic string, partition int, reason string, err error)
}

// fetching is the fetch loop's own.
type fetching struct {
	position  int64            // next offset to fetch; changed with mu held, as the loops of other brokers ask for it
	batch     int64            // bytes of the largest batch of the last set; 0: there was none yet
	asked     int64            // bytes that the fetch under way asks for at most
	notBefore time.Time        // when to try again after an error of this partition
	failed    bool             // it was tried in vain since wait was new
	wait      *backoff.Backoff // how long that takes

	gone   bool   // its topic is another one: it has to begin anew
	where  string // at which end it then begins; empty: as for an offset out of range
	absent bool   // its topic was seen to be missing
	outage bool   // it is held as its broker, or all of them, gave no answer

	follower    int       // the replica that is fetched from; -1: the leader
	followUntil time.Time // when the leader is asked again
	leaderUntil time.Time // only the leader serves until then
}

// working is the worker's own.
type working struct {
	expected int64 // where the next set begins
	resumed  bool  // an earlier owner had settled some of what follows: set when the claim is made
	tracing  tracing
}

// settling is what fetch loop, worker, sink and commits have in common: how far
// the partition is.
type settling struct {
	holding sync.Mutex // held while report is called; mu is not

	mu        sync.Mutex // guards all below
	id        topicID    // the topic; zero: the broker does not say. The fetch loops alone change it
	lost      int        // how often the topic was another one, and the worker has not begun anew
	mark      watermark
	window    int64         // of the budget, by mark
	pending   int           // handed out, neither settled nor withdrawn
	unread    bool          // the records at expected could not be read
	back      int64         // where to fetch from again; -1: nowhere
	forRoom   bool          // that is for want of room: nothing is wrong with it
	ended     bool          // nothing is fetched for it any more
	committed int64         // what the group has; -1: nothing yet
	metadata  string        // what the group has beside it
	plain     bool          // commit offsets alone
	settled   []span        // settled by an earlier owner, above where this claim began
	end       int64         // offset after the last readable message; -1: not known yet
	held      string        // why nothing arrives, or ""
	changed   chan struct{} // a signal for the one who waits for mark or pending
}

// claim is the right and the state of working on one partition, from its
// assignment to its revocation. What is in it is by who owns it.
type claim struct {
	topicPartition
	life
	fetching
	working
	settling
}

func newClaim(ctx context.Context, tp topicPartition, at position) *claim {
	c := &claim{
		topicPartition: tp,
		life:           life{worked: make(chan struct{}), sets: make(chan *recordSet, queuedSets)},
		fetching:       fetching{position: at.next, wait: newBackoff(), where: at.where, follower: -1},
		working:        working{expected: at.next},
		settling: settling{
			id: at.topic, mark: newWatermark(at.next), back: -1, committed: at.committed, metadata: at.text(),
			settled: decodeSettled(at.committed, at.metadata), end: -1, changed: make(chan struct{}, 1),
		},
	}
	c.resumed = len(c.settled) > 0 // which only shrinks
	c.ctx, c.revoke = context.WithCancel(ctx)
	c.revoked = c.ctx.Done()
	c.atWork, c.stop = context.WithCancel(c.ctx)
	if at.remade || at.where != "" {
		c.forgetTopic()
	}
	return c
}

// stopWork has the worker take no further message and decode nothing more, and
// nothing begin beside it.
func (c *claim) stopWork() {
	c.mu.Lock() // after this, pending only falls
	defer c.mu.Unlock()
	c.stop()
}

func (c *claim) stopped() bool { return c.atWork.Err() != nil }

// close takes nothing more from the fetch loop, which may have a request under
// way, and gives back what waits. The worker has ended. Nothing is held any more.
func (c *claim) close() {
	c.hold("", nil)
	c.holding.Lock()
	defer c.holding.Unlock()
	c.mu.Lock()
	late := c.held != "" // by a fetch loop that is still at it
	c.ended, c.held = true, ""
	window := c.window
	c.window = 0
	c.mu.Unlock()
	if late && c.report != nil {
		c.report(c.topic, c.partition, "", nil)
	}
	c.account.opens(-window)
	c.discard()
}

// discard gives back what waits for the worker, which has ended.
func (c *claim) discard() {
	for len(c.sets) > 0 {
		(<-c.sets).close()
	}
}

func (c *claim) advance(next int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mark.Advance(next)
}

// restart goes on from where the configuration said, backwards too; what an
// earlier owner had settled is of the offsets that are gone.
func (c *claim) restart(next int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mark.Restart(next)
	c.settled = nil
	if c.lost > 0 {
		c.lost--
		c.committed, c.metadata = -1, ""
	}
}

// hold reports why nothing arrives, once per change; an empty reason: it does again.
// It reports under a lock of its own, so that what is reported last is what was
// noted last, and nobody who settles waits for who listens.
func (c *claim) hold(reason string, err error) {
	c.holding.Lock()
	defer c.holding.Unlock()
	c.mu.Lock()
	changed := !c.ended && (c.held != reason || denied(err))
	c.held = reason
	c.mu.Unlock()
	if changed && c.report != nil {
		c.report(c.topic, c.partition, reason, err)
	}
}

// PartitionStats is one assigned partition as it stands.
type PartitionStats struct {
	Topic     string
	Partition int
	Committed int64     // next offset as the group has it; -1: none yet
	Settled   int64     // next offset once everything at rest is committed
	End       int64     // offset after the last readable message; -1: not known yet
	Open      int       // handed out and not passed by the watermark
	Oldest    time.Time // when the oldest message that is not at rest was written; zero: none
	Held      string    // why nothing arrives, or ""
}

func (c *claim) stats() PartitionStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := PartitionStats{
		Topic: c.topic, Partition: c.partition, Committed: c.committed,
		Settled: c.mark.Next(), End: c.end, Open: c.mark.Len(), Held: c.held,
	}
	s.Oldest, _ = c.mark.Oldest()
	if c.lost > 0 {
		s.Committed, s.Settled = -1, 0 // of the topic as it is now
	}
	return s
}
