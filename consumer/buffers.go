package consumer

import (
	"math/bits"
	"sync"
	"unsafe"
)

// What events are read with is used again once nobody looks at it any more: bytes as
// fetched, parts and their messages, windows. It was two thirds of what the collector
// would have to find.
const (
	// sizeBits are how many bits of a size count, so that one of a like size fits: an
	// eighth of it at most is empty.
	sizeBits = 4
	// leastReused is the smallest.
	leastReused = 8 << 10
	// mostReused is the largest: all that is fetched of a partition at a time.
	mostReused = partitionMaxBytes
	// messageStep is what is set aside of messages, from leastMessages on.
	messageStep   = 16
	leastMessages = 4 * messageStep
	// mostSlots is what a window grows to where nothing comes to rest.
	mostSlots = 2 * maxOpen
	// keptShare is how much of a budget may wait for its next use, where that much is free:
	// one part in so many. Messages come to rest in bursts, call by call.
	keptShare = 2
)

// buffers are those that wait. They are safe for concurrent use.
type buffers struct {
	mu       sync.Mutex
	data     shelf[byte] // guarded by mu, as all below
	messages shelf[Message]
	slots    shelf[slot]
	most     int64
}

// bound says how many bytes may wait, and lets go of those beyond.
func (b *buffers) bound(most int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.most = most
	b.data.shed(b.waiting() - most)
	b.messages.shed(b.waiting() - most)
	b.slots.shed(b.waiting() - most)
}

func (b *buffers) waiting() int64 { return b.data.bytes + b.messages.bytes + b.slots.bytes }

// reused says that buffers of a size are used again.
func reused(size int) bool { return size >= leastReused && size <= mostReused }

// bufferSize is what a buffer for n bytes takes.
func bufferSize(n int) int {
	if !reused(n) {
		return n
	}
	return upTo(n, 1<<(bits.Len(uint(n-1))-sizeBits))
}

// messagesSize is how many messages are set aside for n.
func messagesSize(n int) int {
	if n < leastMessages {
		return n
	}
	return upTo(n, messageStep)
}

func upTo(n, step int) int { return (n + step - 1) / step * step }

// copyOf copies what a part is made of into a buffer of its own.
func (b *buffers) copyOf(src []byte) []byte { return append(b.take(len(src)), src...) }

// take gives an empty buffer with room for n bytes.
func (b *buffers) take(n int) []byte {
	return taken(b, &b.data, bufferSize(n), reused(n))
}

// give takes a buffer back that nobody looks at any more.
func (b *buffers) give(buffer []byte) {
	if size := cap(buffer); !reused(size) || bufferSize(size) != size {
		return
	}
	if poison { // whoever does look is to be found out
		for i := range buffer {
			buffer[i] = 0xdb
		}
	}
	given(b, &b.data, buffer)
}

// takeMessages gives no messages, with room for n.
func (b *buffers) takeMessages(n int) []Message {
	return taken(b, &b.messages, messagesSize(n), n >= leastMessages)
}

// giveMessages takes messages back that nobody looks at any more.
func (b *buffers) giveMessages(messages []Message) {
	if size := cap(messages); size < leastMessages || size%messageStep != 0 {
		return
	}
	clear(messages) // of what they keep: names, and bytes of headers
	if poison {
		for i := range messages {
			messages[i] = Message{Topic: "used again", Partition: -1, Offset: -1}
		}
	}
	given(b, &b.messages, messages)
}

// takeSlots gives no slots, with room for twice as many as there are.
func (b *buffers) takeSlots(had int) []slot {
	size := 1 << bits.Len(uint(2*had-1))
	return taken(b, &b.slots, size, size <= mostSlots)
}

// giveSlots takes a window's slots back.
func (b *buffers) giveSlots(slots []slot) {
	size := cap(slots)
	if size <= keptSlots || size > mostSlots || size&(size-1) != 0 {
		return
	}
	if poison {
		for i := range slots {
			slots[i] = slot{offset: -1, next: -1}
		}
	}
	given(b, &b.slots, slots)
}

// taken is one of a shelf, or a new one.
func taken[T any](b *buffers, s *shelf[T], size int, again bool) []T {
	if again {
		b.mu.Lock()
		one := s.pop(size)
		b.mu.Unlock()
		if one != nil {
			return one
		}
	}
	return make([]T, 0, size)
}

// given puts one on a shelf, if there is room.
func given[T any](b *buffers, s *shelf[T], one []T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting()+bytesOf(one) <= b.most {
		s.push(one[:0])
	}
}

func bytesOf[T any](one []T) int64 {
	var t T
	return int64(cap(one)) * int64(unsafe.Sizeof(t))
}

// shelf has those of one kind that wait.
type shelf[T any] struct {
	free  map[int][][]T // by their size
	bytes int64
}

// pop takes one of a size; nil: there is none.
func (s *shelf[T]) pop(size int) []T {
	free := s.free[size]
	if len(free) == 0 {
		return nil
	}
	last := len(free) - 1
	one := free[last]
	free[last], s.free[size] = nil, free[:last]
	s.bytes -= bytesOf(one)
	return one
}

func (s *shelf[T]) push(one []T) {
	if s.free == nil {
		s.free = map[int][][]T{}
	}
	s.free[cap(one)] = append(s.free[cap(one)], one)
	s.bytes += bytesOf(one)
}

// shed lets go of n bytes or a little more, if there are as many.
func (s *shelf[T]) shed(n int64) {
	if n <= 0 {
		return
	}
	for size := range s.free {
		for n > 0 {
			one := s.pop(size)
			if one == nil {
				break
			}
			n -= bytesOf(one)
		}
	}
}
