package destination

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"kinesis-destination/consumer"
	"kinesis-destination/transform"
)

// ReasonOtherSegment filters an event whose profile has nothing to do with the
// segment that a replay is about.
const ReasonOtherSegment = "other-segment"

// ReplayOptions are what a replay is asked for.
type ReplayOptions struct {
	From, To   consumer.Place
	Segment    string  // only events that list this activated segment; empty: all
	LatestOnly bool    // only each identity's newest event
	Rate       float64 // records a second; 0: as many as the stream takes
	DryRun     bool    // only count
	Stream     string  // instead of the configuration's; empty: that one
	ID         string  // under which Kafka keeps how far it has come
	Logger     *slog.Logger
	// Progress is called every now and then, with the offsets that were read of all
	// that have to be, each twice with LatestOnly; nil: nobody is told.
	Progress func(done, total int64)
}

// Replayed is the account of a replay, from its beginning under its id.
type Replayed struct {
	SweepAccount
	CaughtUp int64     `json:"caughtUp"` // newer events that came meanwhile, put once more
	Seconds  float64   `json:"seconds"`  // of this run
	Estimate *Estimate `json:"estimate,omitempty"`
}

// Replay sends a bounded range of the source topics once more, through today's
// rules. It keeps how far it has come in a group of its own, and never touches
// that of the running processes. Of each partition the events go in order.
func Replay(ctx context.Context, config *Config, o ReplayOptions) (*Replayed, error) {
	began := time.Now()
	own := *config
	if o.Stream != "" {
		own.Target.Kinesis.Stream = o.Stream
		var problems Problems
		own.Target.Kinesis.Validate(func(path, message string) { problems = append(problems, own.problem(path, message+" (--stream)")) })
		if len(problems) > 0 {
			return nil, problems
		}
	}
	r, err := newReplay(ctx, &own, o)
	if err != nil {
		return nil, err
	}
	defer r.history.Close()
	err = r.run(ctx)
	result := r.account()
	result.Seconds = time.Since(began).Seconds()
	if r.estimate != nil {
		r.estimate.finish(ctx, &own, o)
		result.Estimate = r.estimate
	}
	return result, err
}

// replay is one replay under way.
type replay struct {
	sweep
	config    *Config
	o         ReplayOptions
	stretches []*stretch
	estimate  *Estimate // nil: it is no dry run
	fits      fits      // used by a dry run
}

func newReplay(ctx context.Context, config *Config, o ReplayOptions) (*replay, error) {
	if o.Segment != "" && !slices.ContainsFunc(config.Activation.Segments, func(s transform.Segment) bool { return s.ID == o.Segment }) {
		return nil, unknownSegment(config, o.Segment)
	}
	j, err := newJudging(config)
	if err != nil {
		return nil, err
	}
	j.resend = "replay." + o.ID
	if err := checkRules(ctx, config, j.rules().rules, j.decoder, o.Logger); err != nil {
		return nil, err
	}
	history, err := consumer.NewHistory(config.Source.Kafka, nil)
	if err != nil {
		return nil, err
	}
	history.Waiting = waitingForKafka(o.Logger)
	r := &replay{config: config, o: o, fits: fits{target: config.Target.Kinesis.Config}, sweep: sweep{
		judging: j, latestOnly: o.LatestOnly, history: history, log: o.Logger, terms: o.terms(config.Target.Kinesis.Stream), indexLimit: indexLimit,
	}}
	r.purpose = r
	if o.Rate > 0 {
		r.rate = rate.NewLimiter(rate.Limit(o.Rate), max(1, int(o.Rate/10)))
	}
	if o.Progress != nil {
		r.progress = r.report
	}
	if o.DryRun {
		r.estimate = &Estimate{Segments: map[string]int64{}}
	}
	if err := r.begin(ctx); err != nil {
		history.Close()
		return nil, err
	}
	return r, nil
}

// unknownSegment says which segments there are.
func unknownSegment(c *Config, id string) error {
	var known []string
	for _, s := range c.Activation.Segments {
		known = append(known, s.ID)
	}
	return Problems{c.problem("activation.segments", fmt.Sprintf("has no segment %q, which --segment names; it has %s", id, strings.Join(known, ", ")))}
}

// terms tell replays apart that must not go on as one another.
func (o *ReplayOptions) terms(stream string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %v %q", o.From, o.To, o.Segment, o.LatestOnly, stream))
	return hex.EncodeToString(sum[:6])
}

// ErrOtherReplay says that an id is that of a replay with other terms.
var ErrOtherReplay = errors.New("this --id was begun with another --from, --to, --segment, --latest-only or --stream: give those, or another --id")

func replayGroup(config *Config, id string) string {
	return config.Source.Kafka.Group + ".replay." + id
}

// begin finds where an earlier run of the same id ended or, for a new id, the
// range: what is the latest now stays so.
func (r *replay) begin(ctx context.Context) error {
	if !r.o.DryRun {
		checkpoints, err := r.history.Checkpoints(ctx, replayGroup(r.config, r.o.ID))
		if err != nil {
			return err
		}
		if remade := checkpoints.Remade(); len(remade) > 0 {
			return fmt.Errorf("replay %s began to read topic %s: %w: begin another replay under another --id", r.o.ID, strings.Join(remade, ", "), consumer.ErrRemade)
		}
		r.checkpoints = checkpoints
		for _, c := range checkpoints.All() {
			s, err := parseStretch(c)
			if err != nil {
				return fmt.Errorf("replay %s: %w", r.o.ID, err)
			}
			if s.Terms != r.terms {
				return ErrOtherReplay
			}
			r.stretches = append(r.stretches, s)
		}
	}
	if len(r.stretches) > 0 {
		return nil
	}
	parts, err := r.history.AllWithin(ctx, r.o.From, r.o.To)
	if err != nil {
		return fmt.Errorf("find the range of the replay: %w", err)
	}
	var all []consumer.Checkpoint
	for _, within := range parts {
		if within.To <= within.From {
			continue
		}
		s := newStretch(within, r.terms)
		r.stretches = append(r.stretches, s)
		c, err := s.checkpoint()
		if err != nil {
			return fmt.Errorf("write a checkpoint: %w", err)
		}
		all = append(all, c)
	}
	if r.checkpoints == nil {
		return nil
	}
	return r.checkpoints.Commit(ctx, all...)
}

// run sweeps what is left of every partition.
func (r *replay) run(ctx context.Context) error {
	if !r.o.DryRun {
		s, end, err := openSink(ctx, r.config, r.o.Logger)
		if err != nil {
			return err
		}
		defer end()
		r.sink = s
		if spots := s.Parking(); spots != nil {
			p, err := newParking(r.config, spots, newHolds(r.o.Logger), nil)
			if err != nil {
				return err
			}
			defer p.letters.Close()
			r.ended = func(ctx context.Context) error {
				return r.untilKafka(ctx, func() error { return p.Refresh(ctx) })
			}
			if err := r.ended(ctx); err != nil {
				return err
			}
		}
	}
	for _, s := range r.stretches { // what was done before counts as well
		r.tell(s)
	}
	for _, s := range r.stretches {
		if s.ended() {
			continue
		}
		if err := r.sweep.run(ctx, s); err != nil {
			return fmt.Errorf("replay %s/%d: %w", s.topic, s.partition, err)
		}
	}
	return nil
}

// candidate implements purpose: what run would make of the event.
func (r *replay) candidate(ctx context.Context, m *consumer.Message) (judgment, error) {
	return r.judge(ctx, m, sourceIn(m))
}

// compose implements purpose.
func (r *replay) compose(ctx context.Context, _ *consumer.Message, j judgment) judgment {
	var listed []transform.Membership
	if r.o.Segment != "" || r.estimate != nil {
		if plan, err := r.rules().plan(j.event.Schema); err == nil {
			listed = plan.Memberships(j.event)
		}
	}
	if r.o.Segment != "" && !slices.ContainsFunc(listed, func(l transform.Membership) bool { return l.Segment == r.o.Segment }) {
		return filtered(ReasonOtherSegment)
	}
	if r.estimate != nil {
		if j = r.fits.weigh(ctx, j); j.Outcome != transform.Export {
			return j
		}
		r.estimate.add(j.PartitionKey, j.Data, listed)
	}
	return j
}

// account adds up what became of all events.
func (r *replay) account() *Replayed {
	total := newSweepAccount()
	for _, s := range r.stretches {
		total.add(s.account())
	}
	return &Replayed{SweepAccount: total, CaughtUp: r.caughtUp.Load()}
}

func (r *replay) report() {
	var done, total int64
	for _, s := range r.stretches {
		d, t := s.progress()
		done, total = done+d, total+t
	}
	r.o.Progress(done, total)
}

// NewReplayID is an id for a replay that was given none.
func NewReplayID(now time.Time) string { return now.UTC().Format("20060102T150405Z") }
