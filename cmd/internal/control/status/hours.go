package status

import (
	"maps"
	"slices"
	"time"
)

// ledger turns the counts of a flow, which only grow, into hours. It is pure, but for
// itself.
type ledger struct {
	sandbox string
	last    Counts
	hours   []*hour // the present one last; before it those of which something is under way
}

// hour is what was received in one hour, and what became of it.
type hour struct {
	at          time.Time
	first, last time.Time
	activated   int64
	excluded    map[string]int64
	failed      map[string]int64
	underWay    int64
	segments    map[string]int64
	dirty       bool // it is not written as it is
}

func (h *hour) received() int64 {
	return h.activated + sum(h.excluded) + sum(h.failed) + h.underWay
}

func sum(by map[string]int64) (n int64) {
	for _, v := range by {
		n += v
	}
	return n
}

// count takes what a flow has counted so far.
func (l *ledger) count(now time.Time, c Counts) {
	if c.Activated < l.last.Activated || shrunk(l.last.Excluded, c.Excluded) || shrunk(l.last.Failed, c.Failed) {
		l.begin()
	}
	done := c.Activated - l.last.Activated + sum(c.Excluded) - sum(l.last.Excluded) + sum(c.Failed) - sum(l.last.Failed)
	switch received := done + c.UnderWay - l.last.UnderWay; {
	case received > 0:
		l.now(now).take(now, received)
	case received < 0:
		l.withdraw(now, -received)
	}
	activated := c.Activated - l.last.Activated
	l.settle(now, activated, func(h *hour, n int64) { h.activated += n })
	for _, reason := range slices.Sorted(maps.Keys(c.Excluded)) {
		l.settle(now, c.Excluded[reason]-l.last.Excluded[reason], func(h *hour, n int64) { add(h.excluded, reason, n, maxReasons) })
	}
	for _, reason := range slices.Sorted(maps.Keys(c.Failed)) {
		l.settle(now, c.Failed[reason]-l.last.Failed[reason], func(h *hour, n int64) { add(h.failed, reason, n, maxReasons) })
	}
	for _, id := range slices.Sorted(maps.Keys(c.Segments)) {
		if n := c.Segments[id] - l.last.Segments[id]; n > 0 {
			h := l.now(now)
			add(h.segments, id, n, maxSegments)
			h.touch(now)
		}
	}
	l.last = Counts{
		Activated: c.Activated, UnderWay: c.UnderWay,
		Excluded: maps.Clone(c.Excluded), Failed: maps.Clone(c.Failed), Segments: maps.Clone(c.Segments),
	}
}

// begin takes the counts to begin anew: the flow was made anew, and what was under way
// in it was given back.
func (l *ledger) begin() {
	for _, h := range l.hours {
		h.dirty = h.dirty || h.underWay > 0
		h.underWay = 0
	}
	l.last = Counts{}
}

func shrunk(before, now map[string]int64) bool {
	for name, n := range before {
		if now[name] < n {
			return true
		}
	}
	return false
}

// now is the present hour.
func (l *ledger) now(now time.Time) *hour {
	at := now.UTC().Truncate(time.Hour)
	if n := len(l.hours); n > 0 && !l.hours[n-1].at.Before(at) { // also where the clock was put back
		return l.hours[n-1]
	}
	h := &hour{at: at, first: now, excluded: map[string]int64{}, failed: map[string]int64{}, segments: map[string]int64{}}
	l.hours = append(l.hours, h)
	return h
}

func (h *hour) touch(now time.Time) { h.last, h.dirty = now, true }

func (h *hour) take(now time.Time, n int64) {
	h.underWay += n
	h.touch(now)
}

// settle counts an outcome of those that are under way for the longest time.
func (l *ledger) settle(now time.Time, n int64, outcome func(h *hour, n int64)) {
	for _, h := range l.hours {
		part := min(n, h.underWay)
		if part <= 0 {
			continue
		}
		h.underWay -= part
		outcome(h, part)
		h.touch(now)
		n -= part
	}
}

// withdraw takes back those that came last: they were given to another process.
func (l *ledger) withdraw(now time.Time, n int64) {
	for _, h := range slices.Backward(l.hours) {
		part := min(n, h.underWay)
		if part > 0 {
			h.underWay -= part
			h.touch(now)
			n -= part
		}
	}
}

// written lets go of hours that are over, and are written as they are.
func (l *ledger) written(now time.Time, retention time.Duration) {
	present := now.UTC().Truncate(time.Hour)
	l.hours = slices.DeleteFunc(l.hours, func(h *hour) bool {
		return h.at.Before(present) && (h.underWay == 0 && !h.dirty || now.Sub(h.at) > retention)
	})
}

func (h *hour) record(store, flow, sandbox, process string) runRecord {
	return runRecord{
		V: format, Store: store, Flow: flow, Sandbox: sandbox, Process: process, Hour: h.at, First: h.first, Last: h.last,
		Activated: h.activated, Excluded: h.excluded, Failed: h.failed, UnderWay: h.underWay, Segments: h.segments,
	}
}
