package consumer

import "time"

// work decodes what was fetched and hands it to the handler, one message at a
// time, until the claim stops.
func (c *claim) work(handler Handler) error {
	for {
		select {
		case <-c.atWork.Done():
			return nil
		case s := <-c.sets:
			c.budget.signal() // there is room for another set of this partition
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
	d := newDecoder(c.topicPartition, s, &c.account, c.codecs)
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
			c.unreadable(d.next, err)
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
			c.settle(m)
			continue
		}
		if err := handler(c.ctx, m); err != nil {
			c.withdraw(m)
			if c.ctx.Err() != nil {
				err = nil
			}
			return i + 1, false, err
		}
	}
	return len(p.messages), true, nil
}

// unreadable holds the partition: what is from an offset on is fetched again, for
// it may arrive better, and nothing is passed over.
func (c *claim) unreadable(from int64, err error) {
	c.mu.Lock()
	c.unread, c.back = true, from
	c.mu.Unlock()
	c.hold(holdReason(err), err)
	c.budget.signal()
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

// turnBack has the fetch loop fetch again what could not be read, after a while.
func (c *claim) turnBack(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.back >= 0 {
		c.position, c.back = c.back, -1
		c.notBefore = now.Add(c.wait.NextBackOff())
	}
}
