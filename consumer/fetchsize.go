package consumer

import "cmp"

// share finds what a fetch of so many bytes asks for of each partition: its share of the
// answer, so that one brings something of many. Of few partitions at a time there are few
// identities, and each has one record in flight. Of what is known to have large batches
// more is asked for, of what nothing is known as of those.
func share(limit int64, claims []*claim) {
	usual := int64(0) // the largest batch of any
	for _, c := range claims {
		usual = max(usual, c.batch)
	}
	for _, c := range claims {
		c.asked = partitionMaxBytes
		if batch := cmp.Or(c.batch, usual); batch > 0 {
			c.asked = min(partitionMaxBytes, max(partitionLeastBytes, limit/int64(len(claims)), batchesEach*batch))
		}
	}
}

// outgrown notes where the next batch of a partition is larger than what was asked for: it
// has something, and of an answer of at most so many bytes with room for it there came
// nothing, but of partitions behind it, or not half an answer. A broker gives the first
// batch of an answer whole, and none that is cut off. It tells whether there are such.
func (res *fetchResponse) outgrown(claims map[topicPartition]*claim, limit int64) bool {
	last := len(res.partitions) - 1
	for last >= 0 && res.partitions[last].brought == 0 {
		last--
	}
	found, room := false, limit
	for i := range res.partitions {
		p := &res.partitions[i]
		c := claims[p.topicPartition]
		roomy := c != nil && room >= c.asked && (i < last || room >= limit/2)
		if room -= p.brought; roomy && p.code == 0 && p.brought == 0 && c.asked < partitionMaxBytes && c.waits() {
			c.batch, found = partitionMaxBytes, true
		}
	}
	return found
}

// waits says whether the partition has something that was not fetched.
func (c *claim) waits() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end > c.position
}
