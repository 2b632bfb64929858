package destination

import (
	"context"
	"slices"
	"sync"

	"kinesis-destination/cmd/internal/letter"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/sink"
	"kinesis-destination/transform"
)

// delivery is a message on its way through the sink: the record, the buffer that
// it is written in, and who hears what became of it. One is lent to each event; an
// event that does not leave gives it back at once, an exported one when the stream
// has the record. So an event's export is written once, and allocates nothing but
// its partition key.
type delivery struct {
	record   sink.Record
	pipeline *pipeline
	message  *consumer.Message
	reason   string // why it is exported other than as it is
	buffer   []byte // empty; where the next event is written
}

// deliveries are those that are not lent. Only those come back of which the sink
// has nothing any more: a dead-lettered record may still be looked at by who writes
// letters, and a withdrawn one by who withdraws.
type deliveries struct{ pool sync.Pool }

const (
	// firstBuffer is how large a buffer begins: a usual record.
	firstBuffer = 1 << 10
	// keepBuffer is how large a buffer is kept for the next events.
	keepBuffer = 256 << 10
	// slackBuffer is how much more than twice its record a buffer may have that waits
	// with it in the sink, which counts all of it.
	slackBuffer = firstBuffer
)

func (ds *deliveries) acquire() *delivery {
	if d, ok := ds.pool.Get().(*delivery); ok {
		return d
	}
	return &delivery{buffer: make([]byte, 0, firstBuffer)}
}

// release takes a delivery that nobody looks at any more.
func (ds *deliveries) release(d *delivery) {
	if cap(d.buffer) > keepBuffer {
		d.buffer = make([]byte, 0, firstBuffer)
	}
	d.record, d.pipeline, d.message, d.reason = sink.Record{}, nil, nil, ""
	ds.pool.Put(d)
}

// wrote takes what was written into the buffer, which may have grown.
func (d *delivery) wrote(data []byte) {
	if cap(data) > cap(d.buffer) {
		d.buffer = data[:0]
	}
}

// export makes the record of an event that leaves. It goes in the buffer that it
// was written in, unless that is of an event that was much larger.
func (p *pipeline) export(ctx context.Context, d *delivery, m *consumer.Message, decision transform.Decision) *sink.Record {
	data := decision.Data
	if cap(data) > 2*len(data)+slackBuffer {
		data = slices.Clone(data)
	} else {
		d.buffer = nil // it is the record's until the record is delivered
	}
	return p.record(ctx, d, m, decision.PartitionKey, data, string(decision.Reason))
}

func (p *pipeline) record(ctx context.Context, d *delivery, m *consumer.Message, key string, data []byte, reason string) *sink.Record {
	d.pipeline, d.message, d.reason = p, m, reason
	origin := letter.Origin(m)
	origin.Counted = true // until it is settled
	d.record = sink.Record{
		PartitionKey: key,
		Data:         data,
		Origin:       origin,
		Revoked:      m.Revoked(),
		Owner:        d,
		Links:        p.links(ctx, m),
	}
	return &d.record
}

// Done settles the message.
func (d *delivery) Done(outcome sink.Outcome, reason string) {
	p := d.pipeline
	switch outcome {
	case sink.Delivered:
		if d.message.Timed() {
			p.account.Delivered(d.message.Time)
		}
		p.settle(d.message, rules.Delivered, d.reason)
		if d.buffer == nil {
			d.buffer = d.record.Data[:0]
		}
		p.deliveries.release(d)
	case sink.AtRest:
		p.settle(d.message, rules.Filtered, reason)
	default:
		p.settle(d.message, rules.DeadLettered, reason)
	}
}

// Withdrawn gives the message back, to be read again by the partition's next owner.
func (d *delivery) Withdrawn() {
	d.pipeline.account.Withdrawn()
	d.message.Withdraw()
}
