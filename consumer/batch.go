package consumer

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// batch is what one fetch brought for one partition.
type batch struct {
	messages []Message
	next     int64 // offset to go on from; nothing to hand out lies between the last message and it
	bytes    int64
	restart  bool // next was set anew, for the offsets before it are gone
}

// abortMarker is the type of the control record that ends an aborted
// transaction (Kafka protocol guide, "Control Batches": 0 abort, 1 commit).
const abortMarker = 0

// decodeBatch takes the committed records at or after position out of a fetch
// response. kafka-go's readers hand out aborted and control records; here they
// are left out: a batch of a producer whose aborted transaction has begun is
// dropped until that producer's abort marker. The response lists the aborted
// transactions of its range, so no state is carried between fetches. With an
// error, what came before the batch that cannot be read is good.
func decodeBatch(tp topicPartition, position int64, p *fetchedPartition) (batch, error) {
	b := batch{next: position}
	d := decoder{tp: tp, position: position, batch: &b, aborted: map[int64]bool{}, pending: slices.Clone(p.aborted)}
	for rest := p.records; len(rest) > 0; {
		raw, ok, err := nextBatch(rest)
		if !ok && len(rest) == len(p.records) {
			err = fmt.Errorf("%w: the broker sent %d bytes of it only", errCorrupt, len(rest))
		}
		if err == nil && ok {
			err = d.readBatch(raw)
		}
		if err != nil {
			return b, fmt.Errorf("read records of %s/%d: %w", tp.topic, tp.partition, err)
		}
		if !ok {
			break // cut short; it comes with the next fetch
		}
		b.next = max(b.next, raw.last+1)
		rest = rest[len(raw.raw):]
	}
	return b, nil
}

type decoder struct {
	tp       topicPartition
	position int64
	batch    *batch
	at       time.Time      // of the batch at hand, where the broker's time counts
	aborted  map[int64]bool // producers inside an aborted transaction
	pending  []abortedTransaction
	arena    arena
}

// readBatch takes all records of a batch or, with an error, none.
func (d *decoder) readBatch(raw recordBatch) error {
	records, err := raw.records()
	if err != nil {
		return err
	}
	d.at = raw.at
	had, bytes := len(d.batch.messages), d.batch.bytes
	n, err := d.read(records)
	if err == nil && raw.count >= 0 && n != raw.count {
		err = fmt.Errorf("%d of %d records: %w", n, raw.count, io.ErrUnexpectedEOF)
	}
	if err != nil {
		d.batch.messages, d.batch.bytes = d.batch.messages[:had], bytes
		return fmt.Errorf("%w at offset %d: %w", errCorrupt, raw.base, err)
	}
	return nil
}

// read returns how many records there were, whether taken or not.
func (d *decoder) read(r protocol.RecordReader) (int, error) {
	switch r := r.(type) {
	case *protocol.ControlBatch:
		return d.readControl(r)
	case *protocol.RecordBatch:
		return d.readRecords(r.Records, r.Attributes.Transactional() && d.inAborted(r.ProducerID, r.BaseOffset))
	default: // message sets before v2 know no transactions
		return d.readRecords(r, false)
	}
}

// inAborted tells whether a batch of producer at offset belongs to an aborted transaction.
func (d *decoder) inAborted(producer, offset int64) bool {
	d.pending = slices.DeleteFunc(d.pending, func(t abortedTransaction) bool {
		begun := t.producer == producer && t.firstOffset <= offset
		if begun {
			d.aborted[producer] = true
		}
		return begun
	})
	return d.aborted[producer]
}

func (d *decoder) readControl(r *protocol.ControlBatch) (n int, err error) {
	// A control record may end a transaction that had no batch in this range.
	d.inAborted(r.ProducerID, r.BaseOffset)
	for ; ; n++ {
		record, err := r.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		control, err := protocol.ReadControlRecord(record)
		if err != nil {
			return n, err
		}
		if control.Type == abortMarker {
			delete(d.aborted, r.ProducerID)
		}
	}
}

func (d *decoder) readRecords(r protocol.RecordReader, aborted bool) (n int, err error) {
	for ; ; n++ {
		record, err := r.ReadRecord()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if aborted || record.Offset < d.position {
			release(record)
			continue
		}
		if err := d.add(record); err != nil {
			return n, err
		}
	}
}

func release(record *protocol.Record) {
	for _, b := range []protocol.Bytes{record.Key, record.Value} {
		if b != nil {
			_ = b.Close() // page references; closing them cannot fail
		}
	}
}

func (d *decoder) add(record *protocol.Record) error {
	defer release(record)
	m := Message{
		Topic: d.tp.topic, Partition: d.tp.partition, Offset: record.Offset, Time: record.Time,
	}
	if !d.at.IsZero() {
		m.Time = d.at
	}
	var err error
	if m.Key, err = d.arena.copy(record.Key); err != nil {
		return err
	}
	if m.Value, err = d.arena.copy(record.Value); err != nil {
		return err
	}
	m.bytes = int64(len(m.Key) + len(m.Value))
	for _, h := range record.Headers {
		m.Headers = append(m.Headers, Header(h))
		m.bytes += int64(len(h.Key) + len(h.Value))
	}
	d.batch.bytes += m.bytes
	d.batch.messages = append(d.batch.messages, m)
	return nil
}

// arena gives many small copies out of few allocations.
type arena struct{ free []byte }

const arenaSize = 64 << 10

func (a *arena) copy(b protocol.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	n := b.Len()
	if n > len(a.free) {
		a.free = make([]byte, max(n, arenaSize))
	}
	p := a.free[:n:n]
	a.free = a.free[n:]
	if _, err := io.ReadFull(b, p); err != nil {
		return nil, err
	}
	return p, nil
}
