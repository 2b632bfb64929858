package destination

import (
	"context"
	"sync/atomic"
	"time"

	"kinesis-destination/sink"
)

// rounds send events once more beside live traffic: put, wait idle, catch up,
// checkpoint. Between two rounds nothing is in flight and Kafka keeps what is
// done, so a run can be ended at any time, and loses and skips nothing.
//
// The live pipeline may deliver a newer event of an identity between the look for
// one and the put of the older. So a round ends by reading the source topics on,
// and putting the newer event once more; then again, until nothing came. For that
// moment an older state may stand after a newer one, and never at the end.
//
// A process that is killed amid a round cannot repair what it overtook. So a mark
// stands from before the first such put to the clean end; a run that finds it
// has the first round's end look for what is newer than all that may have been put.
type rounds struct {
	size  int        // events in a round: a kill repeats at most what is sent of them
	sink  *sink.Sink // nil: nothing is sent
	keep  roundKeeper
	tail  *tail                           // nil: old states may follow newer ones
	ended func(ctx context.Context) error // hears of each end; nil: nobody

	inFlight *inFlight
	taken    int                // events of this round
	marked   bool               // as Kafka has it
	sent     map[identity]int64 // in this round: the newest event of each identity
	caughtUp atomic.Int64       // newer events that were put once more
}

// roundKeeper has Kafka keep how far rounds have come.
type roundKeeper interface {
	// commit keeps all that is done; nothing is in flight.
	commit(ctx context.Context) error
	// mark keeps whether a round is open that may have overtaken live traffic.
	mark(ctx context.Context, open bool) error
}

// stopGrace bounds the end of a round that is cut off: the stream's last answers,
// and a dead letter that is being written.
const stopGrace = closeTimeout + 8*time.Second

// overtake notes, before it is put, that an event leaves of which live traffic
// may deliver a newer one.
func (r *rounds) overtake(ctx context.Context, id identity, offset int64) error {
	if !r.marked {
		if err := r.keep.mark(ctx, true); err != nil {
			return err
		}
		r.marked = true
	}
	r.doubt(id, offset)
	return nil
}

// doubt has the round's end look for what is newer than an event, which may have
// been put.
func (r *rounds) doubt(id identity, offset int64) {
	if r.sent == nil {
		r.sent = map[identity]int64{}
	}
	r.sent[id] = max(r.sent[id], offset)
}

// next counts an event; it may be the round's last.
func (r *rounds) next(ctx context.Context) error {
	if r.taken++; r.taken < r.size {
		return nil
	}
	return r.end(ctx)
}

// end ends a round.
func (r *rounds) end(ctx context.Context) error {
	if err := r.inFlight.waitIdle(ctx); err != nil {
		return err
	}
	if r.tail != nil && r.sink != nil && len(r.sent) > 0 {
		if err := r.catchUp(ctx); err != nil {
			return err
		}
	}
	clear(r.sent)
	r.taken = 0
	if err := r.keep.commit(ctx); err != nil {
		return err
	}
	if r.ended != nil {
		return r.ended(ctx)
	}
	return nil
}

// finish ends the last round.
func (r *rounds) finish(ctx context.Context) error {
	if err := r.end(ctx); err != nil {
		return err
	}
	return r.clearMark(ctx)
}

func (r *rounds) clearMark(ctx context.Context) error {
	if !r.marked {
		return nil
	}
	if err := r.keep.mark(ctx, false); err != nil {
		return err
	}
	r.marked = false
	return nil
}

// cutOff ends a round that an error or the end of ctx interrupts: what is in
// flight comes to rest and is kept, if that is soon. Otherwise the round is the
// next run's, and the mark tells it so.
func (r *rounds) cutOff(ctx context.Context) {
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	_ = r.finish(stopping)
}

// catchUp puts the newer events of identities that were sent in this round once
// more, and again what came meanwhile, until nothing did.
func (r *rounds) catchUp(ctx context.Context) error {
	for {
		newer, err := r.tail.look(ctx, r.sent)
		if err != nil || len(newer) == 0 {
			return err
		}
		for id, event := range newer {
			r.sent[id] = event.Offset
			if err := r.inFlight.give(func() error { return r.sink.Put(ctx, event.record(&overtaken{r, r.inFlight}, r.inFlight.revoked())) }); err != nil {
				return err
			}
		}
		if err := r.inFlight.waitIdle(ctx); err != nil {
			return err
		}
	}
}

// overtaken hears of a newer event that was put once more. Should the stream
// refuse it, the live pipeline's own attempt is refused as well.
type overtaken struct {
	rounds   *rounds
	inFlight *inFlight
}

// Done counts it.
func (o *overtaken) Done(sink.Outcome, string) { o.rounds.caughtUp.Add(1); o.inFlight.done() }

// Withdrawn is for the live pipeline to deliver.
func (o *overtaken) Withdrawn() { o.inFlight.done() }
