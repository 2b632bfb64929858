package consumer

import (
	"context"
	"errors"
	"slices"
)

// account is what one partition has of a budget. Beyond its first set and its first part
// it may have twice what is left for that (dynamic thresholds, as switches share their
// buffers among ports: Choudhury and Hahne, 1998): one that does not come to rest takes two
// thirds, of two each takes two fifths.
type account struct {
	budget *Budget
	held   int64 // what is decoded; guarded by budget.mu, as all below
	parts  int   // decoded and not all at rest
	sets   int64 // what was fetched and is not decoded
	window int64
	gave   bool // back what was fetched: nothing more is, until there is room for it beside the parts
}

// waiter waits for room for so many bytes.
type waiter struct {
	account  *account
	bytes    int64
	answered chan struct{}
	refused  bool // set before answered is closed
}

// errGiveBack says that others have nothing and find no room: what was fetched and is not
// decoded has to make room for them, and is fetched again.
var errGiveBack = errors.New("no room beside what others need")

// acquire waits for room for n bytes. What finds none, because it is greater than
// the budget or because the budget is full of what waits to be decoded, is let
// beyond the limit alone: one partition at a time, one part after the other. It fails with
// errGiveBack, or once ctx ends.
func (a *account) acquire(ctx context.Context, n int64) error {
	b := a.budget
	b.mu.Lock()
	if a.acquireLocked(n) {
		b.mu.Unlock()
		return nil
	}
	w := &waiter{account: a, bytes: n, answered: make(chan struct{})}
	b.waiting = append(b.waiting, w)
	b.mu.Unlock()
	select {
	case <-w.answered:
		return w.err()
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting, w)
	if i < 0 { // it was answered meanwhile
		return w.err()
	}
	b.waiting = slices.Delete(b.waiting, i, i+1)
	b.grant() // whoever came after it may fit
	return ctx.Err()
}

func (w *waiter) err() error {
	if w.refused {
		return errGiveBack
	}
	return nil
}

// grant lets in who waits, as far as there is room. Where there is none for the first part of
// one, there is none for whoever comes after it.
func (b *Budget) grant() {
	full := false
	b.waiting = slices.DeleteFunc(b.waiting, func(w *waiter) bool {
		if full && b.over != w.account {
			return false
		}
		if !w.account.acquireLocked(w.bytes) {
			full = full || w.account.parts == 0
			return false
		}
		close(w.answered)
		return true
	})
}

// makeRoom has those who wait for more than they have in hand already give back what they
// fetched: as long as what they have does not come to rest, they cannot use it.
func (b *Budget) makeRoom() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = slices.DeleteFunc(b.waiting, func(w *waiter) bool {
		if w.account.parts == 0 {
			return false
		}
		w.account.gave, w.refused = true, true
		close(w.answered)
		return true
	})
}

// tryAcquire takes n bytes if there is room.
func (a *account) tryAcquire(n int64) bool {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	return a.acquireLocked(n)
}

func (a *account) acquireLocked(n int64) bool {
	b := a.budget
	within := b.used+n <= b.limit && (a.parts == 0 || a.within(n))
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

// within tells whether the partition may have so much more beside its first part and set.
func (a *account) within(n int64) bool {
	b := a.budget
	return a.held+a.sets+a.window+n <= 2*(b.of(moreParts)-b.used-n)
}

// mayFetch tells whether another set may be asked for, of about n bytes.
func (a *account) mayFetch(n int64) bool {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	b := a.budget
	if a.sets == 0 && (a.parts == 0 || !a.gave) || b.sets < b.of(moreSets) && a.within(n) {
		a.gave = false
		return true
	}
	// Each part that comes to rest would have all partitions looked at.
	b.short, b.enough = true, max(b.enough, b.used-min(fetchWorth, b.of(1)))
	return false
}

// fetched notes a set whose bytes were taken before, or with less than nothing one that is
// decoded.
func (a *account) fetched(n int64) {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	a.sets += n
	a.budget.sets += n
	if n < 0 {
		a.budget.releaseLocked(-n)
		if a.sets == 0 && a.budget.short {
			a.budget.signalLocked()
		}
	}
}

// hasNothing tells whether nothing that was decoded is under way.
func (a *account) hasNothing() bool {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	return a.parts == 0
}

// fetchedSome tells whether there is something that was fetched and is not decoded, or was given
// back.
func (a *account) fetchedSome() bool {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	return a.sets > 0 || a.gave
}

// opens counts so many more bytes of the window, or fewer.
func (a *account) opens(n int64) {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	a.window += n
	if n > 0 {
		a.budget.acquireLocked(n)
	} else {
		a.budget.releaseLocked(-n) // somebody may wait for it
	}
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
	if a.parts == 0 && a.gave { // it may be fetched again, however little that was
		a.budget.signalLocked()
	}
}
