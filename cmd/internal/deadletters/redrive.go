package deadletters

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/cmd/internal/letter"
	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/sink"
	"kinesis-destination/sink/deadletter"
	"kinesis-destination/transform"
)

// RedriveOptions are what a redrive is asked for.
type RedriveOptions struct {
	Filter        Filter
	ID            string // under which it is remembered what is settled; empty: the usual one
	DryRun        bool
	MaxRedrives   int    // a letter that failed again as often is left
	PastRetention bool   // also letters whose later events the source topic may have let go of
	By            string // who has it done, which is kept; empty: nobody is named
	Logger        *slog.Logger
	Progress      func(done, selected int64) // called every now and then; nil: nobody
	// Held hears why the job waits, and of an empty reason when it does no more; nil: it is only logged.
	Held func(reason, cause string)
}

// Redriven is the account of a redrive: every selected letter is in one of its
// other counts, but for CaughtUp.
type Redriven struct {
	Selected     int64            `json:"selected"`
	Delivered    int64            `json:"delivered"`
	Filtered     map[string]int64 `json:"filtered"`
	DeadLettered map[string]int64 `json:"deadLettered"` // again
	Superseded   int64            `json:"superseded"`   // a newer event of the identity leaves, or has left
	Left         map[string]int64 `json:"left"`         // still on the topic, untouched
	CaughtUp     int64            `json:"caughtUp"`     // newer events that came meanwhile, put once more
	DryRun       bool             `json:"dryRun"`
	Seconds      float64          `json:"seconds"`
}

// Done is how many of the selected letters are accounted for.
func (a *Redriven) Done() int64 {
	done := a.Delivered + a.Superseded
	for _, m := range []map[string]int64{a.Filtered, a.DeadLettered, a.Left} {
		for _, n := range m {
			done += n
		}
	}
	return done
}

// Why a letter is left where it is.
const (
	LeftRedriveLimit = "redrive-limit"
	LeftHistoryGone  = "history-gone"     // the source topic no longer has all that came after it
	LeftViolation    = "policy-violation" // governance.onViolation: refuse
	LeftValueGone    = "value-gone"       // it is not in the letter, and no more in the source topic
	LeftInterrupted  = "interrupted"
)

// RedriveRound is how many letters are under way before what has settled is
// committed; a kill repeats at most as many.
const RedriveRound = 2000

// RedriveJob is one redrive under way. A goroutine of the sink tells it what
// settled; all else is one goroutine's.
type RedriveJob struct {
	*Store
	o RedriveOptions
	resend.Rounds
	later  *sourceHistory
	chosen map[int]map[int64]bool // letters by partition and offset
	fits   rules.Fits             // used by a dry run
	holds  *hold.Holds            // why it waits

	marks    *consumer.Checkpoints
	doubtful map[resend.Identity]int64 // letters that an earlier process may have put; nil: there are none

	mu      sync.Mutex
	account Redriven
	settled []*letter.Letter // since the last commit
}

// Redrive takes dead letters through today's rules and consents. Of each
// identity they go in order, and none after a newer event of it has left. A
// letter that fails again becomes a new one. What is settled is remembered, so
// that the same call goes on where an earlier one ended, however that ended.
func Redrive(ctx context.Context, config *config.Config, o RedriveOptions) (*Redriven, error) {
	began := time.Now()
	r, err := NewRedrive(ctx, config, o)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if !o.DryRun {
		resend.NoteOperation(ctx, config.Source.Kafka, resend.Operation{What: "redrive", By: o.By, ID: o.ID, Events: r.account.Selected}, o.Logger)
	}
	err = r.run(ctx)
	r.account.CaughtUp = r.CaughtUp.Load()
	if rest := r.account.Selected - r.account.Done(); rest > 0 { // it ended early
		r.account.Left[LeftInterrupted] += rest
	}
	r.account.Seconds = time.Since(began).Seconds()
	return &r.account, err
}

// NewRedrive chooses the letters, and learns what is newer; close it.
func NewRedrive(ctx context.Context, config *config.Config, o RedriveOptions) (_ *RedriveJob, err error) {
	b, err := Open(ctx, config, o.ID)
	if err != nil {
		return nil, err
	}
	r := &RedriveJob{Store: b, o: o, chosen: map[int]map[int64]bool{}, fits: rules.NewFits(config), account: Redriven{
		Filtered: map[string]int64{}, DeadLettered: map[string]int64{}, Left: map[string]int64{}, DryRun: o.DryRun,
	}}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	r.Resend = "redrive." + o.ID
	if err := rules.CheckBeforeStart(ctx, config, b.Rules(), b.Decoder, nil, o.Logger); err != nil {
		return nil, err
	}
	if r.later, err = newSourceHistory(b); err != nil {
		return nil, err
	}
	r.Size, r.Keeper, r.Tail, r.InFlight = RedriveRound, r, &r.later.Tail, new(resend.InFlight)
	r.holds = hold.Telling(o.Logger, o.Held)
	waiting := r.holds.Waiting("kafka", consumer.HoldReason)
	b.history.Waiting, r.later.history.Waiting = waiting, waiting
	if r.later.ids, err = r.later.history.TopicIDs(ctx); err != nil {
		return nil, fmt.Errorf("look up the source topics: %w", err)
	}
	if err := r.readMark(ctx); err != nil {
		return nil, err
	}
	if err := r.first(ctx, func(l *letter.Letter) error { return r.scan(ctx, l) }, nil); err != nil {
		return nil, err
	}
	if err := b.ledger.Fits(func(_ string, p int, o int64) bool { return r.chosen[p][o] }); err != nil {
		return nil, err
	}
	if err := r.later.readToEnd(ctx); err != nil {
		return nil, err
	}
	r.doubtAll()
	return r, nil
}

// Close gives the connections back.
func (r *RedriveJob) Close() {
	if r.later != nil {
		r.later.close()
	}
	r.Store.Close()
}

// scan looks at an open letter before anything is sent.
func (r *RedriveJob) scan(ctx context.Context, l *letter.Letter) error {
	r.later.letter(l)
	ok, err := r.selected(ctx, &r.o.Filter, l)
	if err != nil || !ok && r.doubtful == nil {
		return err
	}
	if err := r.note(ctx, l); err != nil || !ok {
		return err
	}
	if r.chosen[l.Partition] == nil {
		r.chosen[l.Partition] = map[int64]bool{}
	}
	r.chosen[l.Partition][l.Offset] = true
	r.account.Selected++
	return nil
}

// note notes whose letter it is, where today's rules would let it leave.
func (r *RedriveJob) note(ctx context.Context, l *letter.Letter) error {
	if err := r.makeWhole(ctx, l); err != nil || l.Left != "" {
		return err
	}
	j, err := r.Evaluate(ctx, l.Source, l.From())
	if err != nil || j.Outcome != transform.Export {
		return err
	}
	r.later.want(l, j.PartitionKey)
	if id := identityOf(l.From(), j.PartitionKey); r.doubtful != nil && l.Parked == nil {
		r.doubtful[id] = max(r.doubtful[id], r.later.offset(l))
	}
	return nil
}

// run sends the chosen letters, in rounds.
func (r *RedriveJob) run(ctx context.Context) error {
	if !r.o.DryRun {
		s, end, err := resend.OpenSink(ctx, r.Config, r.o.Logger, r.Hears(r.holds))
		if err != nil {
			return err
		}
		defer end()
		r.Sink = s
		if err := r.End(ctx); err != nil { // of an earlier process
			return err
		}
	}
	err := r.Read(ctx, func(_ *consumer.Message, l *letter.Letter, _ string) error {
		if l == nil || !r.chosen[l.Partition][l.Offset] {
			return nil
		}
		if err := r.Send(ctx, l); err != nil {
			return err
		}
		return r.Next(ctx)
	})
	if err == nil {
		return r.Finish(ctx)
	}
	r.CutOff(ctx)
	return err
}

// Send decides about a letter by today's rules, and puts, rejects or settles it.
func (r *RedriveJob) Send(ctx context.Context, l *letter.Letter) error {
	if l.Redrives >= r.o.MaxRedrives {
		return r.countLeft(LeftRedriveLimit)
	}
	if err := r.makeWhole(ctx, l); err != nil {
		return err
	}
	if l.Left != "" {
		return r.countLeft(l.Left)
	}
	j, err := r.Evaluate(ctx, l.Source, l.From())
	if err != nil {
		return fmt.Errorf("judge letter %d of partition %d: %w", l.Offset, l.Partition, err)
	}
	switch j.Outcome {
	case transform.Filter:
		r.settle(l, func(a *Redriven) { a.Filtered[string(j.Reason)]++ })
		return nil
	case transform.Hold:
		return r.countLeft(LeftViolation)
	case transform.Reject:
		if r.o.DryRun {
			r.settle(l, func(a *Redriven) { a.DeadLettered[string(j.Reason)]++ })
			return nil
		}
		return r.InFlight.Give(func() error { return r.Sink.Reject(ctx, r.record(l, j), rules.Rejection(j.Decision, j.Cause)) })
	}
	id := identityOf(l.From(), j.PartitionKey)
	offset := r.later.offset(l)
	switch r.later.standing(id, offset, r.o.PastRetention) {
	case superseded:
		r.settle(l, func(a *Redriven) { a.Superseded++ })
		return nil
	case historyGone:
		return r.countLeft(LeftHistoryGone)
	}
	r.later.sent(id, offset)
	if r.o.DryRun {
		j = r.fits.Weigh(ctx, j)
		r.settle(l, func(a *Redriven) {
			if j.Outcome == transform.Export {
				a.Delivered++
			} else {
				a.DeadLettered[string(j.Reason)]++
			}
		})
		return nil
	}
	if l.Parked == nil { // else the live pipeline sends nothing newer of it before it is settled
		if err := r.Overtake(ctx, id, offset); err != nil {
			return err
		}
	}
	return r.InFlight.Give(func() error { return r.Sink.Put(ctx, r.record(l, j)) })
}

func (r *RedriveJob) countLeft(why string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.account.Left[why]++
	return nil
}

func (r *RedriveJob) settle(l *letter.Letter, count func(*Redriven)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	count(&r.account)
	r.settled = append(r.settled, &letter.Letter{Partition: l.Partition, Offset: l.Offset})
}

// record is a letter as the message that it was. Should it fail again, it keeps
// where that stood, and counts.
func (r *RedriveJob) record(l *letter.Letter, j rules.Evaluation) *sink.Record {
	return &sink.Record{
		PartitionKey: j.PartitionKey, Data: j.Data,
		Source: &deadletter.Origin{
			Topic: l.Origin.Topic, Partition: l.Origin.Partition, Offset: l.Origin.Offset, Time: l.SourceTime,
			Key: l.Source.Key, Value: l.Source.Value, Headers: l.SourceHeaders, Redrives: l.Redrives + 1,
			TopicID: l.TopicID,
		},
		Owner: &redriven{r, l},
	}
}

// redriven hears what became of a letter that the sink took.
type redriven struct {
	redrive *RedriveJob
	letter  *letter.Letter
}

// Done settles the letter: it is delivered, or a new letter stands for it.
func (d *redriven) Done(outcome sink.Outcome, reason string) {
	d.redrive.settle(d.letter, func(a *Redriven) {
		resend.CountOutcome(outcome, reason, &a.Delivered, a.Filtered, a.DeadLettered)
	})
	d.redrive.InFlight.Done()
}

// Withdrawn leaves the letter for the next time.
func (d *redriven) Withdrawn() { _ = d.redrive.countLeft(LeftInterrupted); d.redrive.InFlight.Done() }
