package consumer

import (
	"context"
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
	over     *account      // the one that has been let beyond the limit
	fetched  bool          // a batch has been, too, before it was decoded
	asking   int           // fetches under way
	bringing int           // of those, who asked just now
	short    bool          // there was no room for another one
	waiting  int           // who wait for room to decode
	wake     chan struct{} // closed and replaced on every change
}

// decodeShare keeps a part of the budget from what is fetched, so that what is
// fetched already can be decoded, handed out and forgotten: one in so many.
const decodeShare = 4

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

func (b *Budget) fetchLimit() int64 { return b.limit - b.limit/decodeShare }

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

// release returns n bytes, and wakes who waits when that made room.
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
	if b.waiting > 0 || b.short && b.room() > 0 {
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
	b.short = false
	b.wake = make(chan struct{})
}

// state tells how much may be fetched, and what to wait on for a change.
func (b *Budget) state() (room int64, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	room = b.room()
	b.short = b.short || room <= 0
	return room, b.wake
}

// room is how much may be fetched: nothing while there is not enough for the fetches
// that are about to bring something, as what finds no room was fetched for nothing.
// Where three quarters are free, one more may be asked for in any case.
func (b *Budget) room() int64 {
	free := b.fetchLimit() - b.used
	if free < min(int64(b.bringing)*fetchWorth, b.fetchLimit()/4*3) {
		return 0
	}
	return free
}

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
	if b.short && b.room() > 0 {
		b.signalLocked()
	}
}

// share is what one of the fetches under way may bring: what all of them ask for finds
// room, or it would be passed over and fetched again.
func (b *Budget) share() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return (b.fetchLimit() - b.used) / int64(max(1, b.asking))
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

// account is what one partition's decoding has of a budget.
type account struct {
	budget *Budget
	held   int64 // guarded by budget.mu, as all below
	parts  int   // decoded and not all at rest
}

// acquire waits for room for n bytes. What finds none, because it is greater than
// the budget or because the budget is full of what waits to be decoded, is let
// beyond the limit alone: one partition at a time, one part after the other.
func (a *account) acquire(ctx context.Context, n int64) error {
	b := a.budget
	for {
		b.mu.Lock()
		if a.acquireLocked(n) {
			b.mu.Unlock()
			return nil
		}
		b.waiting++
		wake := b.wake
		b.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-wake:
		}
		b.mu.Lock()
		b.waiting--
		b.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// tryAcquire takes n bytes if there is room.
func (a *account) tryAcquire(n int64) bool {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	return a.acquireLocked(n)
}

func (a *account) acquireLocked(n int64) bool {
	b := a.budget
	within := b.used+n <= b.limit
	alone := (b.over == nil || b.over == a) && a.parts == 0
	if !within && !alone {
		return false
	}
	b.acquireLocked(n)
	a.held += n
	if !within {
		b.over = a
	}
	return true
}

func (a *account) release(n int64) {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	a.releaseLocked(n)
}

func (a *account) releaseLocked(n int64) {
	a.held -= n
	if a.held == 0 && a.budget.over == a {
		a.budget.over = nil
	}
	a.budget.releaseLocked(n)
}

// opened notes that a part is handed out, whose bytes were taken before.
func (a *account) opened() {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	a.parts++
}

// closed gives back what a part took, once all of it is at rest.
func (a *account) closed(n int64) {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	a.parts--
	a.releaseLocked(n)
}
