package sink

import (
	"context"
	"sync"
	"unsafe"

	"golang.org/x/sync/semaphore"
)

// Memory bounds what all sinks of a process keep: what they have queued, and what the
// calls take that are under way.
//
// What is queued is counted by source partition, as a worker that waits for room keeps
// only its own partition waiting. Of seven eighths of the memory a sink may have six times
// what is left of them, and a partition half of what its sink may have still (dynamic
// thresholds: Choudhury and Hahne, Dynamic Queue Length Thresholds for Shared-Memory Packet
// Switches, 1998): so all that need more than little come to have as much, however many
// they are.
// The last eighth is shared out among the sinks, and of each among its partitions, so that
// every sink goes on whatever the others hold. A record for which there is no room though its partition has nothing else
// queued is let in alone, one over all partitions, so that the largest record goes through
// the smallest memory.
type Memory struct {
	queue int
	calls int
	call  *semaphore.Weighted // of calls

	mu      sync.Mutex
	sinks   []*rooms // guarded by mu, as all below
	lanes   int      // of all sinks
	queued  int      // bytes
	own     int      // of them, what is of the sinks' own shares
	waiting []*room  // with somebody who waits, the longest first
	over    *room    // that has been let beyond all
}

// NewMemory makes one of so many bytes for queues, and for calls.
func NewMemory(queue, calls int) *Memory {
	return &Memory{queue: queue, calls: calls, call: semaphore.NewWeighted(int64(calls))}
}

const (
	// defaultQueue and defaultCalls are those of a sink whose process is not told
	// what it may take.
	defaultQueue = 384 << 20
	defaultCalls = DefaultLanes * bodyCopies * (maxBatchBytes*4/3 + maxBatchRecords*answerCost)
	// bodyCopies is how often a request counts: as the lane wrote it, and as what
	// other lanes keep of theirs for their next call, see [Memory.kept]. The
	// transport reads the lane's own buffer.
	bodyCopies = 2
	// answerCost is what a record's result takes, as text and parsed.
	answerCost = 512
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

// Used is what is queued now, in bytes.
func (m *Memory) Used() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.queued
}
