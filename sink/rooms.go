package sink

import (
	"sync"

	"kinesis-destination/sink/deadletter"
)

// directRecords bounds the rejected records of a source partition that no lane
// counts.
const directRecords = 1000

// rooms are those of rejected records, by source partition: where the letters of
// one cannot be written, the rejected records of the others go on.
type rooms struct {
	memory *Memory

	mu  sync.Mutex
	all map[sourcePartition]*room
}

type sourcePartition struct {
	topic     string
	partition int
}

func (r *rooms) of(o *deadletter.Origin) *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := sourcePartition{o.Topic, o.Partition}
	b := r.all[at]
	if b == nil {
		if r.all == nil {
			r.all = map[sourcePartition]*room{}
		}
		b = r.memory.room(directRecords, false)
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

// close ends their shares.
func (r *rooms) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.all {
		b.close()
	}
}
