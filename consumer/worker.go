package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// work decodes what was fetched and hands it to the handler, one message at a
// time, until the claim stops.
func (c *claim) work(handler Handler) error {
	for {
		select {
		case <-c.atWork.Done():
			return nil
		case s := <-c.sets:
			c.account.budget.signal() // there is room for another set of this partition
			err := c.handOut(s, handler)
			s.close()
			if err != nil || c.stopped() {
				return err
			}
		}
	}
}

// handOut hands out the messages of a set, part by part.
func (c *claim) handOut(s *recordSet, handler Handler) error {
	if s.restart {
		c.restart(s.next)
		c.expected = s.next
		return nil
	}
	if s.from != c.expected {
		return nil // fetched before it was known that what precedes it cannot be read
	}
	d := newDecoder(c.topicPartition, s, &c.account)
	d.reuse = true
	defer d.close()
	defer c.tracing.end(s)
	for {
		p, err := d.part(c.atWork)
		if c.stopped() {
			if p != nil {
				p.leave(len(p.messages) + 1)
			}
			return nil
		}
		if err != nil {
			c.expected = d.next
			if errors.Is(err, errGiveBack) {
				c.fetchAgain(d.next)
			} else {
				c.unreadable(d.next, err)
			}
			return nil
		}
		c.nowReadable()
		if p == nil {
			c.expected = s.next
			c.advance(s.next)
			return nil
		}
		c.tracing.mark(c.ctx, c, s, p)
		n, all, err := c.handOutPart(p, handler)
		p.leave(len(p.messages) - n + 1)
		if err != nil || !all {
			return err
		}
		c.advance(p.next)
	}
}

// handOutPart tells how many messages are no longer the worker's, and whether it
// goes on.
func (c *claim) handOutPart(p *part, handler Handler) (n int, all bool, err error) {
	for i := range p.messages {
		m := &p.messages[i]
		if !c.open(m) {
			return i, false, nil
		}
		if c.before(m) {
			c.settle(m.Ack)
			continue
		}
		if err := handler(c.ctx, m); err != nil {
			c.withdraw(m.Ack)
			if c.ctx.Err() != nil {
				err = nil
			}
			return i + 1, false, err
		}
	}
	return len(p.messages), true, nil
}

// fetchAgain has what is from an offset on fetched again.
func (c *claim) fetchAgain(from int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.back, c.forRoom = from, true
}

// unreadable holds the partition: what is from an offset on is fetched again, for
// it may arrive better, and nothing is passed over.
func (c *claim) unreadable(from int64, err error) {
	c.mu.Lock()
	c.unread, c.back, c.forRoom = true, from, false
	c.mu.Unlock()
	c.hold(HoldReason(err), err)
	c.account.budget.signal()
}

func (c *claim) nowReadable() {
	c.mu.Lock()
	was := c.unread
	c.unread = false
	c.mu.Unlock()
	if was {
		c.hold("", nil)
	}
}

// readable tells whether the worker could read what it was given last.
func (c *claim) readable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.unread
}

// turnBack has the fetch loop fetch again what could not be read, after a while, and what had
// to make room.
func (c *claim) turnBack(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.back < 0 {
		return
	}
	c.position, c.back = c.back, -1
	if !c.forRoom {
		c.failed = true
		c.notBefore = now.Add(c.wait.NextBackOff())
	}
}

// recordSet is what one fetch brought for one partition: batches whose headers
// and checksums are good, and whose records are not read yet.
type recordSet struct {
	batches []byte
	aborted []abortedTransaction
	topic   topicID // zero: it is not known
	from    int64   // the offset that was asked for
	next    int64   // the offset after it
	largest int64   // bytes of its largest batch
	restart bool    // next was set anew, for the offsets before it are gone

	budget  *Budget
	account *account // that counts the cost, too, once a worker waits for the set; nil: none
	cost    int64    // what the set takes of the budget until it is decoded
	span    fetchSpan
}

// close gives back what the set takes. Nobody looks at its bytes any more: what was
// handed out of them was decompressed or copied.
func (s *recordSet) close() {
	if s.cost > 0 {
		if s.account != nil {
			s.account.fetched(-s.cost)
		} else {
			s.budget.release(s.cost)
		}
		s.budget.codecs.buffers.give(s.batches)
	}
	s.batches, s.cost = nil, 0
}

// newRecordSet checks what a response has for a partition. With an error, what
// comes before the batch that is at fault is good. It owns what the response
// took of the budget.
func newRecordSet(tp topicPartition, position int64, p *fetchedPartition) (*recordSet, error) {
	s := &recordSet{from: position, next: position, aborted: p.aborted, budget: p.budget, cost: p.cost}
	p.cost = 0
	rest := p.records
	var err error
	for len(rest) > 0 {
		var raw recordBatch
		var whole bool
		raw, whole, err = nextBatch(rest)
		if err == nil && whole {
			err = raw.check()
		}
		if !whole && len(rest) == len(p.records) {
			err = fmt.Errorf("%w: the broker sent %d bytes of it only", errCorrupt, len(rest))
		}
		if err != nil || !whole { // what is cut short comes with the next fetch
			break
		}
		s.next = max(s.next, raw.last+1)
		s.largest = max(s.largest, int64(len(raw.raw)))
		rest = rest[len(raw.raw):]
	}
	s.batches, p.records = p.records[:len(p.records)-len(rest)], nil
	if err != nil {
		err = fmt.Errorf("read records of %s/%d: %w", tp.topic, tp.partition, err)
	}
	return s, err
}

// push takes a set on from the fetch loop, which sends alone and has found room.
func (c *claim) push(s *recordSet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		s.close()
		return
	}
	if s.cost > 0 {
		s.account = &c.account
		s.account.fetched(s.cost)
	}
	c.sets <- s
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
	if size != c.window {
		c.account.opens(size - c.window)
	}
	c.window = size
}

// before tells whether an earlier owner has settled m.
func (c *claim) before(m *Message) bool {
	if !c.resumed {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.settled) > 0 && c.settled[0].to <= m.Offset {
		c.settled = c.settled[1:]
	}
	return len(c.settled) > 0 && c.settled[0].from <= m.Offset
}

func (c *claim) settle(a Ack) {
	c.mu.Lock()
	settled := c.mark.Settle(a.seq)
	if settled {
		c.pending--
		if !c.ended {
			c.countWindow()
		}
	}
	c.mu.Unlock()
	if settled {
		a.part.leave(1)
		c.signal()
	}
}

func (c *claim) withdraw(a Ack) {
	c.mu.Lock()
	c.pending--
	c.mu.Unlock()
	a.part.keep()
	a.part.leave(1)
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
