package consumer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// abortMarker is the type of the control record that ends an aborted
// transaction (Kafka protocol guide, "Control Batches": 0 abort, 1 commit).
const abortMarker = 0

// decoder takes the committed records at or after a position out of a set, part
// by part, so that what it keeps stays within the budget whatever a batch becomes
// once it is decompressed. Batches of a producer whose aborted transaction has
// begun are passed over until that producer's abort marker. A response lists the
// aborted transactions of its range, so no state is carried between sets.
type decoder struct {
	tp       topicPartition
	account  *account
	codecs   *decompressor
	position int64 // nothing before it is handed out
	next     int64 // everything before it has been handed out
	rest     []byte
	aborted  map[int64]bool // producers inside an aborted transaction
	pending  []abortedTransaction
	names    map[string]string // of headers
	topic    topicID           // zero: it is not known

	batch   recordBatch // at hand
	payload payload     // of it
	left    int         // records of it that are to come; -1: there is no batch
	above   int64       // the last record's offset
	reuse   bool        // buffers and messages are used again once all of a part's are at rest
}

func newDecoder(tp topicPartition, set *recordSet, a *account) *decoder {
	return &decoder{
		tp: tp, account: a, codecs: a.budget.codecs, position: set.from, next: set.from, rest: set.batches, topic: set.topic,
		aborted: map[int64]bool{}, pending: slices.Clone(set.aborted), left: -1,
	}
}

// close gives back what the batch at hand takes.
func (d *decoder) close() {
	d.payload.close(d.account)
	d.left = -1
}

// part decodes the next messages; nil: there are none. It waits for room in the
// budget, until ctx ends. With an error, what was handed out before it is good.
func (d *decoder) part(ctx context.Context) (*part, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if d.left < 0 {
			if len(d.rest) == 0 {
				return nil, nil
			}
			p, err := d.nextBatch(ctx)
			if p != nil || err != nil {
				return p, d.wrap(err)
			}
			continue
		}
		p, err := d.fill(ctx)
		if p != nil || err != nil {
			return p, d.wrap(err)
		}
	}
}

func (d *decoder) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read records of %s/%d: %w", d.tp.topic, d.tp.partition, err)
}

// nextBatch takes the next batch to hand; message sets before v2 come as a part.
func (d *decoder) nextBatch(ctx context.Context) (*part, error) {
	b, ok, err := nextBatch(d.rest)
	if err != nil || !ok {
		return nil, fmt.Errorf("%w: %d bytes of it", errCorrupt, len(d.rest)) // a set holds whole batches alone
	}
	d.rest = d.rest[len(b.raw):]
	d.batch = b
	if b.old() {
		return d.messageSet(ctx)
	}
	// A control record may end a transaction that had no batch in this range.
	aborted := (b.transactional() || b.control()) && d.inAborted(b.producer, b.base)
	if !b.control() && (aborted || b.last < d.position) || b.count == 0 {
		d.next = max(d.next, b.last+1)
		return nil, nil
	}
	if err := d.payload.open(ctx, d, b.codec(), b.raw[batchHeaderEnd:]); err != nil {
		return nil, d.fault(ctx, err)
	}
	d.left, d.above = b.count, b.base-1
	return nil, nil
}

// fault is an error of the batch, unless ctx has ended.
func (d *decoder) fault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, ok := errors.AsType[errTooLarge](err); ok {
		return err // there is nothing wrong with it
	}
	return d.batch.corrupt(err)
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

// run is the records that a part is made of, as they stand in the payload.
type run struct {
	bytes   int // of the payload
	records int
	headers int
	cost    int64
	omit    bool // the one record of it is beyond what is handed out whole
}

// fill makes a part of the next records of the batch at hand; nil: go on.
func (d *decoder) fill(ctx context.Context) (*part, error) {
	var r run
	window, above := d.payload.window, d.above
	for left := d.left; left > 0; left-- {
		head, size, err := recordSize(window[r.bytes:])
		if err != nil {
			return nil, d.fault(ctx, err)
		}
		if end := int64(r.bytes+head) + size; head == 0 || end > int64(len(window)) {
			if r.records > 0 && d.payload.stream != nil {
				break // hand out what is there
			}
			return d.more(ctx, head, size)
		}
		n := head + int(size)
		rec, err := d.batch.parseRecord(window[r.bytes+head:r.bytes+n], above)
		if err == nil && d.batch.control() {
			err = d.mark(&rec)
		}
		if err != nil {
			return nil, d.fault(ctx, err)
		}
		if d.batch.control() || rec.offset < d.position { // the run is empty: offsets rise
			d.pass(&rec, n)
			window, above = d.payload.window, d.above
			continue
		}
		if !r.add(&rec, n, d.account.budget.largest) {
			break // as much as a part holds
		}
		above = rec.offset
	}
	if r.records == 0 { // all that was left is passed over
		d.ended()
		return nil, nil
	}
	return d.collect(ctx, r)
}

// add takes a record into the run, unless the run is full.
func (r *run) add(rec *record, n int, largest int64) bool {
	omit := int64(n) > largest || rec.count > maxHeaders
	cost := rec.cost()
	if r.omit || r.records > 0 && (omit || int64(r.bytes+n)+r.cost+cost > partBytes) {
		return false
	}
	r.bytes += n
	r.records++
	r.headers += rec.count
	r.cost += cost
	r.omit = omit
	return true
}

// mark notes a control record.
func (d *decoder) mark(r *record) error {
	if len(r.key) < 4 { // a version and a type
		return errControl
	}
	if control := binary.BigEndian.Uint16(r.key[2:]); control == abortMarker {
		delete(d.aborted, d.batch.producer)
	}
	return nil
}

var errControl = errors.New("a control record without a type")

// pass passes a record over that is not handed out.
func (d *decoder) pass(r *record, n int) {
	d.payload.pass(n)
	d.above = r.offset
	d.left--
}

// ended passes the batch once it has no more records.
func (d *decoder) ended() {
	if d.left == 0 {
		d.next = max(d.next, d.batch.last+1)
		d.close()
	}
}

// collect makes a part of a run.
func (d *decoder) collect(ctx context.Context, r run) (*part, error) {
	own := !r.omit && d.payload.exactly(r.bytes)
	cost := r.cost
	if d.reuse {
		cost += int64(messagesSize(r.records)-r.records) * messageCost
	}
	if !own {
		cost += int64(bufferSize(r.bytes))
	}
	if r.omit {
		cost = messageCost + slotCost + maxKept
	}
	if err := d.account.acquire(ctx, cost); err != nil {
		return nil, err
	}
	buffer, whole := d.payload.window[:r.bytes], d.payload.buffer
	switch {
	case own:
		cost += d.payload.giveAway()
	case !r.omit:
		buffer = d.codecs.buffers.copyOf(buffer)
		whole = buffer
	}
	messages := d.room(r.records)
	headers := make([]Header, 0, r.headers)
	for range r.records {
		head, size, _ := recordSize(buffer) // they were read before
		rec, _ := d.batch.parseRecord(buffer[head:head+int(size)], d.above)
		buffer = buffer[head+int(size):]
		var omitted *Omitted
		if r.omit {
			omitted = rec.omit()
		}
		n := len(headers)
		messages = append(messages, d.message(&rec, headers[n:n], omitted))
		headers = headers[:n+rec.count]
	}
	if !own {
		d.payload.pass(r.bytes)
	}
	p := d.handOut(messages, cost)
	if d.reuse && !r.omit {
		p.buffer = whole
	}
	return p, nil
}

// room is for n messages.
func (d *decoder) room(n int) []Message {
	if d.reuse {
		return d.codecs.buffers.takeMessages(n)
	}
	return make([]Message, 0, n)
}

// handOut ends the decoding of messages of the batch at hand.
func (d *decoder) handOut(messages []Message, cost int64) *part {
	d.left -= len(messages)
	p := newPart(d.account, messages, cost)
	p.topic = d.topic
	d.above = messages[len(messages)-1].Offset
	d.next = d.above + 1
	d.ended()
	p.next = d.next
	return p
}

// more reads on where a record is cut short at the window's end.
func (d *decoder) more(ctx context.Context, head int, size int64) (*part, error) {
	if head > 0 && int64(head)+size > streamBytes && d.payload.stream != nil {
		return d.large(ctx, int64(head)+size)
	}
	if err := d.payload.refill(); err != nil {
		return nil, d.fault(ctx, err)
	}
	return nil, nil
}
