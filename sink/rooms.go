package sink

import (
	"context"
	"maps"
	"slices"
)

// rooms are what one sink has queued: a room for each claim on a source partition.
type rooms struct {
	memory *Memory
	lanes  int

	records, bytes int                       // guarded by memory.mu, as all below
	all            map[<-chan struct{}]*room // by the claim's end; nil: of records of no claim
}

// room is what is queued of one source partition.
type room struct {
	of             *rooms
	records, bytes int       // guarded by memory.mu, as all below
	waiters        []*waiter // served in turn
}

// waiter waits for room for one record.
type waiter struct {
	bytes   int
	granted chan struct{}
}

// rooms makes those of another sink, of so many lanes.
func (m *Memory) rooms(lanes int) *rooms {
	rs := &rooms{memory: m, lanes: lanes, all: map[<-chan struct{}]*room{}}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sinks = append(m.sinks, rs)
	m.lanes += lanes
	return rs
}

// close ends the sink's share. Nothing of it is queued any more.
func (rs *rooms) close() {
	m := rs.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sinks = slices.DeleteFunc(m.sinks, func(other *rooms) bool { return other == rs })
	m.lanes -= rs.lanes
}

// leftTimes is how often what is left one partition may have: alone 58 % of the memory, one
// of twelve that all need it 7 %.
const leftTimes = 2

// acquire takes room for a record, and waits while there is none. The error says that it
// was not taken.
func (rs *rooms) acquire(ctx context.Context, rec *Record, closed <-chan struct{}) error {
	m := rs.memory
	m.mu.Lock()
	r := rs.find(rec.Revoked)
	rec.room = r
	if len(r.waiters) == 0 && r.take(rec.cost, 0) {
		m.mu.Unlock()
		return nil
	}
	w := &waiter{rec.cost, make(chan struct{})}
	if r.waiters = append(r.waiters, w); len(r.waiters) == 1 {
		m.waiting = append(m.waiting, r)
	}
	m.mu.Unlock()
	var err error
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-rec.Revoked:
		err = ErrRevoked
	case <-closed:
		err = ErrClosed
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.Index(r.waiters, w)
	if i < 0 { // it was granted meanwhile
		return nil
	}
	r.waiters = slices.Delete(r.waiters, i, i+1)
	m.grant() // whoever came after it may fit
	return err
}

// find is the room of a claim. A new one takes the place of those whose claims have ended.
func (rs *rooms) find(claim <-chan struct{}) *room {
	r := rs.all[claim]
	if r == nil {
		maps.DeleteFunc(rs.all, func(claim <-chan struct{}, r *room) bool {
			return r.records == 0 && len(r.waiters) == 0 && ended(claim)
		})
		r = &room{of: rs}
		rs.all[claim] = r
	}
	return r
}

// ended says whether a claim has.
func ended(claim <-chan struct{}) bool {
	select {
	case <-claim:
		return true
	default:
		return false
	}
}

// take takes room for one record, if there is any for it and for so much more.
func (r *room) take(bytes, more int) bool {
	m := r.of.memory
	if !r.fits(bytes + more) {
		if r.records > 0 || m.over != nil {
			return false
		}
		m.over = r
	}
	r.add(1, bytes)
	return true
}

// fits says whether so many more bytes may be queued of the partition.
func (r *room) fits(bytes int) bool {
	m := r.of.memory
	queued, shared := m.queued+bytes, m.queue/8
	own := shared / max(1, len(m.sinks)*len(r.of.all)) // of a closed sink
	return queued <= m.queue && r.bytes+bytes <= max(own, leftTimes*(m.queue-shared-queued))
}

func (r *room) add(records, bytes int) {
	r.records += records
	r.bytes += bytes
	r.of.records += records
	r.of.bytes += bytes
	r.of.memory.queued += bytes
}

// release gives back the room of records.
func (rs *rooms) release(settled []settlement) {
	if len(settled) == 0 {
		return
	}
	m := rs.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range settled {
		r := n.rec.room
		r.add(-1, -n.rec.cost)
		if r.records == 0 && m.over == r {
			m.over = nil
		}
	}
	m.grant()
}

// grant lets in who waits, once there is room for a quarter more than the partition has:
// each record that comes to rest would wake a worker for one.
func (m *Memory) grant() {
	m.waiting = slices.DeleteFunc(m.waiting, func(r *room) bool {
		for len(r.waiters) > 0 && r.take(r.waiters[0].bytes, r.bytes/4) {
			close(r.waiters[0].granted)
			r.waiters[0] = nil
			r.waiters = r.waiters[1:]
		}
		return len(r.waiters) == 0
	})
}

// used is how many records are queued, and their bytes.
func (rs *rooms) used() (records, bytes int) {
	rs.memory.mu.Lock()
	defer rs.memory.mu.Unlock()
	return rs.records, rs.bytes
}
