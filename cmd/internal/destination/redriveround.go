package destination

import (
	"context"

	"kinesis-destination/sink"
)

// endRound awaits what is under way, repairs what the live traffic overtook, and
// has Kafka remember what is settled.
func (r *redrive) endRound(ctx context.Context) error {
	if r.o.DryRun {
		r.settled = nil
		r.progress()
		return nil
	}
	if err := r.underway.rest(ctx); err != nil {
		return err
	}
	if err := r.catchUp(ctx); err != nil {
		return err
	}
	r.round = r.round[:0]
	if err := r.commit(ctx); err != nil {
		return err
	}
	r.progress()
	return nil
}

func (r *redrive) progress() {
	r.mu.Lock()
	done, selected := r.account.Done(), r.account.Selected
	r.mu.Unlock()
	if r.o.Progress != nil {
		r.o.Progress(done, selected)
	}
}

// catchUp looks for events that the topic got while this round was under way.
// The live pipeline may have delivered one before the older letter was put; then
// the older state would be the last. So the newer one is put once more, and
// again what came meanwhile, until nothing did.
func (r *redrive) catchUp(ctx context.Context) error {
	sent := map[identity]int64{}
	for _, put := range r.round {
		sent[put.identity] = max(sent[put.identity], put.offset)
	}
	for {
		newer, err := r.later.look(ctx, sent)
		if err != nil || len(newer) == 0 {
			return err
		}
		for id, event := range newer {
			r.later.sent(id, event.Offset)
			sent[id] = event.Offset
			if err := r.underway.give(func() error { return r.sink.Put(ctx, event.record((*caughtUp)(r))) }); err != nil {
				return err
			}
		}
		if err := r.underway.rest(ctx); err != nil {
			return err
		}
	}
}

// newerEvent is an event of the source topic, as it leaves.
type newerEvent struct {
	sink.Origin
	key  string
	data []byte
}

func (e *newerEvent) record(owner sink.Owner) *sink.Record {
	return &sink.Record{PartitionKey: e.key, Data: e.data, Origin: e.Origin, Owner: owner}
}

// caughtUp hears of a newer event that was put once more. Should the stream
// refuse it, the live pipeline's own attempt is refused as well.
type caughtUp redrive

// Done counts it.
func (c *caughtUp) Done(sink.Outcome, string) {
	c.mu.Lock()
	c.account.CaughtUp++
	c.mu.Unlock()
	c.underway.Done()
}

// Withdrawn is for the live pipeline to deliver.
func (c *caughtUp) Withdrawn() { c.underway.Done() }

// commit has Kafka remember what is settled.
func (r *redrive) commit(ctx context.Context) error {
	r.mu.Lock()
	settled := r.settled
	r.settled = nil
	r.mu.Unlock()
	for _, l := range settled {
		r.ledger.Settle(r.config.DeadLetter.Topic, l.Partition, l.Offset)
	}
	return r.ledger.Commit(ctx)
}
