package consumer

import "time"

// watermark turns settles in any order into the highest offset below which
// everything has settled. It goes by "next offset" and never by counting,
// because offsets have gaps (compaction, control records, aborted records).
// It is pure and not safe for concurrent use; the claim guards it.
type watermark struct {
	slots []slot // opened and not yet passed, in offset order
	head  int    // index of the first slot in use
	first uint64 // sequence number of slots[head]
	next  int64  // everything below it is at rest

	buffers *buffers // where slots come from once they are many, and go to; nil: nowhere

	anew  uint64 // slots before this number are of offsets that are gone
	start int64  // where what follows them begins
}

type slot struct {
	offset  int64
	next    int64 // the offset to go on from once this one is at rest
	at      int64 // when the message was written, Unix milliseconds; 0 or less: it does not say
	settled bool
}

func newWatermark(next int64) watermark { return watermark{next: next} }

// Open notes a message as handed out. Offsets must rise. The returned number
// names the message in Settle.
func (w *watermark) Open(offset int64, at time.Time) uint64 {
	if len(w.slots) == cap(w.slots) && len(w.slots) >= keptSlots && w.buffers != nil {
		w.grow()
	}
	w.slots = append(w.slots, slot{offset: offset, next: offset + 1, at: at.UnixMilli()})
	return w.first + uint64(len(w.slots)-w.head) - 1
}

// Settle notes that the message is at rest. It reports false, and changes
// nothing, for a message that has settled before.
func (w *watermark) Settle(seq uint64) bool {
	i := int(seq-w.first) + w.head
	if seq < w.first || i >= len(w.slots) || w.slots[i].settled {
		return false
	}
	w.slots[i].settled = true
	for w.head < len(w.slots) && w.slots[w.head].settled {
		w.next = w.slots[w.head].next
		w.head++
		w.first++
	}
	w.compact()
	return true
}

// Advance notes that nothing that is to be handed out lies between the last
// opened offset and next.
func (w *watermark) Advance(next int64) {
	if w.head < len(w.slots) {
		last := &w.slots[len(w.slots)-1]
		last.next = max(last.next, next)
		return
	}
	w.next = max(w.next, next)
}

// Restart notes that what follows begins at next, be it before what was opened
// last: the topic was made anew, or has let go of it. What was opened before is of
// offsets that are gone, and says nothing of those that follow.
func (w *watermark) Restart(next int64) {
	w.anew, w.start = w.first+uint64(len(w.slots)-w.head), next
	if w.head < len(w.slots) {
		w.slots[len(w.slots)-1].next = next
		return
	}
	w.next = next
}

// Next is the offset to commit.
func (w *watermark) Next() int64 {
	if w.first < w.anew {
		return w.start
	}
	return w.next
}

// Open messages that are not passed yet, settled or not: what the window costs.
func (w *watermark) Len() int { return len(w.slots) - w.head }

// Oldest is when the oldest message that is not at rest was written, of those
// that say so.
func (w *watermark) Oldest() (time.Time, bool) {
	for _, s := range w.slots[w.head:] {
		if at := time.UnixMilli(s.at); !s.settled && timed(at) {
			return at, true
		}
	}
	return time.Time{}, false
}

// Size is what the window takes, in bytes.
func (w *watermark) Size() int64 { return int64(cap(w.slots)) * slotCost }

// grow makes room for twice as many slots.
func (w *watermark) grow() {
	had := w.slots
	w.slots = append(w.buffers.takeSlots(len(had)), had...)
	w.buffers.giveSlots(had)
}

// keptSlots are kept when nothing is open.
const keptSlots = 256

// compact gives passed slots back once they are the larger part.
func (w *watermark) compact() {
	if w.head == len(w.slots) && cap(w.slots) > keptSlots {
		if w.buffers != nil {
			w.buffers.giveSlots(w.slots)
		}
		w.slots, w.head = nil, 0
	}
	if w.head < 64 || w.head < len(w.slots)/2 {
		return
	}
	n := copy(w.slots, w.slots[w.head:])
	w.slots = w.slots[:n]
	w.head = 0
}
