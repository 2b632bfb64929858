package resend

import (
	"context"
	"sync/atomic"
	"time"

	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/sink"
)

// Rounds send events once more beside live traffic: put, wait idle, catch up,
// checkpoint. Between two rounds nothing is in flight and Kafka keeps what is
// done, so a run can be ended at any time, and loses and skips nothing.
//
// The live pipeline may deliver a newer event of an identity between the look for
// one and the put of the older. So a round ends by reading the source topics on,
// and putting the newer event once more; then again, until none may have been overtaken, see repair. For
// that moment an older state may stand after a newer one, and not when live traffic has got there.
//
// A process that is killed amid a round cannot repair what it overtook. So a mark
// stands from before the first such put to the clean end; a run that finds it
// has the first round's end look for what is newer than all that may have been put.
type Rounds struct {
	Size   int        // events in a round: a kill repeats at most what is sent of them
	Sink   *sink.Sink // nil: nothing is sent
	Keeper Keeper
	Tail   *Tail                           // nil: old states may follow newer ones
	Ended  func(ctx context.Context) error // hears of each end; nil: nobody

	InFlight *InFlight
	taken    int                // events of this round
	Marked   bool               // as Kafka has it
	sent     map[Identity]int64 // in this round: the newest event of each identity
	CaughtUp atomic.Int64       // newer events that were put once more
	held     atomic.Bool        // the stream takes nothing now
}

// Keeper has Kafka keep how far rounds have come.
type Keeper interface {
	// commit keeps all that is done; nothing is in flight.
	Commit(ctx context.Context) error
	// mark keeps whether a round is open that may have overtaken live traffic.
	Mark(ctx context.Context, open bool) error
}

// stopGrace bounds the end of a round that is cut off: the stream's last answers,
// and a dead letter that is being written.
const stopGrace = CloseTimeout + 8*time.Second

// heldGrace is that of a stream that takes nothing: what it has not taken by now it will
// not take soon.
const heldGrace = time.Second

// Hears has the rounds know what holds the stream, and the holds of what they are of.
func (r *Rounds) Hears(holds *hold.Holds) func(reason string, err error) {
	return func(reason string, err error) {
		r.held.Store(reason != "")
		holds.Set(hold.Key{Source: "sink", Partition: -1}, reason, err)
	}
}

// Overtake notes, before it is put, that an event leaves of which live traffic
// may deliver a newer one.
func (r *Rounds) Overtake(ctx context.Context, id Identity, offset int64) error {
	if !r.Marked {
		if err := r.Keeper.Mark(ctx, true); err != nil {
			return err
		}
		r.Marked = true
	}
	r.Doubt(id, offset)
	return nil
}

// Doubt has the round's end look for what is newer than an event, which may have
// been put.
func (r *Rounds) Doubt(id Identity, offset int64) {
	if r.sent == nil {
		r.sent = map[Identity]int64{}
	}
	r.sent[id] = max(r.sent[id], offset)
}

// Next counts an event; it may be the round's last.
func (r *Rounds) Next(ctx context.Context) error {
	if r.taken++; r.taken < r.Size {
		return nil
	}
	return r.End(ctx)
}

// End ends a round.
func (r *Rounds) End(ctx context.Context) error {
	if err := r.InFlight.WaitIdle(ctx); err != nil {
		return err
	}
	if r.Tail != nil && r.Sink != nil && len(r.sent) > 0 {
		if err := r.catchUp(ctx); err != nil {
			return err
		}
	}
	clear(r.sent)
	r.taken = 0
	if err := r.Keeper.Commit(ctx); err != nil {
		return err
	}
	if r.Ended != nil {
		return r.Ended(ctx)
	}
	return nil
}

// Finish ends the last round.
func (r *Rounds) Finish(ctx context.Context) error {
	if err := r.End(ctx); err != nil {
		return err
	}
	return r.clearMark(ctx)
}

func (r *Rounds) clearMark(ctx context.Context) error {
	if !r.Marked {
		return nil
	}
	if err := r.Keeper.Mark(ctx, false); err != nil {
		return err
	}
	r.Marked = false
	return nil
}

// CutOff ends a round that an error or the end of ctx interrupts: what is in
// flight comes to rest and is kept, if that is soon. Otherwise the round is the
// next run's, and the mark tells it so.
func (r *Rounds) CutOff(ctx context.Context) {
	grace := stopGrace
	if r.held.Load() {
		grace = heldGrace
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	_ = r.Finish(stopping)
}

// catchUp puts the newer events of identities that were sent in this round once more.
func (r *Rounds) catchUp(ctx context.Context) error {
	return repair(ctx, r.Tail, r.sent, func(e *NewerEvent) error {
		return r.InFlight.Give(func() error { return r.Sink.Put(ctx, e.record(&overtaken{r, r.InFlight}, r.InFlight.revoked())) })
	}, r.InFlight.WaitIdle)
}

// overtaken hears of a newer event that was put once more. Should the stream
// refuse it, the live pipeline's own attempt is refused as well.
type overtaken struct {
	rounds   *Rounds
	inFlight *InFlight
}

// Done counts it.
func (o *overtaken) Done(sink.Outcome, string) { o.rounds.CaughtUp.Add(1); o.inFlight.Done() }

// Withdrawn is for the live pipeline to deliver.
func (o *overtaken) Withdrawn() { o.inFlight.Done() }
