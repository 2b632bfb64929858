package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
	"kinesis-destination/sink"
	"kinesis-destination/sink/deadletter"
)

const (
	// backfillInterval is how often a process looks whether there is something to backfill.
	backfillInterval = 2 * time.Second
	// backfillWindow is how many of its records are under way at once, so that
	// those of live events find short queues.
	backfillWindow = 500
)

// Backfill exports the present members of segments that were added to
// activation.segments: each identity's newest event, if it lists such a segment
// as realized or existing, whatever the event changed.
//
// Which segments are known, and how far a backfill is, is kept as the offsets of
// groups that nobody joins. Each process takes the partitions that it is
// assigned, from since to the end as it was when the segment was added, as soon
// as the live pipeline has got there: so nothing that was written before follows
// it. What is written after is live traffic's; but where it does not leave, and
// is a newer state, that is exported: log cleaning may leave nothing else.
type Backfill struct {
	resend.Job
	o     BackfillOptions
	group string // says which segments are known

	confirmed int       // version of the rules that have no new segment
	told      time.Time // when Kafka was last told which segments are known
	held      map[resend.TopicPartition]heldBy

	mu     sync.Mutex
	wanted []string // ids of the segments that are new; guarded by mu, as all below
	own    map[resend.TopicPartition]*resend.PartitionRange
	status *BackfillStatus
	none   *NoBackfill
}

// heldBy is what holds a partition: rules of a version, which forbid an event's export.
type heldBy struct {
	version int
	err     error
	since   time.Time
}

// heldFor is how long a partition waits for other rules before it is tried again: the event may
// be gone by then.
const heldFor = time.Hour

// BackfillOptions are what a backfill takes of the destination that it belongs to.
type BackfillOptions struct {
	Source  consumer.Config
	Dial    func(ctx context.Context, network, address string) (net.Conn, error) // nil: TCP
	Decoder *schemas.Decoder
	Rules   func() *rules.Ruleset // those in force
	Stats   func() consumer.Stats
	Claim   func(topic string, partition int) (consumer.Claim, bool)
	Sink    *sink.Sink
	Parking *deadletters.Parking // nil: deadLetter.park is off
	Logger  *slog.Logger
	// NewestKept bounds of how many identities the newest event is known at once; 0: resend.IndexLimit.
	NewestKept int
	// FirstAreNew: the first set of segments counts as added, as config.Config.FirstSegmentsNew says.
	FirstAreNew bool
}

// NewBackfill prepares the backfill of a destination; run it.
func NewBackfill(o BackfillOptions) (*Backfill, error) {
	history, err := consumer.NewHistory(o.Source, o.Dial)
	if err != nil {
		return nil, err
	}
	b := &Backfill{
		o: o, group: o.Source.Group + ".backfill",
		own: map[resend.TopicPartition]*resend.PartitionRange{}, held: map[resend.TopicPartition]heldBy{},
	}
	b.Job = resend.Job{
		Evaluator: rules.Evaluator{Decoder: o.Decoder, Rules: o.Rules}, Chooser: b, LatestOnly: true, History: history,
		Window: make(chan struct{}, backfillWindow), Log: o.Logger, Holds: hold.New(o.Logger), IndexLimit: cmp.Or(o.NewestKept, resend.IndexLimit),
	}
	b.Sink, b.Ended = o.Sink, b.goOn
	return b, nil
}

// Run looks again and again until ctx ends.
func (b *Backfill) Run(ctx context.Context) {
	defer b.History.Close()
	failing := ""
	hold.Every(ctx, backfillInterval, func() {
		err := b.step(ctx)
		if ctx.Err() != nil || errors.Is(err, errBackfillChanged) || errors.Is(err, resend.ErrClaimEnded) || errors.Is(err, consumer.ErrMoved) || errors.Is(err, consumer.ErrRemade) {
			return
		}
		words := ""
		if err != nil {
			words = deadletter.Brief(err.Error())
		}
		if err != nil && words != failing {
			b.Log.Warn("backfill: trying again", "error", err)
		}
		failing = words
		b.wait(words)
	})
}

// wait notes what the backfill waits for.
func (b *Backfill) wait(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.status != nil && b.status.Ended.IsZero() {
		b.status.Waiting = what
	}
}

// step does what there is to do: nothing, as a rule.
func (b *Backfill) step(ctx context.Context) error {
	rules := b.Rules()
	if !rules.Activation.Backfill.NewSegments || !b.o.Stats().Assigned {
		return nil
	}
	if b.confirmed == rules.Version && time.Since(b.told) < deadletters.KeepFor {
		return nil
	}
	known, err := b.known(ctx)
	if err != nil {
		return err
	}
	wanted, err := known.missing(ctx, rules, b.o.FirstAreNew)
	if err != nil {
		return err
	}
	if known.first {
		b.noteNone(rules)
	}
	if len(wanted) == 0 {
		b.confirmed, b.told = rules.Version, time.Now()
		return nil
	}
	done, err := b.members(ctx, rules, wanted, fmt.Sprintf("%s.%d", segmentsHash(wanted), known.at.Next))
	if err != nil || !done {
		return err
	}
	if err := known.add(ctx, rules); err != nil {
		return err
	}
	b.end(wanted)
	return nil
}

// end notes that all partitions are done.
func (b *Backfill) end(wanted []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status.Ended, b.status.Waiting = time.Now(), ""
	b.Log.Info("backfill ended", "segments", wanted, "exported", b.snapshot().Account.Delivered)
	b.wanted = nil
}

// members exports the present members of the wanted segments, of the partitions
// that are this process's. It reports whether all partitions are done, whoever's.
func (b *Backfill) members(ctx context.Context, rules *rules.Ruleset, wanted []string, id string) (done bool, err error) {
	b.Terms = id
	if b.Checkpoints, err = b.History.Checkpoints(ctx, b.group+"."+b.Terms); err != nil {
		return false, err
	}
	b.noteStart(wanted)
	kept := map[resend.TopicPartition]*resend.PartitionRange{}
	for _, c := range b.Checkpoints.All() {
		if kept[resend.TopicPartition{Topic: c.Topic, Partition: c.Partition}], err = resend.ParsePartitionRange(c); err != nil {
			return false, err
		}
	}
	var late error
	for _, p := range b.o.Stats().Partitions {
		at := resend.TopicPartition{Topic: p.Topic, Partition: p.Partition}
		s := kept[at]
		if s == nil {
			if s, err = b.pin(ctx, at, rules.Activation.Backfill.Since); err != nil {
				return false, err
			}
			kept[at] = s
		}
		b.Report(s)
		b.mu.Lock()
		b.own[at] = s
		b.mu.Unlock()
		switch by := b.held[at]; {
		case s.Ended():
		case p.Settled < s.To:
			late = fmt.Errorf("live events of %s/%d come first", p.Topic, p.Partition)
		case by.err != nil && by.version == rules.Version && time.Since(by.since) < heldFor: // to meet the event again, all before it would be read
			late = by.err
		default:
			s.To = max(s.To, p.Settled) // a newer state than that of then, where there is one
			err := b.partition(ctx, s)
			if errors.Is(err, resend.ErrHeld) { // the other partitions go on
				b.held[at], late = heldBy{rules.Version, err, time.Now()}, err
			} else if err != nil {
				return false, err
			}
		}
	}
	if late != nil {
		return false, late
	}
	all, err := b.History.Partitions(ctx)
	if err != nil {
		return false, err
	}
	for _, p := range all {
		if s := kept[resend.TopicPartition{Topic: p.Topic, Partition: p.Partition}]; s == nil || !s.Ended() {
			return false, nil
		}
	}
	return true, nil
}

// noteStart notes what is being done, for /status and for candidates.
func (b *Backfill) noteStart(wanted []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.Equal(b.wanted, wanted) {
		return
	}
	b.wanted = wanted
	clear(b.own)
	b.CaughtUp.Store(0)
	b.status = &BackfillStatus{Segments: wanted, Began: time.Now()}
	b.Log.Info("backfill of the present members of segments that were added", "segments", wanted)
}

// pin decides what is swept of a partition: what was written until now.
func (b *Backfill) pin(ctx context.Context, at resend.TopicPartition, since time.Duration) (*resend.PartitionRange, error) {
	from := consumer.Beginning()
	if since > 0 {
		from = consumer.At(time.Now().Add(-since))
	}
	r, err := b.History.Within(ctx, at.Topic, at.Partition, from, consumer.End())
	if err != nil {
		return nil, err
	}
	r.From = min(r.From, r.To)
	s := resend.NewPartitionRange(r, b.Terms)
	return s, b.WriteCheckpoint(ctx, s)
}

// partition sends one partition.
func (b *Backfill) partition(ctx context.Context, s *resend.PartitionRange) error {
	claim, ok := b.o.Claim(s.Topic, s.Partition)
	if !ok {
		return errBackfillChanged
	}
	s.Claim = &claim
	b.wait("")
	if b.o.Parking != nil {
		if err := b.o.Parking.Refresh(ctx); err != nil {
			return err
		}
	}
	return b.Job.Run(ctx, s)
}

// errBackfillChanged ends a job whose partition or segments are others by now.
var errBackfillChanged = errors.New("the assignment or the segments have changed")

// goOn is asked after each round.
func (b *Backfill) goOn(context.Context) error {
	b.mu.Lock()
	wanted, own := b.wanted, maps.Clone(b.own)
	b.mu.Unlock()
	active := map[string]bool{}
	for _, s := range b.Rules().Activation.Segments {
		active[s.ID] = true
	}
	for _, id := range wanted {
		if !active[id] {
			return errBackfillChanged
		}
	}
	for _, p := range b.o.Stats().Partitions {
		delete(own, resend.TopicPartition{Topic: p.Topic, Partition: p.Partition})
	}
	if len(own) > 0 {
		b.mu.Lock()
		for at := range own {
			delete(b.own, at)
		}
		b.mu.Unlock()
		return errBackfillChanged
	}
	return nil
}
