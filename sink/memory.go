package sink

import (
	"context"
	"slices"
	"sync"
	"unsafe"

	"golang.org/x/sync/semaphore"
)

// Memory bounds what all sinks of a process keep: what their lanes queue, and what
// the calls take that are under way.
//
// Half of the queue is shared out among the lanes, so that each goes on whatever
// the others hold; the other half is for whoever needs more. A record for which
// there is no room though its lane has nothing else is let in alone, one over all
// lanes, so that the largest record goes through the smallest memory.
type Memory struct {
	queue int
	calls int
	call  *semaphore.Weighted // of calls

	mu      sync.Mutex
	rooms   []*room // guarded by mu, as all below
	lanes   int     // among them
	waiting []*room // with somebody who waits, the longest first
	pooled  int     // of the half that is not shared out
	over    *room   // that has been let beyond all
}

// NewMemory makes one of so many bytes for queues, and for calls.
func NewMemory(queue, calls int) *Memory {
	return &Memory{queue: queue, calls: calls, call: semaphore.NewWeighted(int64(calls))}
}

const (
	// defaultQueue and defaultCalls are those of a sink whose process is not told
	// what it may take.
	defaultQueue = 2 * DefaultLanes * laneBytes
	defaultCalls = DefaultLanes * bodyCopies * (maxBatchBytes*4/3 + maxBatchRecords*answerCost)
	// bodyCopies is how often a request counts: as the lane wrote it, and as what
	// other lanes keep of theirs for their next call, see [Memory.kept]. The
	// transport reads the lane's own buffer.
	bodyCopies = 2
	// answerCost is what a record's result takes, as text and parsed.
	answerCost = 512
	// poolShare is the part of the common half that one lane may have: one in so many.
	poolShare = 4
	// recordCost is what a queued record takes besides its bytes: itself, its owner,
	// its chain, and the places of the two in maps and lists.
	recordCost = int(unsafe.Sizeof(Record{})+unsafe.Sizeof(chain{})+2*unsafe.Sizeof(entry{})) + 224
)

// callCost is what the call of a batch takes.
func (w *wire) callCost(batch []inFlight) int64 {
	bytes, records := 0, 0
	for _, f := range batch {
		for _, e := range f.head {
			bytes += e.rec.sent(w)
			records++
		}
	}
	return int64(bodyCopies*bytes + records*answerCost)
}

// begin waits until a call of a cost may be made, and tells what to give back. One
// that takes more than all calls may is made alone.
func (m *Memory) begin(ctx context.Context, cost int64) (taken int64, err error) {
	taken = min(cost, int64(m.calls))
	return taken, m.call.Acquire(ctx, taken)
}

func (m *Memory) end(taken int64) { m.call.Release(taken) }

// batchBytes bounds a request, so that as many calls as a sink makes fit.
func (m *Memory) batchBytes() int {
	each := m.calls/DefaultLanes - maxBatchRecords*answerCost
	return min(maxBatchBytes, max(minBatchBytes, each/bodyCopies*3/4))
}

// minBatchBytes is what a request may have in any case, unless one record has more.
const minBatchBytes = 64 << 10

// kept is what a lane may keep of its buffers for its next call: all lanes
// together no more than one of the copies of what is under way.
func (m *Memory) kept() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return min(keepCall, m.calls/bodyCopies/max(1, m.lanes))
}

// Used is what is queued now.
func (m *Memory) Used() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, r := range m.rooms {
		n += r.bytes
	}
	return n
}

// room is what one lane has of the queue's memory, or the rejected records of one
// source partition that no lane has.
type room struct {
	memory     *Memory
	maxRecords int
	lane       bool // it has a share of its own

	records, bytes int // guarded by memory.mu, as all below
	pooled         int // of bytes, what is of the common half
	waiters        []*waiter
}

// waiter waits for room for one record. Those of a lane are served in turn.
type waiter struct {
	bytes   int
	granted chan struct{}
}

// room makes another one.
func (m *Memory) room(maxRecords int, lane bool) *room {
	r := &room{memory: m, maxRecords: maxRecords, lane: lane}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rooms = append(m.rooms, r)
	if lane {
		m.lanes++
		m.share()
	}
	return r
}

// close ends a share. Nothing is queued any more.
func (r *room) close() {
	m := r.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.lane {
		m.lanes--
	}
	m.rooms = slices.DeleteFunc(m.rooms, func(other *room) bool { return other == r })
	m.share()
	m.grant()
}

// share finds anew what of the lanes' bytes is of the common half.
func (m *Memory) share() {
	m.pooled = 0
	for _, r := range m.rooms {
		r.pooled = r.beyond(r.bytes)
		m.pooled += r.pooled
	}
}

// beyond is what of a lane's bytes is not of its own share.
func (r *room) beyond(bytes int) int {
	if !r.lane {
		return bytes
	}
	return max(0, bytes-r.memory.queue/2/max(1, r.memory.lanes))
}

// acquire takes room for one record. The error says that it was not taken.
func (r *room) acquire(ctx context.Context, bytes int, revoked, closed <-chan struct{}) error {
	m := r.memory
	m.mu.Lock()
	if len(r.waiters) == 0 && r.take(bytes) {
		m.mu.Unlock()
		return nil
	}
	w := &waiter{bytes, make(chan struct{})}
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
	case <-revoked:
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

// take takes room for one record, if there is any.
func (r *room) take(bytes int) bool {
	m := r.memory
	pooled := r.beyond(r.bytes + bytes)
	half := m.queue - m.queue/2
	fits := r.records < r.maxRecords && (pooled == 0 || pooled <= half/poolShare && m.pooled+pooled-r.pooled <= half)
	if !fits {
		if r.records > 0 || m.over != nil {
			return false
		}
		m.over = r
	}
	r.records++
	r.add(bytes)
	return true
}

func (r *room) add(bytes int) {
	r.bytes += bytes
	pooled := r.beyond(r.bytes)
	r.memory.pooled += pooled - r.pooled
	r.pooled = pooled
}

func (r *room) release(records, bytes int) {
	if records == 0 {
		return
	}
	m := r.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	r.records -= records
	r.add(-bytes)
	if r.records == 0 && m.over == r {
		m.over = nil
	}
	m.grant()
}

// grant lets in who waits, as far as there is room.
func (m *Memory) grant() {
	m.waiting = slices.DeleteFunc(m.waiting, func(r *room) bool {
		for len(r.waiters) > 0 && r.take(r.waiters[0].bytes) {
			close(r.waiters[0].granted)
			r.waiters[0] = nil
			r.waiters = r.waiters[1:]
		}
		return len(r.waiters) == 0
	})
}

func (r *room) used() (records, bytes int) {
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	return r.records, r.bytes
}
