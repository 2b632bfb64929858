package sink

import (
	"context"
	"sync"

	"kinesis-destination/sink/deadletter"
)

// budget bounds what is queued, in records and bytes. Whoever finds it used up
// waits. A record that is larger than the whole budget is let in when nothing
// else is there, or it would wait for ever.
type budget struct {
	maxRecords, maxBytes int

	mu             sync.Mutex
	records, bytes int
	room           chan struct{} // closed at the next release; nil while nobody waits
}

// acquire takes room for one record. The error says that it was not taken.
func (b *budget) acquire(ctx context.Context, bytes int, revoked, closed <-chan struct{}) error {
	for {
		room := b.try(bytes)
		if room == nil {
			return nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-revoked:
			return ErrRevoked
		case <-closed:
			return ErrClosed
		}
	}
}

// try takes the room, or returns what to wait for.
func (b *budget) try(bytes int) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.records == 0 || (b.records < b.maxRecords && b.bytes+bytes <= b.maxBytes) {
		b.records++
		b.bytes += bytes
		return nil
	}
	if b.room == nil {
		b.room = make(chan struct{})
	}
	return b.room
}

func (b *budget) release(records, bytes int) {
	if records == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records -= records
	b.bytes -= bytes
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
}

const (
	// directRecords and directBytes bound the rejected records of a source
	// partition that no lane counts.
	directRecords = 1000
	directBytes   = 8 << 20
)

// rooms are budgets by source partition: where the letters of one cannot be
// written, the rejected records of the others go on. What they hold is counted by
// whoever handed the messages out.
type rooms struct {
	mu  sync.Mutex
	all map[sourcePartition]*budget
}

type sourcePartition struct {
	topic     string
	partition int
}

func (r *rooms) of(o *deadletter.Origin) *budget {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := sourcePartition{o.Topic, o.Partition}
	b := r.all[at]
	if b == nil {
		if r.all == nil {
			r.all = map[sourcePartition]*budget{}
		}
		b = &budget{maxRecords: directRecords, maxBytes: directBytes}
		r.all[at] = b
	}
	return b
}

func (r *rooms) used() (records, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.all {
		n, size := b.used()
		records += n
		bytes += size
	}
	return records, bytes
}

func (b *budget) used() (records, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.records, b.bytes
}
