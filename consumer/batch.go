package consumer

import (
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// batch is what one fetch brought for one partition.
type batch struct {
	messages []Message
	next     int64 // offset to go on from; nothing to hand out lies between the last message and it
	bytes    int64
}

// abortMarker is the type of the control record that ends an aborted
// transaction (Kafka protocol guide, "Control Batches": 0 abort, 1 commit).
const abortMarker = 0

// decodeBatch takes the committed records at or after position out of a fetch
// response. kafka-go's readers hand out aborted and control records; here they
// are left out: a batch of a producer whose aborted transaction has begun is
// dropped until that producer's abort marker. The response lists the aborted
// transactions of its range, so no state is carried between fetches.
func decodeBatch(tp topicPartition, position int64, p *fetch.ResponsePartition) (batch, error) {
	b := batch{next: position}
	stream, ok := p.RecordSet.Records.(*protocol.RecordStream)
	if !ok {
		return b, nil
	}
	d := decoder{tp: tp, position: position, batch: &b, aborted: map[int64]bool{}, pending: p.AbortedTransactions}
	for _, r := range stream.Records {
		if err := d.read(r); err != nil {
			return b, fmt.Errorf("read records of %s/%d: %w", tp.topic, tp.partition, err)
		}
	}
	if b.next == position && len(stream.Records) > 0 {
		// Log cleaning may leave a batch without records; the offset asked for
		// lies in it, so nothing is there.
		b.next++
	}
	return b, nil
}

type decoder struct {
	tp       topicPartition
	position int64
	batch    *batch
	aborted  map[int64]bool // producers inside an aborted transaction
	pending  []fetch.ResponseTransaction
	arena    arena
}

func (d *decoder) read(r protocol.RecordReader) error {
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
	for i := 0; i < len(d.pending); {
		if t := d.pending[i]; t.ProducerID == producer && t.FirstOffset <= offset {
			d.aborted[producer] = true
			d.pending = append(d.pending[:i:i], d.pending[i+1:]...)
			continue
		}
		i++
	}
	return d.aborted[producer]
}

func (d *decoder) readControl(r *protocol.ControlBatch) error {
	// A control record may end a transaction that had no batch in this range.
	d.inAborted(r.ProducerID, r.BaseOffset)
	for {
		record, err := r.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		d.batch.next = max(d.batch.next, record.Offset+1)
		control, err := protocol.ReadControlRecord(record)
		if err != nil {
			return err
		}
		if control.Type == abortMarker {
			delete(d.aborted, r.ProducerID)
		}
	}
}

func (d *decoder) readRecords(r protocol.RecordReader, aborted bool) error {
	for {
		record, err := r.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		d.batch.next = max(d.batch.next, record.Offset+1)
		if aborted || record.Offset < d.position {
			release(record)
			continue
		}
		if err := d.add(record); err != nil {
			return err
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
