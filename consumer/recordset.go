package consumer

import (
	"fmt"
)

// recordSet is what one fetch brought for one partition: batches whose headers
// and checksums are good, and whose records are not read yet.
type recordSet struct {
	batches []byte
	aborted []abortedTransaction
	topic   topicID // zero: it is not known
	from    int64   // the offset that was asked for
	next    int64   // the offset after it
	restart bool    // next was set anew, for the offsets before it are gone

	budget *Budget
	cost   int64 // what the set takes of the budget until it is decoded
	span   fetchSpan
}

// close gives back what the set takes.
func (s *recordSet) close() {
	if s.cost > 0 {
		s.budget.give(s.cost)
	}
	s.batches, s.cost = nil, 0
}

// newRecordSet checks what a response has for a partition. With an error, what
// comes before the batch that is at fault is good. It owns what the response
// took of the budget.
func newRecordSet(tp topicPartition, position int64, p *fetchedPartition) (*recordSet, error) {
	s := &recordSet{from: position, next: position, aborted: p.aborted, budget: p.budget, cost: p.cost}
	p.cost = 0
	rest := p.records
	var err error
	for len(rest) > 0 {
		var raw recordBatch
		var whole bool
		raw, whole, err = nextBatch(rest)
		if err == nil && whole {
			err = raw.check()
		}
		if !whole && len(rest) == len(p.records) {
			err = fmt.Errorf("%w: the broker sent %d bytes of it only", errCorrupt, len(rest))
		}
		if err != nil || !whole { // what is cut short comes with the next fetch
			break
		}
		s.next = max(s.next, raw.last+1)
		rest = rest[len(raw.raw):]
	}
	s.batches = p.records[:len(p.records)-len(rest)]
	if err != nil {
		err = fmt.Errorf("read records of %s/%d: %w", tp.topic, tp.partition, err)
	}
	return s, err
}
