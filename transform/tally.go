package transform

import "sync/atomic"

// Tally counts one mapped segment: whether an event has listed it, and the records that left with it. It may be used
// by many goroutines at once.
type Tally struct {
	listed atomic.Bool
	_      [60]byte // every event looks at what is above; what is below changes with each record
	counts [tallied]atomic.Int64
}

// tallied is how many statuses are told apart: an event may name any.
const tallied = 4

// TalliedStatuses are the statuses that records are counted by; the last one is all others.
var TalliedStatuses = [tallied]string{statusRealized, statusExisting, statusExited, "other"}

// Listed says that an event has listed the segment.
func (t *Tally) Listed() bool { return t.listed.Load() }

// Exported is how many records left with the segment, in the order of TalliedStatuses.
func (t *Tally) Exported() (by [tallied]int64) {
	for i := range by {
		by[i] = t.counts[i].Load()
	}
	return by
}

// Noted is which mapped segments are in one record. It is counted when the record is delivered, and used again for the
// next one, so that it costs no allocation. The zero value notes nothing until Begin.
type Noted struct {
	tallies []*Tally
	codes   []uint16 // index of a segment, times tallied, and its status
	few     [8]uint16
}

// keepNoted is how many segments of a record are kept room for.
const keepNoted = 256

// Begin takes the tallies of the activation's segments, in their order, for the next record; nil: nothing is noted.
func (n *Noted) Begin(tallies []*Tally) {
	n.tallies = tallies
	if cap(n.codes) == 0 || cap(n.codes) > keepNoted {
		n.codes = n.few[:]
	}
	n.codes = n.codes[:0]
}

// Held is how many bytes it keeps beside itself.
func (n *Noted) Held() int {
	if cap(n.codes) <= len(n.few) {
		return 0
	}
	return 2 * cap(n.codes)
}

// Delivered counts what is noted.
func (n *Noted) Delivered() {
	for _, code := range n.codes {
		n.tallies[code/tallied].counts[code%tallied].Add(1)
	}
}

// list notes that an event lists a mapped segment.
func (n *Noted) list(segment int) {
	if n == nil || segment >= len(n.tallies) {
		return
	}
	if t := n.tallies[segment]; !t.listed.Load() { // it is written once
		t.listed.Store(true)
	}
}

// write notes that a mapped segment is in the record.
func (n *Noted) write(segment int, status string) {
	if n == nil || segment >= len(n.tallies) || segment > maxTallied {
		return
	}
	code := 0
	for code < tallied-1 && TalliedStatuses[code] != status {
		code++
	}
	n.codes = append(n.codes, uint16(segment*tallied+code))
}

// maxTallied is the last index that a code has room for: 65 times what the platform supports.
const maxTallied = (1<<16 - tallied) / tallied
