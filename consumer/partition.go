package consumer

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"
)

// Handler takes one message on. It may block (that is the back-pressure) until
// ctx, the claim, ends. nil: the message was taken, and will be settled or
// withdrawn. An error: it was not taken; unless the claim has ended, the process
// cannot go on. It is never about one record.
type Handler func(ctx context.Context, m *Message) error

// queuedSets is how many fetched sets may wait for a partition's worker: with
// two, it finds the next one ready while a fetch is under way.
const queuedSets = 2

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
	c.ctx, c.revoke = context.WithCancel(ctx)
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

// push takes a set on from the fetch loop, which sends alone and has found room.
func (c *claim) push(s *recordSet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		s.close()
		return
	}
	c.sets <- s
}

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
	c.budget.give(window)
	for len(c.sets) > 0 {
		(<-c.sets).close()
	}
}

// open notes m as handed out, waiting while too many are open. It reports
// false when the claim stops instead.
func (c *claim) open(m *Message) bool {
	for {
		if c.stopped() {
			return false
		}
		c.mu.Lock()
		if c.mark.Len() < maxOpen {
			m.claim = c
			m.seq = c.mark.Open(m.Offset, m.Time)
			c.countWindow()
			c.pending++
			c.mu.Unlock()
			return true
		}
		c.mu.Unlock()
		select {
		case <-c.atWork.Done():
		case <-c.changed:
		}
	}
}

// countWindow counts what the window takes, which a message that is slow to come
// to rest keeps open. It is called with mu held.
func (c *claim) countWindow() {
	size := c.mark.Size()
	if size > c.window {
		c.budget.take(size - c.window)
	} else if size < c.window {
		c.budget.give(c.window - size) // somebody may wait for it
	}
	c.window = size
}

// before tells whether an earlier owner has settled m.
func (c *claim) before(m *Message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.settled) > 0 && c.settled[0].to <= m.Offset {
		c.settled = c.settled[1:]
	}
	return len(c.settled) > 0 && c.settled[0].from <= m.Offset
}

// progress is what to commit: the watermark, and what has settled above it,
// by this owner or, where it has not come that far, by an earlier one.
func (c *claim) progress() (next int64, metadata string, changed bool) {
	c.mu.Lock()
	next = c.mark.Next()
	if c.lost > 0 {
		c.mu.Unlock()
		return next, "", false // it is of a topic that is gone
	}
	id, plain, committed, before := c.id, c.plain, c.committed, c.metadata
	above := append(c.mark.Above(), c.settled...)
	c.mu.Unlock()
	if !plain { // which may take a while
		metadata = stamp(id, encodeSettled(next, above))
	}
	return next, metadata, next != committed || metadata != before
}

// committedTo notes the answer to a commit. A broker that allows less metadata
// than is usual gets offsets alone from then on.
func (c *claim) committedTo(next int64, metadata string, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(err, kafka.OffsetMetadataTooLarge) {
		c.plain = true
	}
	if err == nil {
		c.committed, c.metadata = next, metadata
	}
	return err
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

func (c *claim) settle(m *Message) {
	c.mu.Lock()
	settled := c.mark.Settle(m.seq)
	if settled {
		c.pending--
		if !c.ended {
			c.countWindow()
		}
	}
	c.mu.Unlock()
	if settled {
		m.part.leave(1)
		c.signal()
	}
}

func (c *claim) withdraw(m *Message) {
	c.mu.Lock()
	c.pending--
	c.mu.Unlock()
	m.part.leave(1)
	c.signal()
}

func (c *claim) signal() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// waitIdle waits until nothing that was handed out is under way, or ctx ends. The
// worker must have ended.
func (c *claim) waitIdle(ctx context.Context) {
	for {
		c.mu.Lock()
		pending := c.pending
		c.mu.Unlock()
		if pending == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-c.changed:
		}
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
