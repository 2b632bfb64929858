package consumer

import (
	"context"
	"sync"
)

// budget bounds what is kept of what was fetched, over all partitions of a
// process: from the bytes of an answer until the last message of each part is at
// rest. It counts what is retained: whole buffers, and what messages, headers
// and windows take besides.
type budget struct {
	limit int64

	mu      sync.Mutex
	used    int64
	over    *account      // the one that has been let beyond the limit
	waiting int           // who wait for room to decode
	wake    chan struct{} // closed and replaced on every change
}

// decodeShare keeps a part of the budget from what is fetched, so that what is
// fetched already can be decoded, handed out and forgotten: one in so many.
const decodeShare = 4

func newBudget(limit int64) *budget { return &budget{limit: limit, wake: make(chan struct{})} }

func (b *budget) fetchLimit() int64 { return b.limit - b.limit/decodeShare }

// take counts n bytes that are there already.
func (b *budget) take(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += n
}

// give returns n bytes, and wakes who waits when that made room.
func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.giveLocked(n)
}

func (b *budget) giveLocked(n int64) {
	full := b.used >= b.fetchLimit()
	b.used -= n
	if b.used <= b.limit {
		b.over = nil
	}
	if b.waiting > 0 || full && b.used < b.fetchLimit() {
		b.signalLocked()
	}
}

func (b *budget) signal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.signalLocked()
}

func (b *budget) signalLocked() {
	close(b.wake)
	b.wake = make(chan struct{})
}

// state tells how much may be fetched, and what to wait on for a change.
func (b *budget) state() (room int64, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fetchLimit() - b.used, b.wake
}

// fits tells whether n bytes more are within the limit.
func (b *budget) fits(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used+n <= b.limit
}

// account is what one partition's decoding has of a budget.
type account struct {
	budget *budget
	held   int64 // guarded by budget.mu, as all below
	parts  int   // decoded and not all at rest
}

// take waits for room for n bytes. What finds none, because it is greater than
// the budget or because the budget is full of what waits to be decoded, is let
// beyond the limit alone: one partition at a time, one part after the other.
func (a *account) take(ctx context.Context, n int64) error {
	b := a.budget
	for {
		b.mu.Lock()
		if a.takeLocked(n) {
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

// try takes n bytes if there is room.
func (a *account) try(n int64) bool {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	return a.takeLocked(n)
}

func (a *account) takeLocked(n int64) bool {
	b := a.budget
	within := b.used+n <= b.limit
	alone := (b.over == nil || b.over == a) && a.parts == 0
	if !within && !alone {
		return false
	}
	b.used += n
	a.held += n
	if !within {
		b.over = a
	}
	return true
}

func (a *account) give(n int64) {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	a.giveLocked(n)
}

func (a *account) giveLocked(n int64) {
	a.held -= n
	if a.held == 0 && a.budget.over == a {
		a.budget.over = nil
	}
	a.budget.giveLocked(n)
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
	a.giveLocked(n)
}
