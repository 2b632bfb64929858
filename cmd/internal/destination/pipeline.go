// Package destination composes one destination out of its stages, and holds
// what only the composition knows: configuration, accounts, holds, readiness.
package destination

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/cmd/internal/letter"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
	"kinesis-destination/schemas/backoff"
	"kinesis-destination/sink"
	"kinesis-destination/sink/deadletter"
	"kinesis-destination/transform"
)

// pipeline takes each message from arrival to rest: decode, apply, then put,
// filter or reject. A message settles exactly once, when it is at rest.
type pipeline struct {
	decoder *schemas.Decoder
	rules   atomic.Pointer[rules.Ruleset] // those in force
	sink    *sink.Sink
	account *account
	holds   *hold.Holds
	parking *deadletters.Parking // nil: deadLetter.park is off
	traced  bool                 // records carry the spans that they come from

	deliveries deliveries
	scratches  scratches
	rejections *rejections
}

// Handle is the consumer's handler. It blocks while the sink is full, while the
// registry is away, and while policy forbids the export.
func (p *pipeline) Handle(ctx context.Context, m *consumer.Message) error {
	p.account.Consumed()
	var err error
	if p.parking != nil {
		err = p.parking.Await(ctx, m)
	}
	if err == nil {
		err = p.handle(ctx, m)
	}
	if err != nil {
		p.account.Withdrawn()
	}
	return err
}

func (p *pipeline) handle(ctx context.Context, m *consumer.Message) error {
	if m.Value == nil && m.Omitted == nil {
		p.settle(m.Ack, rules.Filtered, rules.ReasonTombstone)
		return nil
	}
	event, err := p.decode(ctx, m)
	if err != nil {
		failure, own := rules.DecodeFailure(err)
		if !own {
			return err // the claim has ended
		}
		return p.reject(ctx, m, "", failure)
	}
	d, into := p.deliveries.acquire(), p.scratches.acquire()
	defer p.scratches.release(into)
	decision, err := p.evaluate(ctx, m, event, d, into)
	if decision.Outcome == transform.Export {
		if len(decision.Data) > sink.CopiedAtMost {
			into.buffer = nil // the sink keeps it
		}
		return p.sink.Put(ctx, p.record(ctx, d, m, decision.PartitionKey, decision.Data, string(decision.Reason)))
	}
	p.deliveries.release(d)
	switch decision.Outcome {
	case transform.Filter:
		p.settle(m.Ack, rules.Filtered, string(decision.Reason))
		return nil
	case transform.Reject:
		return p.reject(ctx, m, decision.PartitionKey, rules.Rejection(decision, err))
	}
	return err // held until the claim ended, or it ended while the event was walked over
}

// decode finds the message's writer schema. While the registry cannot answer it
// asks again: that is not the message's fault.
func (p *pipeline) decode(ctx context.Context, m *consumer.Message) (schemas.Event, error) {
	event, err := rules.DecodeMessage(ctx, p.decoder, m)
	if err == nil || rules.IsMessageFault(err) {
		return event, err
	}
	defer p.holds.Set(hold.Key{Source: "registry", Topic: m.Topic, Partition: m.Partition}, "", nil)
	wait := hold.NewBackoff()
	for {
		p.holds.Set(hold.Key{Source: "registry", Topic: m.Topic, Partition: m.Partition}, rules.HoldRegistry, err)
		if err := backoff.Sleep(ctx, wait.NextBackOff()); err != nil {
			return event, err
		}
		event, err = rules.DecodeMessage(ctx, p.decoder, m)
		if err == nil || rules.IsMessageFault(err) {
			return event, err
		}
	}
}

// evaluate decides by the rules in force. While they forbid the export the partition
// stays where it is, because only the operator can decide what is to change; with
// each switch of the rules the event is judged anew.
func (p *pipeline) evaluate(ctx context.Context, m *consumer.Message, event schemas.Event, d *delivery, into *scratch) (transform.Decision, error) {
	source := rules.SourceIn(m)
	source.Done = ctx.Done()
	inForce := p.rules.Load()
	decision, err := d.evaluate(inForce, event, source, into)
	if decision.Outcome != transform.Hold {
		return decision, err
	}
	key := hold.Key{Source: "policy", Topic: m.Topic, Partition: m.Partition}
	defer p.holds.Set(key, "", nil)
	for decision.Outcome == transform.Hold {
		p.holds.Set(key, rules.HoldViolation, err)
		select {
		case <-ctx.Done():
			return decision, ctx.Err()
		case <-inForce.Ended:
		}
		inForce = p.rules.Load()
		decision, err = d.evaluate(inForce, event, source, into)
	}
	return decision, err
}

// evaluate decides by one version of the rules, and writes the document into a scratch.
func (d *delivery) evaluate(rules *rules.Ruleset, event schemas.Event, source transform.Source, into *scratch) (transform.Decision, error) {
	d.noted.Begin(rules.Tallies)
	source.Noted = &d.noted
	decision, err := rules.Evaluate(into.buffer[:0], event, source)
	if cap(decision.Data) > cap(into.buffer) {
		into.buffer = decision.Data
	}
	return decision, err
}

// change puts other rules in force, between two events.
func (p *pipeline) change(next *rules.Ruleset) { close(p.rules.Swap(next).Ended) }

func (p *pipeline) reject(ctx context.Context, m *consumer.Message, key string, f deadletter.Failure) error {
	return p.sink.Reject(ctx, p.record(ctx, &delivery{}, m, key, nil, ""), f)
}

func (p *pipeline) settle(a consumer.Ack, outcome, reason string) {
	p.account.Settled(outcome, reason)
	a.Settle()
}

// delivery is a message on its way through the sink: the record, and who hears what
// became of it. One is lent to each event; an event that does not leave gives it back
// at once, an exported one when the stream has the record. So an event's export
// allocates nothing but its partition key.
type delivery struct {
	record   sink.Record
	pipeline *pipeline
	reason   string          // why it is exported other than as it is
	noted    transform.Noted // which activated segments the record has
	ack      consumer.Ack    // of the message
	at       time.Time       // when the message was written; zero: it does not say
	message  *consumer.Message
}

// deliveries are those that are not lent. Only those come back of which the sink
// has nothing any more: a dead-lettered record may still be looked at by who writes
// letters, and a withdrawn one by who withdraws.
type deliveries struct{ pool sync.Pool }

func (ds *deliveries) acquire() *delivery {
	if d, ok := ds.pool.Get().(*delivery); ok {
		return d
	}
	return new(delivery)
}

// release takes a delivery that nobody looks at any more.
func (ds *deliveries) release(d *delivery) {
	d.record.Reset()
	d.pipeline, d.message, d.reason, d.ack = nil, nil, "", consumer.Ack{}
	ds.pool.Put(d)
}

// scratch is what an event's document is written in, before the sink has it: few are in
// use at a time, so that the processor has them at hand.
type scratch struct{ buffer []byte }

type scratches struct{ pool sync.Pool }

const (
	// firstScratch is how large a buffer begins: a usual record.
	firstScratch = 1 << 10
	// keepScratch is how large a buffer is kept for the next events. Whoever waits for the
	// sink has one, be its event small: of a thousand partitions they are 8 MiB.
	keepScratch = 8 << 10
)

func (ss *scratches) acquire() *scratch {
	if s, ok := ss.pool.Get().(*scratch); ok {
		return s
	}
	return &scratch{make([]byte, 0, firstScratch)}
}

func (ss *scratches) release(s *scratch) {
	if s.buffer != nil && cap(s.buffer) <= keepScratch {
		ss.pool.Put(s)
	}
}

func (p *pipeline) record(ctx context.Context, d *delivery, m *consumer.Message, key string, data []byte, reason string) *sink.Record {
	d.pipeline, d.message, d.reason, d.ack, d.at = p, m, reason, m.Ack, time.Time{}
	if m.Timed() {
		d.at = m.Time
	}
	r := &d.record
	r.PartitionKey, r.Data = key, data
	r.Source, r.Owner, r.Revoked, r.Links = d, d, m.Revoked(), p.links(ctx, m)
	return r
}

// Origin implements sink.Source.
func (d *delivery) Origin() *deadletter.Origin { return letter.Origin(d.message) }

// Held implements sink.Source. The consumer counts what the message takes until it is
// at rest; its headers are taken along once more on the way to a dead letter.
func (d *delivery) Held() int {
	return int(unsafe.Sizeof(consumer.Header{}))*len(d.message.Headers) + d.noted.Held()
}

// Done settles the message.
func (d *delivery) Done(outcome sink.Outcome, reason string) {
	p := d.pipeline
	switch outcome {
	case sink.Delivered:
		if !d.at.IsZero() {
			p.account.Delivered(d.at)
		}
		d.noted.Delivered()
		p.settle(d.ack, rules.Delivered, d.reason)
		p.deliveries.release(d)
	case sink.AtRest:
		p.settle(d.ack, rules.Filtered, reason)
	default:
		p.rejections.Add(reason, d.message)
		p.settle(d.ack, rules.DeadLettered, reason)
	}
}

// Withdrawn gives the message back, to be read again by the partition's next owner.
func (d *delivery) Withdrawn() {
	d.pipeline.account.Withdrawn()
	d.ack.Withdraw()
}
