package destination

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
	"kinesis-destination/sink"
	"kinesis-destination/transform"
)

const (
	// backfillInterval is how often a process looks whether there is something to backfill.
	backfillInterval = 2 * time.Second
	// backfillWindow is how many of its records are under way at once, so that
	// those of live events find short queues.
	backfillWindow = 500
)

// backfill exports the present members of segments that were added to
// activation.segments: each identity's newest event, if it lists such a segment
// as realized or existing, whatever the event changed.
//
// Which segments are known, and how far a backfill is, is kept as the offsets of
// groups that nobody joins. Each process takes the partitions that it is
// assigned, from since to the end as it was when the segment was added, as soon
// as the live pipeline has got there: so nothing that was written before follows
// it. What is written after is live traffic's; but where it does not leave, and
// is a newer state, that is exported: log cleaning may leave nothing else.
type backfill struct {
	sweep
	o     BackfillOptions
	group string // says which segments are known

	confirmed int       // version of the rules that have no new segment
	told      time.Time // when Kafka was last told which segments are known

	mu     sync.Mutex
	wanted []string // ids of the segments that are new; guarded by mu, as all below
	own    map[part]*stretch
	status *BackfillStatus
}

// BackfillOptions are what a backfill takes of the destination that it belongs to.
type BackfillOptions struct {
	Source  consumer.Config
	Dial    func(ctx context.Context, network, address string) (net.Conn, error) // nil: TCP
	Decoder *schemas.Decoder
	Rules   func() *ruleset // those in force
	Stats   func() consumer.Stats
	Claim   func(topic string, partition int) (consumer.Claim, bool)
	Sink    *sink.Sink
	Parking *parking // nil: deadLetter.park is off
	Logger  *slog.Logger
}

func newBackfill(o BackfillOptions) (*backfill, error) {
	history, err := consumer.NewHistory(o.Source, o.Dial)
	if err != nil {
		return nil, err
	}
	b := &backfill{o: o, group: o.Source.Group + ".backfill", own: map[part]*stretch{}}
	b.sweep = sweep{
		judging: judging{decoder: o.Decoder, rules: o.Rules}, purpose: b, latestOnly: true, history: history,
		window: make(chan struct{}, backfillWindow), log: o.Logger, indexLimit: indexLimit,
	}
	b.sink, b.ended = o.Sink, b.goOn
	return b, nil
}

// run looks again and again until ctx ends.
func (b *backfill) run(ctx context.Context) {
	defer b.history.Close()
	failing := ""
	every(ctx, backfillInterval, func() {
		err := b.step(ctx)
		if ctx.Err() != nil || errors.Is(err, errBackfillChanged) || errors.Is(err, errClaimEnded) || errors.Is(err, consumer.ErrMoved) || errors.Is(err, consumer.ErrRemade) {
			return
		}
		words := ""
		if err != nil {
			words = sink.Brief(err.Error())
		}
		if err != nil && words != failing {
			b.log.Warn("backfill: trying again", "error", err)
		}
		failing = words
		b.wait(words)
	})
}

// wait notes what the backfill waits for.
func (b *backfill) wait(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.status != nil && b.status.Ended.IsZero() {
		b.status.Waiting = what
	}
}

// step does what there is to do: nothing, as a rule.
func (b *backfill) step(ctx context.Context) error {
	rules := b.rules()
	if !rules.activation.Backfill.NewSegments || !b.o.Stats().Assigned {
		return nil
	}
	if b.confirmed == rules.Version && time.Since(b.told) < keepFor {
		return nil
	}
	known, err := b.known(ctx)
	if err != nil {
		return err
	}
	wanted, err := known.missing(ctx, rules)
	if err != nil {
		return err
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
func (b *backfill) end(wanted []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status.Ended, b.status.Waiting = time.Now(), ""
	b.log.Info("backfill ended", "segments", wanted, "exported", b.snapshot().Account.Delivered)
	b.wanted = nil
}

// members exports the present members of the wanted segments, of the partitions
// that are this process's. It reports whether all partitions are done, whoever's.
func (b *backfill) members(ctx context.Context, rules *ruleset, wanted []string, id string) (done bool, err error) {
	b.terms = id
	if b.checkpoints, err = b.history.Checkpoints(ctx, b.group+"."+b.terms); err != nil {
		return false, err
	}
	b.begin(wanted)
	kept := map[part]*stretch{}
	for _, c := range b.checkpoints.All() {
		if kept[part{c.Topic, c.Partition}], err = parseStretch(c); err != nil {
			return false, err
		}
	}
	var late error
	for _, p := range b.o.Stats().Partitions {
		at := part{p.Topic, p.Partition}
		s := kept[at]
		if s == nil {
			if s, err = b.pin(ctx, at, rules.activation.Backfill.Since); err != nil {
				return false, err
			}
			kept[at] = s
		}
		b.tell(s)
		b.mu.Lock()
		b.own[at] = s
		b.mu.Unlock()
		switch {
		case s.ended():
		case p.Settled < s.To:
			late = fmt.Errorf("live events of %s/%d come first", p.Topic, p.Partition)
		default:
			s.To = max(s.To, p.Settled) // a newer state than that of then, where there is one
			if err := b.partition(ctx, s); err != nil {
				return false, err
			}
		}
	}
	if late != nil {
		return false, late
	}
	all, err := b.history.Partitions(ctx)
	if err != nil {
		return false, err
	}
	for _, p := range all {
		if s := kept[part{p.Topic, p.Partition}]; s == nil || !s.ended() {
			return false, nil
		}
	}
	return true, nil
}

// begin notes what is being done, for /status and for candidates.
func (b *backfill) begin(wanted []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.Equal(b.wanted, wanted) {
		return
	}
	b.wanted = wanted
	clear(b.own)
	b.caughtUp.Store(0)
	b.status = &BackfillStatus{Segments: wanted, Began: time.Now()}
	b.log.Info("backfill of the present members of segments that were added", "segments", wanted)
}

// pin decides what is swept of a partition: what was written until now.
func (b *backfill) pin(ctx context.Context, at part, since time.Duration) (*stretch, error) {
	from := consumer.Beginning()
	if since > 0 {
		from = consumer.At(time.Now().Add(-since))
	}
	r, err := b.history.Within(ctx, at.topic, at.partition, from, consumer.End())
	if err != nil {
		return nil, err
	}
	r.From = min(r.From, r.To)
	s := newStretch(r, b.terms)
	return s, b.write(ctx, s)
}

// partition sweeps one partition.
func (b *backfill) partition(ctx context.Context, s *stretch) error {
	claim, ok := b.o.Claim(s.topic, s.partition)
	if !ok {
		return errBackfillChanged
	}
	s.claim = &claim
	b.wait("")
	if b.o.Parking != nil {
		if err := b.o.Parking.Refresh(ctx); err != nil {
			return err
		}
	}
	return b.sweep.run(ctx, s)
}

// errBackfillChanged ends a sweep whose partition or segments are others by now.
var errBackfillChanged = errors.New("the assignment or the segments have changed")

// goOn is asked after each round.
func (b *backfill) goOn(context.Context) error {
	b.mu.Lock()
	wanted, own := b.wanted, maps.Clone(b.own)
	b.mu.Unlock()
	active := map[string]bool{}
	for _, s := range b.rules().activation.Segments {
		active[s.ID] = true
	}
	for _, id := range wanted {
		if !active[id] {
			return errBackfillChanged
		}
	}
	for _, p := range b.o.Stats().Partitions {
		delete(own, part{p.Topic, p.Partition})
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

// candidate implements purpose: any event that can be read has an identity.
func (b *backfill) candidate(ctx context.Context, m *consumer.Message) (judgment, error) {
	j, err := b.decode(ctx, m)
	if err != nil {
		return judgment{}, err
	}
	if j.Outcome != 0 { // the live pipeline has dealt with it
		return filtered(j.Reason), nil
	}
	plan, err := b.rules().plan(j.event.Schema)
	if err != nil {
		return filtered(ReasonInvalidSchema), nil
	}
	if j.PartitionKey = plan.Key(j.event); j.PartitionKey == "" {
		return filtered(transform.ReasonMalformed), nil
	}
	j.Outcome = transform.Export
	return j, nil
}

// resent tells this backfill's records from the live ones, and from those of a
// later backfill of the same segments.
func (b *backfill) resent(m *consumer.Message) transform.Source {
	source := sourceIn(m)
	source.Resend = fmt.Sprintf("backfill.%s.%d", b.at.Terms, b.at.Live)
	return source
}

// compose implements purpose: the present state of a member, unless the live
// pipeline has exported that very event.
func (b *backfill) compose(_ context.Context, m *consumer.Message, j judgment) judgment {
	if m.Offset >= b.at.Live {
		if d, _ := b.rules().judge(nil, j.event, sourceIn(m)); d.Outcome == transform.Export {
			return filtered(ReasonSuperseded)
		}
	}
	plan, err := b.rules().plan(j.event.Schema)
	if err == nil && slices.ContainsFunc(plan.Memberships(j.event), func(l transform.Membership) bool {
		return l.Inside && slices.Contains(b.wanted, l.Segment) // only the sweep's own goroutine changes it
	}) {
		decision, why := plan.State(nil, j.event, b.resent(m))
		if decision.Outcome == transform.Reject { // the live pipeline has dealt with it
			decision.Outcome = transform.Filter
		}
		return judgment{decision, j.event, why}
	}
	return filtered(transform.ReasonNotInMappedSegment)
}
