package resend

import "crypto/md5"

// IndexLimit bounds how many identities of a partition are known at once, to
// about 120 MB. Where there are more, the partition is swept in slices of them.
const IndexLimit = 2_000_000

// newerIndex knows the newest event of each identity of one partition, or of a slice
// of these: 1 of a power of two, by the hash of their partition keys.
type newerIndex struct {
	slice, slices int
	limit         int
	events        map[KeyHash]newestOffsets
}

// KeyHash is an identity's partition key, hashed.
type KeyHash [md5.Size]byte

// newestOffsets is where an identity's newest events stand. Offsets are one more, 0 is none.
type newestOffsets struct {
	within int64 // the newest candidate of the range
	beyond int64 // the newest event behind the range that leaves
}

// HashKey hashes a partition key as the stream does.
func HashKey(key string) KeyHash { return md5.Sum([]byte(key)) }

// maxSlices is what two bytes of a hash tell apart.
const maxSlices = 1 << 16

// holds tells whether an identity belongs to the slice at hand.
func (n *newerIndex) holds(h KeyHash) bool { return (int(h[0])|int(h[1])<<8)&(n.slices-1) == n.slice }

// candidate notes an event of the range. With too many identities the slice is
// halved, if it may be.
func (n *newerIndex) candidate(h KeyHash, offset int64, mayHalve bool) {
	if !n.holds(h) {
		return
	}
	known := n.events[h]
	known.within = max(known.within, offset+1)
	n.events[h] = known
	for mayHalve && len(n.events) > n.limit && n.slices < maxSlices {
		n.slices *= 2
		for h := range n.events {
			if !n.holds(h) {
				delete(n.events, h)
			}
		}
	}
}

// leaves notes an event behind the range.
func (n *newerIndex) leaves(h KeyHash, offset int64) {
	if known, ok := n.events[h]; ok {
		known.beyond = max(known.beyond, offset+1)
		n.events[h] = known
	}
}

// standing tells how an event of the range stands: whether it is the newest one
// there, and whether one behind the range leaves or has left.
func (n *newerIndex) standing(h KeyHash, offset int64) (newest, superseded bool) {
	known := n.events[h]
	return known.within == offset+1, known.beyond > 0
}
