package consumer

import (
	"fmt"
	"math"
	"sync"
	"time"
)

// Budget bounds what is kept of what was fetched, over all consumers of a
// process: from the bytes of an answer until the last message of each part is at
// rest. It counts what is retained: whole buffers, and what messages, headers
// and windows take besides. Whoever has it decompresses in turns, as what that takes for
// a moment is not counted.
type Budget struct {
	limit   int64
	largest int64   // of a record that is handed out whole, and of a decompression's window
	batch   int64   // the largest one as it is fetched
	whole   *Budget // counts what this one does, too; nil: nobody
	codecs  *decompressor
	peeks   chan struct{} // fetches for one message each that are under way

	mu       sync.Mutex
	used     int64
	sets     int64         // of that, what waits to be decoded or is
	over     *account      // the one that has been let beyond the limit
	fetched  bool          // a batch has been, too, before it was decoded
	asking   int           // fetches under way
	bringing int           // of those, who asked just now
	short    bool          // there was no room for another one, or not for all partitions
	enough   int64         // then, what used must fall to for who waits to look again
	waiting  []*waiter     // who wait for room to decode, in the order in which they came
	wake     chan struct{} // closed and replaced when more may be fetched
}

// Shares of the budget, in sixteenths. What is fetched and not decoded has little: once it is
// decoded and handed out, more identities are under way.
const (
	budgetParts = 16
	// setsParts is for what is fetched and not decoded, and moreSets for that of partitions
	// which have some already.
	setsParts, moreSets = 4, 3
	// moreParts is for what partitions have besides their first set and part. The rest is
	// for those that have nothing; up to fetchedParts they are fetched. So however little comes
	// to rest of some, the others go on, as long as there is room for a part of each of these.
	fetchedParts, moreParts = 15, 12
)

// of is so many sixteenths of the budget.
func (b *Budget) of(parts int64) int64 { return max(1, b.limit/budgetParts*parts) }

// NewBudget makes a budget of so many bytes. Records beyond largest are never
// whole in memory: they are handed out without their value, see [Message].
func NewBudget(limit, largest int64) *Budget {
	return budgetOf(limit, largest, newDecompressor())
}

func budgetOf(limit, largest int64, codecs *decompressor) *Budget {
	return &Budget{limit: limit, largest: min(largest, maxRecord), batch: limit, codecs: codecs, peeks: make(chan struct{}, peekParallel), wake: make(chan struct{})}
}

// newBudget makes one of a process that is not told what it may take.
func newBudget(limit int64) *Budget {
	b := NewBudget(limit, maxRecord)
	b.batch = math.MaxInt64
	return b
}

// part is a budget of one reader beside the others. It never waits for them, so that
// one who reads while what was read before is waited for cannot wait for itself; but
// what it keeps is counted with theirs, and nothing more is fetched for them meanwhile.
func (b *Budget) part(limit int64) *Budget {
	if b == nil {
		return newBudget(limit)
	}
	p := budgetOf(min(limit, b.limit), b.largest, b.codecs)
	p.whole, p.batch = b, b.batch
	return p
}

// peeksOrOwn is what bounds the fetches for one message each: of all that share the
// budget, or of one reader that has none.
func (b *Budget) peeksOrOwn() chan struct{} {
	if b == nil {
		return make(chan struct{}, peekParallel)
	}
	return b.peeks
}

// Used is what is kept now.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// window is the largest that a decompression may have.
func (b *Budget) window() int64 {
	if b.largest == maxRecord {
		return maxZstdWindow
	}
	return b.largest
}

// acquire counts n bytes that are there already.
func (b *Budget) acquire(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.acquireLocked(n)
}

func (b *Budget) acquireLocked(n int64) {
	b.used += n
	b.counted(n)
}

// counted passes a change on to who counts it, too. Buffers that wait have what is free.
func (b *Budget) counted(n int64) {
	if b.whole == nil {
		b.codecs.buffers.bound(max(0, min(b.limit/keptShare, b.limit-b.used)))
		return
	}
	if n > 0 {
		b.whole.acquire(n)
	} else {
		b.whole.release(-n)
	}
}

// release returns n bytes, and lets in who waits when that made room.
func (b *Budget) release(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.releaseLocked(n)
}

func (b *Budget) releaseLocked(n int64) {
	b.used -= n
	b.counted(-n)
	if b.used <= b.limit {
		b.over, b.fetched = nil, false
	}
	b.grant()
	b.notice()
}

// notice wakes the fetch loops that wait, once there is what they wait for.
func (b *Budget) notice() {
	if b.short && b.used <= b.enough && b.room() > 0 {
		b.signalLocked()
	}
}

func (b *Budget) signal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.signalLocked()
}

func (b *Budget) signalLocked() {
	close(b.wake)
	b.short, b.enough = false, 0
	b.wake = make(chan struct{})
}

// state tells how much may be fetched, and what to wait on for a change.
func (b *Budget) state() (room int64, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if room = b.room(); room <= 0 {
		b.short, b.enough = true, math.MaxInt64
	}
	return room, b.wake
}

// room is how much may be fetched: nothing while there is not enough for the fetches
// that are about to bring something, as what finds no room was fetched for nothing.
// Where three quarters are free, one more may be asked for in any case.
func (b *Budget) room() int64 {
	within := b.of(fetchedParts) - b.used
	if within < min(int64(b.bringing)*fetchWorth, b.of(fetchedParts)/4*3) {
		return 0
	}
	return b.free()
}

// free is how much more may be fetched of partitions that have nothing.
func (b *Budget) free() int64 { return min(b.of(setsParts)-b.sets, b.of(fetchedParts)-b.used) }

// asks counts a fetch that is under way, until done. Brokers answer at once where they
// have something: a fetch that has not been answered for a while waits for what is not
// written yet, or for a broker that is gone, and is in nobody's way.
func (b *Budget) asks() (done func()) {
	b.count(1, 1)
	waits := sync.OnceFunc(func() { b.count(0, -1) })
	timer := time.AfterFunc(fetchBrings, waits)
	return func() {
		timer.Stop()
		waits()
		b.count(-1, 0)
	}
}

// count changes how many fetches are under way, and how many may bring something.
func (b *Budget) count(asking, bringing int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asking += asking
	b.bringing += bringing
	b.notice()
}

// share is what one of the fetches under way may bring: what all of them ask for finds
// room, or it would be passed over and fetched again.
func (b *Budget) share() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.free() / int64(max(1, b.asking))
}

// fits tells whether n bytes more are within the limit.
func (b *Budget) fits(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used+n <= b.limit
}

// acquireFirst counts the n bytes of an answer's first batch. What is larger than
// there is room for is let in alone.
func (b *Budget) acquireFirst(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	within := b.used+n <= b.limit
	if !within && b.fetched || n > b.batch {
		return false
	}
	b.fetched = b.fetched || !within
	b.acquireLocked(n)
	return true
}

// errTooLarge says that a batch is larger than may be kept of any.
type errTooLarge struct{ size, most int64 }

func (e errTooLarge) Error() string {
	return fmt.Sprintf("a batch has %d bytes, and this process may keep %d: give it more memory", e.size, e.most)
}
