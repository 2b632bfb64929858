package consumer

import "sync"

// Buffers of parts are used again once all messages of the part are at rest: half of
// what the collector would have to find was of these.
const (
	// bufferStep is what their sizes are multiples of, so that one of another part fits.
	bufferStep = 8 << 10
	// leastReused is the smallest: it must not be much larger than what is in it.
	leastReused = 32 << 10
	// keptShare is how much of a budget may wait for its next use, where that much is free:
	// one part in so many. Messages come to rest in bursts, call by call.
	keptShare = 4
)

// buffers are those that wait. They are safe for concurrent use.
type buffers struct {
	mu    sync.Mutex
	free  [partBytes/bufferStep + 1][][]byte // by their size; guarded by mu, as all below
	bytes int64
	most  int64
}

// bound says how many bytes may wait, and lets go of those beyond.
func (b *buffers) bound(most int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.most = most
	for size := len(b.free) - 1; b.bytes > most && size > 0; size-- {
		for len(b.free[size]) > 0 && b.bytes > most {
			b.pop(size * bufferStep)
		}
	}
}

// reused says that buffers of a size are used again.
func reused(size int) bool { return size >= leastReused && size <= partBytes }

// bufferSize is what a buffer for n bytes takes.
func bufferSize(n int) int {
	if !reused(n) {
		return n
	}
	return (n + bufferStep - 1) / bufferStep * bufferStep
}

// copyOf copies what a part is made of into a buffer of its own.
func (b *buffers) copyOf(src []byte) []byte { return append(b.take(len(src)), src...) }

// take gives an empty buffer with room for n bytes.
func (b *buffers) take(n int) []byte {
	size := bufferSize(n)
	if reused(n) {
		if buffer := b.waiting(size); buffer != nil {
			return buffer
		}
	}
	return make([]byte, 0, size)
}

func (b *buffers) waiting(size int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.free[size/bufferStep]) == 0 {
		return nil
	}
	return b.pop(size)
}

// pop takes one of those of a size; there is one.
func (b *buffers) pop(size int) []byte {
	free := b.free[size/bufferStep]
	last := len(free) - 1
	buffer := free[last]
	free[last], b.free[size/bufferStep] = nil, free[:last]
	b.bytes -= int64(size)
	return buffer
}

// give takes a buffer back that nobody looks at any more.
func (b *buffers) give(buffer []byte) {
	size := cap(buffer)
	if !reused(size) || size%bufferStep != 0 {
		return
	}
	if poison { // whoever does look is to be found out
		for i := range buffer {
			buffer[i] = 0xdb
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bytes+int64(size) <= b.most {
		b.free[size/bufferStep] = append(b.free[size/bufferStep], buffer[:0])
		b.bytes += int64(size)
	}
}
