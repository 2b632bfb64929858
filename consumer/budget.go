package consumer

import "sync"

// budget bounds the bytes that are fetched and not yet at rest.
type budget struct {
	mu    sync.Mutex
	used  int64
	limit int64
	wake  chan struct{} // closed and replaced on every change
}

func newBudget(limit int64) *budget { return &budget{limit: limit, wake: make(chan struct{})} }

func (b *budget) take(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += n
}

// give returns n bytes, and wakes the fetch loops when that made room.
func (b *budget) give(n int64) {
	b.mu.Lock()
	full := b.used >= b.limit
	b.used -= n
	room := full && b.used < b.limit
	b.mu.Unlock()
	if room {
		b.signal()
	}
}

func (b *budget) signal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.wake)
	b.wake = make(chan struct{})
}

// state tells whether there is room, and what to wait on for a change.
func (b *budget) state() (room bool, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used < b.limit, b.wake
}
