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
	own            int                       // of the bytes, what is of the sink's own share
	all            map[<-chan struct{}]*room // by the claim's end; nil: of records of no claim
}

// room is what is queued of one source partition.
type room struct {
	of             *rooms
	records, bytes int       // guarded by memory.mu, as all below
	own            int       // of the bytes, what is of the sink's own share
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
	m.grant() // the others' own shares have grown
}

const (
	// ownPart is the part of the memory that the sinks have as their own: one in so many.
	ownPart = 8
	// sinkTimes is how often what is left of the rest a sink may have: alone 75 % of the
	// memory, of two that both need it 40 % each. Of what it may have still a partition may
	// have half: alone 58 % of the memory, of twelve that all need it 6 % each.
	sinkTimes = 6
	// wakeRoom is what room there must be besides for who has waited, at most: some thirty
	// records of the usual size.
	wakeRoom = 32 << 10
)

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
		before := len(rs.all)
		maps.DeleteFunc(rs.all, func(claim <-chan struct{}, r *room) bool {
			return r.records == 0 && len(r.waiters) == 0 && ended(claim)
		})
		gone := before - len(rs.all)
		r = &room{of: rs}
		rs.all[claim] = r
		if gone > 0 {
			rs.memory.grant() // the others' own shares may have grown
		}
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
	switch {
	case r.fits(bytes + more):
	case r.fitsOwn(bytes):
		r.addOwn(bytes)
	case r.records == 0 && m.over == nil:
		m.over = r
	default:
		return false
	}
	r.add(1, bytes)
	return true
}

// fits says whether so many more bytes may be queued of the partition as of what is for
// whoever needs it.
func (r *room) fits(bytes int) bool {
	m, rs := r.of.memory, r.of
	left := m.queue - m.queue/ownPart - (m.queued - m.own) - bytes
	return r.bytes+bytes <= (sinkTimes*left-rs.bytes-bytes)/2
}

// fitsOwn says whether so many more bytes may be queued as of the sink's own share. A
// partition that has nothing queued may take of all of it for one record.
func (r *room) fitsOwn(bytes int) bool {
	m, rs := r.of.memory, r.of
	share := m.queue / ownPart / (len(m.sinks) + 1) // as if there were one more: one may come
	return m.queued+bytes <= m.queue && rs.own+bytes <= share && (r.records == 0 || r.bytes+bytes <= share/len(rs.all))
}

func (r *room) add(records, bytes int) {
	r.records += records
	r.bytes += bytes
	r.of.records += records
	r.of.bytes += bytes
	r.of.memory.queued += bytes
	r.addOwn(-min(r.own, max(0, -bytes))) // what is given back is of the sink's own first
}

func (r *room) addOwn(bytes int) {
	r.own += bytes
	r.of.own += bytes
	r.of.memory.own += bytes
}

// release gives back the room of records, several lists of them at once: everybody who
// waits is looked at after it.
func (rs *rooms) release(lists ...[]settlement) {
	m := rs.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, settled := range lists {
		for _, n := range settled {
			n.rec.room.add(-1, -n.rec.cost)
		}
	}
	if m.over != nil && (m.over.records == 0 || m.queued <= m.queue-m.queue/ownPart) {
		m.over = nil
	}
	m.grant()
}

// grant lets in who waits, once there is some more room than for its record: each record
// that comes to rest would wake a worker for one.
func (m *Memory) grant() {
	m.waiting = slices.DeleteFunc(m.waiting, func(r *room) bool {
		for len(r.waiters) > 0 && r.take(r.waiters[0].bytes, min(r.bytes/4, wakeRoom)) {
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
