package sink

import "container/heap"

// Withdraw removes every entry that is not in flight and that gone names, and
// returns them in the order of their keys' chains. It is rare and may cost as
// much as the queue is long. Each chain that loses its head is given to clearExhausted.
func (q *queue) Withdraw(gone func(*Record) bool, clearExhausted func(*chain)) []entry {
	var taken []entry
	for _, c := range q.chains.all() {
		head := c.entries[0].rec
		of := q.WithdrawBehind(c, gone)
		if len(of) == 0 {
			continue
		}
		taken = append(taken, of...)
		if c.inFlight == 0 && (len(c.entries) == 0 || c.entries[0].rec != head) {
			clearExhausted(c)
			c.retry, c.attempts = nil, 0
			c.state = chainReady
		}
		if len(c.entries) == 0 {
			q.chains.remove(c)
		}
	}
	if len(taken) > 0 {
		q.rebuild(q.groups)
	}
	return taken
}

// WithdrawBehind removes what gone names of what waits behind the entries of a chain that are in
// flight.
func (q *queue) WithdrawBehind(c *chain, gone func(*Record) bool) (taken []entry) {
	kept := c.entries[:c.inFlight]
	for _, e := range c.entries[c.inFlight:] {
		if gone(e.rec) {
			taken = append(taken, e)
		} else {
			kept = append(kept, e)
		}
	}
	clear(c.entries[len(kept):])
	c.entries = kept
	return taken
}

// Regroup puts every chain in the group of its shard, after the shards changed.
func (q *queue) Regroup(locate func(*Record) int) {
	q.locate = locate
	before := q.groups
	q.groups = nil
	for _, c := range q.chains.all() {
		c.group = q.group(locate(c.entries[0].rec))
	}
	q.rebuild(before)
}

// rebuild puts every chain that is not in flight where it belongs, keeping the
// order in which they were ready. The groups are those that list them now.
func (q *queue) rebuild(groups []*group) {
	var order []*chain
	for _, g := range q.active {
		order = append(order, g.ready...)
	}
	for _, g := range q.resting {
		order = append(order, g.ready...)
	}
	order = append(order, q.rejected...)
	waiting := q.waiting
	for _, g := range groups {
		if g == nil {
			continue
		}
		g.ready, g.room, g.listed = nil, nil, false
	}
	q.active, q.resting, q.waiting, q.rejected = nil, nil, nil, nil
	for _, c := range order {
		if len(c.entries) > 0 {
			q.promote(c)
		}
	}
	for _, c := range waiting {
		switch {
		case len(c.entries) == 0:
		case c.state == chainWaiting:
			heap.Push(&q.waiting, c)
		default: // its failed head is gone, and the next has nothing to wait for
			q.promote(c)
		}
	}
}

// chainHeap orders waiting chains by when they are due.
type chainHeap []*chain

func (h chainHeap) Len() int           { return len(h) }
func (h chainHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h chainHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *chainHeap) Push(x any) { *h = append(*h, x.(*chain)) }

// Pop implements heap.Interface.
func (h *chainHeap) Pop() any {
	old := *h
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return c
}

// groupHeap orders resting groups by when their shard takes more.
type groupHeap []*group

func (h groupHeap) Len() int           { return len(h) }
func (h groupHeap) Less(i, j int) bool { return h[i].until.Before(h[j].until) }
func (h groupHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *groupHeap) Push(x any) { *h = append(*h, x.(*group)) }

// Pop implements heap.Interface.
func (h *groupHeap) Pop() any {
	old := *h
	g := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return g
}
