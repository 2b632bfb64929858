package sink

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// chains finds the chain of a key, by the hash that the sink has of it already. A map
// would read each key's text anew, three times a record, long after it was written.
type chains struct {
	slots []*chain // the first of those that share a slot; a power of two
	n     int
	salt  uint64 // odd; producers cannot know which keys share a slot
}

func newChains() chains { return chains{slots: make([]*chain, 64), salt: rand.Uint64() | 1} }

func (cs *chains) slot(h *hashKey) **chain {
	at := binary.LittleEndian.Uint64(h[8:]) * cs.salt >> (64 - bits.TrailingZeros(uint(len(cs.slots))))
	return &cs.slots[at]
}

// find is the chain of a record's key; nil: there is none.
func (cs *chains) find(r *Record) *chain {
	c := *cs.slot(&r.hash)
	for c != nil && (c.hash != r.hash || c.key != r.PartitionKey) {
		c = c.next
	}
	return c
}

func (cs *chains) add(c *chain) {
	if cs.n == len(cs.slots) {
		all := cs.all()
		cs.slots, cs.n = make([]*chain, 2*len(cs.slots)), 0
		for _, c := range all {
			cs.add(c)
		}
	}
	at := cs.slot(&c.hash)
	c.next, *at = *at, c
	cs.n++
}

func (cs *chains) remove(c *chain) {
	at := cs.slot(&c.hash)
	for *at != c {
		at = &(*at).next
	}
	*at, c.next = c.next, nil
	cs.n--
}

// all is every chain, in no order.
func (cs *chains) all() []*chain {
	all := make([]*chain, 0, cs.n)
	for _, c := range cs.slots {
		for ; c != nil; c = c.next {
			all = append(all, c)
		}
	}
	return all
}
