package consumer

import (
	"context"
	"io"
)

// acquire counts n bytes of the answer, unless nobody waits for it any more.
func (c *fetchCall) acquire(n int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.taken += n
	c.budget.acquire(n)
	return true
}

// acquireFirst is acquire for an answer's first batch.
func (c *fetchCall) acquireFirst(n int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || !c.budget.acquireFirst(n) {
		return false
	}
	c.taken += n
	return true
}

// end gives back what the answer took, where nobody has got it: kafka-go leaves
// an exchange that takes too long to itself.
func (c *fetchCall) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.budget.release(c.taken)
	}
	c.taken, c.ended = 0, true
}

func (w *fetchWire) acquire(n int64) int64 {
	if w.err == nil && !w.call.acquire(n) {
		w.err = context.Canceled
	}
	return n
}

// acquireRecords counts n bytes of a partition's records, if there is room.
func (w *fetchWire) acquireRecords(n int64) bool {
	if w.got {
		return w.call.budget.fits(n) && w.acquire(n) == n
	}
	return w.call.acquireFirst(n)
}

// records reads the records of a partition. Those for which there is no room are
// passed over, to be asked for again; but for the first, so that a batch comes
// through which is greater than all of the budget.
func (w *fetchWire) records(p *fetchedPartition, n int64) {
	if n > w.body.N+int64(w.from.Buffered()) {
		w.fail(io.EOF)
		return
	}
	p.brought = n
	size := int64(bufferSize(int(n)))
	if !w.acquireRecords(size) {
		if most := w.call.budget.batch; size > most {
			p.tooLarge = errTooLarge{size, most}
		}
		if _, err := io.CopyN(io.Discard, w.from, n); err != nil {
			w.fail(err)
		}
		return
	}
	w.got = true
	p.cost += size
	if w.err == nil {
		var err error
		if p.records, err = readGrowing(w.from, n, w.call.budget.codecs.buffers.take(int(min(n, partitionMaxBytes)))); err != nil {
			w.fail(err)
		}
	}
}
