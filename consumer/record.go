package consumer

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// record is one record as it stands in a batch: slices of the batch's bytes.
type record struct {
	offset  int64
	time    int64 // Unix milliseconds
	key     []byte
	value   []byte
	headers []byte // as they stand, checked
	count   int    // of them
}

var (
	errVarint = errors.New("a number that is none")
	errLength = errors.New("a length that is none, or beyond the end of its record")
	errOffset = errors.New("an offset that is out of order, or beyond the end of its batch")
)

// recordSize reads the length that stands before a record: head bytes of it, size
// bytes of the record. A head of 0: the length itself is cut short.
func recordSize(b []byte) (head int, size int64, err error) {
	size, head = binary.Varint(b)
	switch {
	case head == 0 && len(b) < binary.MaxVarintLen64:
		return 0, 0, nil
	case head <= 0:
		return 0, 0, errVarint
	case size <= 0 || size > math.MaxInt32:
		return 0, 0, errLength
	}
	return head, size, nil
}

// fields reads what records are made of (Kafka documentation, "Record"). The
// first that is wrong is the error; what follows reads as nothing.
type fields struct {
	rest []byte
	err  error
}

func (f *fields) varint() int64 {
	v, n := binary.Varint(f.rest)
	if n <= 0 {
		f.fail(errVarint)
		return 0
	}
	f.rest = f.rest[n:]
	return v
}

// bytes reads a length and so many bytes; -1 is nil, where that is allowed.
func (f *fields) bytes(optional bool) []byte {
	n := f.varint()
	if n == -1 && optional {
		return nil
	}
	if n < 0 || n > int64(len(f.rest)) {
		f.fail(errLength)
		return nil
	}
	b := f.rest[:n:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) fail(err error) {
	if f.err == nil {
		f.err = err
	}
	f.rest = nil
}

// parseRecord reads all of one record of a batch, which comes after an offset.
func (b *recordBatch) parseRecord(body []byte, above int64) (r record, err error) {
	f := fields{rest: body[1:]} // its attributes mean nothing yet
	r.time = b.first + f.varint()
	delta := f.varint()
	r.key = f.bytes(true)
	r.value = f.bytes(true)
	count := f.varint()
	if count < 0 || count > int64(len(f.rest)) {
		f.fail(errLength)
		count = 0
	}
	r.headers, r.count = f.rest, int(count)
	for range count {
		f.bytes(false)
		f.bytes(true)
		if f.err != nil {
			break
		}
	}
	if f.err == nil && len(f.rest) > 0 {
		f.fail(errLength)
	}
	r.offset, err = b.offset(delta, above)
	if f.err != nil {
		err = f.err
	}
	return r, err
}

// offset is that of a record, from its distance to the batch's.
func (b *recordBatch) offset(delta, above int64) (int64, error) {
	if delta < 0 || delta > b.last-b.base || b.base+delta <= above {
		return 0, errOffset
	}
	return b.base + delta, nil
}

// cost is what a message of the record takes.
func (r *record) cost() int64 {
	return messageCost + slotCost + int64(r.count)*headerCost + int64(len(r.headers)) // the names are copied
}

// message makes the record a message; its headers are written to room.
func (d *decoder) message(r *record, room []Header, omitted *Omitted) Message {
	m := Message{
		Topic: d.tp.topic, Partition: d.tp.partition, Offset: r.offset, Time: d.batch.at,
		Key: r.key, Value: r.value, Omitted: omitted,
	}
	if m.Time.IsZero() {
		m.Time = time.Unix(r.time/1000, r.time%1000*int64(time.Millisecond))
	}
	if r.count > 0 {
		f := fields{rest: r.headers}
		for range r.count {
			room = append(room, Header{Key: d.name(f.bytes(false)), Value: f.bytes(true)})
		}
		m.Headers = slices.Clip(room) // what follows is the next message's
	}
	return m
}

// maxNames bounds the names of headers that a decoder knows.
const maxNames = 64

// name is a header's name: most records have the same ones.
func (d *decoder) name(b []byte) string {
	if s, ok := d.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(d.names) < maxNames && len(s) < maxNames {
		if d.names == nil {
			d.names = map[string]string{}
		}
		d.names[s] = s
	}
	return s
}

// omit leaves the value and the headers of a record out of its message. Nothing is missed of
// a tombstone.
func (r *record) omit() *Omitted {
	var o *Omitted
	if r.value != nil {
		o = &Omitted{Length: int64(len(r.value)), SHA256: sha256.Sum256(r.value)}
	}
	r.value, r.headers, r.count = nil, nil, 0
	if len(r.key) > maxKept {
		r.key = nil
	}
	r.key = slices.Clone(r.key)
	return o
}

func corruptAt(offset int64, err error) error {
	return fmt.Errorf("%w at offset %d: %w", errCorrupt, offset, err)
}
