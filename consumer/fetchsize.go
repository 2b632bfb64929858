package consumer

import "cmp"

// askEach finds what a fetch of so many bytes asks for of each partition: its share of the
// answer, so that one brings something of many, and no more than its share of what is kept
// of all, unless its batches are larger. Of few partitions at a time there are few
// identities, and each has one record in flight. Of what is known to have large batches
// more is asked for, of what nothing is known as of those.
func askEach(limit, share int64, claims []*claim) {
	usual, busy := int64(0), int64(0) // the largest batch of any; those that may have something
	for _, c := range claims {
		usual = max(usual, c.batch)
		if c.mayBring() {
			busy++
		}
	}
	share = min(share, limit/max(1, busy))
	for _, c := range claims {
		c.asked = min(partitionMaxBytes, max(partitionLeastBytes, share, batchesEach*cmp.Or(c.batch, usual)))
	}
}

// setShare is what a set of one of so many partitions of a consumer may have that all have
// something: all sets that wait for their workers find room.
func (b *Budget) setShare(busy int) int64 {
	return b.of(setsParts) / (queuedSets + 1) / int64(max(1, busy))
}

// busy is how many of the consumer's partitions may have something.
func (f *fetcher) busy() (n int) {
	claims, _ := f.now()
	for _, c := range claims {
		if len(c.sets) > 0 || c.mayBring() {
			n++
		}
	}
	return n
}

// outgrown notes where the next batch of a partition is larger than what was asked for: it
// has something, and of an answer of at most so many bytes with room for it there came
// nothing, but of partitions behind it. A broker gives the first batch of an answer whole,
// and none that is cut off. Behind the last of which something came, where there is half an
// answer left, the first is one: the broker may have a lower limit, which all of them are
// behind. It tells whether there are such.
func (res *fetchResponse) outgrown(claims []*claim, limit int64) bool {
	asked := askedClaims{claims: claims}
	last := len(res.partitions) - 1
	for last >= 0 && res.partitions[last].brought == 0 {
		last--
	}
	found, room := false, limit
	for i := range res.partitions {
		p := &res.partitions[i]
		c := asked.of(p.topicPartition)
		if c != nil && p.waits() && c.asked < partitionMaxBytes && room >= c.asked && c.mayBring() {
			if i < last || room >= limit/2 {
				c.batch, found = partitionMaxBytes, true
			}
			if i > last {
				break
			}
		}
		room -= p.brought
	}
	return found
}

// waits says that nothing came of the partition, for no reason that the broker gives.
func (p *fetchedPartition) waits() bool { return p.code == 0 && p.brought == 0 && p.replica < 0 }

// move notes what was fetched. The loops of other brokers may ask meanwhile whether there is more.
func (c *claim) move(position int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.position = position
}

// mayBring says whether the partition may have something that was not fetched.
func (c *claim) mayBring() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end < 0 || c.end > c.position
}

// askedClaims finds the claims of an answer's partitions, which stand in the order of the
// request, as a rule.
type askedClaims struct {
	claims []*claim
	next   int
	byName map[topicPartition]*claim // from the first that is out of order on
}

// of is the claim of a partition; nil: it was not asked for.
func (a *askedClaims) of(tp topicPartition) *claim {
	if a.next < len(a.claims) && a.claims[a.next].topicPartition == tp {
		a.next++
		return a.claims[a.next-1]
	}
	if a.byName == nil {
		a.byName = make(map[topicPartition]*claim, len(a.claims))
		for _, c := range a.claims {
			a.byName[c.topicPartition] = c
		}
	}
	return a.byName[tp]
}
