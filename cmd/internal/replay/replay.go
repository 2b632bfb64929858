package replay

import (
	"cmp"
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

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/sink"
	"kinesis-destination/transform"
)

// ReasonOtherSegment filters an event whose profile has nothing to do with the
// segment that a replay is about.
const ReasonOtherSegment = "other-segment"

// Options are what a replay is asked for.
type Options struct {
	From, To   consumer.Place
	Segment    string // only events that list this activated segment; empty: all
	LatestOnly bool   // only each identity's newest event
	// Members has each identity that is in Segment, or in any activated one, exported as it
	// is now, whatever its newest event changed, as a backfill does. LatestOnly goes with it.
	Members bool
	Rate    float64 // records a second; 0: as many as the stream takes
	DryRun  bool    // only count
	Stream  string  // instead of the configuration's; empty: that one
	ID      string  // under which Kafka keeps how far it has come
	// BesideLive: all events may be sent though processes run, and leave old states after newer ones.
	BesideLive bool
	// Letters is what becomes of events that cannot be exported, where letters of the
	// destination have been dropped or redriven: one of the constants below.
	Letters string
	By      string // who has it done, which is kept; empty: nobody is named
	Logger  *slog.Logger
	// Progress is called every now and then, with the offsets that were read of all
	// that have to be, each twice with LatestOnly; nil: nobody is told.
	Progress func(done, total int64)
	// Held hears why the job waits, and of an empty reason when it does no more; nil: it is only logged.
	Held func(reason, cause string)
}

// Result is the account of a replay, from its beginning under its id.
type Result struct {
	resend.Account
	CaughtUp int64     `json:"caughtUp"` // newer events that came meanwhile, put once more
	Seconds  float64   `json:"seconds"`  // of this run
	Estimate *Estimate `json:"estimate,omitempty"`
}

// Run sends a bounded range of the source topics once more, through today's
// rules. It keeps how far it has come in a group of its own, and never touches
// that of the running processes. Of each partition the events go in order.
func Run(ctx context.Context, cfg *config.Config, o Options) (*Result, error) {
	began := time.Now()
	own := *cfg
	if o.Stream != "" {
		if o.Stream != cfg.Target.Kinesis.Stream {
			own.DeadLetter.Park = false // what another stream refuses is in order on the destination's own
		}
		own.Target.Kinesis.Stream = o.Stream
		var problems config.Problems
		own.Target.Kinesis.Validate(func(path, message string) { problems = append(problems, own.Problem(path, message+" (--stream)")) })
		if len(problems) > 0 {
			return nil, problems
		}
	}
	r, err := New(ctx, &own, o)
	if err != nil {
		return nil, err
	}
	if o.Stream != "" && !o.DryRun { // a name that was typed may be wrong, which would hold the replay for ever
		limited, cancel := context.WithTimeout(ctx, rules.CheckTimeout)
		defer cancel()
		if err := sink.CheckStream(limited, own.Target.Kinesis.Config, sink.Options{DeadLetter: own.DeadLetter}); err != nil {
			r.History.Close()
			return nil, fmt.Errorf("--stream %s: %w", o.Stream, err)
		}
	}
	defer r.History.Close()
	if !o.DryRun {
		what := "replay"
		if o.Members {
			what = "backfill"
		}
		resend.NoteOperation(ctx, own.Source.Kafka, resend.Operation{What: what, By: o.By, ID: o.ID}, o.Logger)
	}
	err = r.Run(ctx)
	result := r.Account()
	result.Seconds = time.Since(began).Seconds()
	if r.estimate != nil {
		r.estimate.finish(ctx, &own, o)
		result.Estimate = r.estimate
	}
	return result, err
}

// Job is one replay under way.
type Job struct {
	resend.Job
	Config   *config.Config
	o        Options
	Ranges   []*resend.PartitionRange
	estimate *Estimate  // nil: it is no dry run
	fits     rules.Fits // used by a dry run
	dealt    bool       // letters of the destination have been dropped or redriven
}

// New finds the range of a replay, or where an earlier run of its id ended.
func New(ctx context.Context, config *config.Config, o Options) (*Job, error) {
	if err := CheckSegment(config, o.Segment); err != nil {
		return nil, err
	}
	j, err := rules.NewEvaluator(config)
	if err != nil {
		return nil, err
	}
	j.Resend = "replay." + o.ID
	if err := rules.CheckBeforeStart(ctx, config, j.Rules(), j.Decoder, nil, o.Logger); err != nil {
		return nil, err
	}
	history, err := consumer.NewHistory(config.Source.Kafka, nil)
	if err != nil {
		return nil, err
	}
	holds := hold.Telling(o.Logger, o.Held)
	history.Waiting = holds.Waiting("kafka", consumer.HoldReason)
	r := &Job{Config: config, o: o, fits: rules.NewFits(config), Job: resend.Job{
		Evaluator: j, LatestOnly: o.LatestOnly || o.Members, History: history, Log: o.Logger, Holds: holds, Terms: o.terms(config.Target.Kinesis.Stream), IndexLimit: cmp.Or(config.NewestKept, resend.IndexLimit),
	}}
	r.Chooser = r
	r.Rejecting = r.letter
	if o.Rate > 0 {
		r.Rate = rate.NewLimiter(rate.Limit(o.Rate), max(1, int(o.Rate/10)))
	}
	if o.Progress != nil {
		r.Progress = r.report
	}
	if o.DryRun {
		r.estimate = &Estimate{Segments: map[string]int64{}}
	}
	for _, prepare := range []func(context.Context) error{r.besideNobody, r.findLetters, r.findRange} {
		if err := prepare(ctx); err != nil {
			history.Close()
			return nil, err
		}
	}
	return r, nil
}

// CheckSegment returns Problems, with the segments that there are, where an id is none of an activated one; an empty id
// is all segments.
func CheckSegment(c *config.Config, id string) error {
	if id == "" || slices.ContainsFunc(c.Activation.Segments, func(s transform.Segment) bool { return s.ID == id }) {
		return nil
	}
	var known []string
	for _, s := range c.Activation.Segments {
		known = append(known, s.ID)
	}
	return config.Problems{c.Problem("activation.segments", fmt.Sprintf("has no segment %q, which --segment names; it has %s", id, strings.Join(known, ", ")))}
}

// terms tell replays apart that must not go on as one another. Of a time that is counted
// from now the words count: the range that they meant at first is kept.
func (o *Options) terms(stream string) string {
	text := fmt.Appendf(nil, "%q %q %q %v %q", o.From.Asked(), o.To.Asked(), o.Segment, o.LatestOnly, stream)
	if o.Members { // what was begun before there was this goes on
		text = append(text, " members"...)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// ErrOtherReplay says that an id is that of a replay with other terms.
var ErrOtherReplay = errors.New("this --id was begun with another --from, --to, --segment, --latest-only or --stream: give those, or another --id")

// findRange finds where an earlier run of the same id ended or, for a new id, the
// range: what is the latest now stays so.
func (r *Job) findRange(ctx context.Context) error {
	if !r.o.DryRun {
		checkpoints, err := r.History.Checkpoints(ctx, config.ReplayGroup(r.Config, r.o.ID))
		if err != nil {
			return err
		}
		if remade := checkpoints.Remade(); len(remade) > 0 {
			return fmt.Errorf("replay %s began to read topic %s: %w: begin another replay under another --id", r.o.ID, strings.Join(remade, ", "), consumer.ErrRemade)
		}
		r.Checkpoints = checkpoints
		for _, c := range checkpoints.All() {
			s, err := resend.ParsePartitionRange(c)
			if err != nil {
				return fmt.Errorf("replay %s: %w", r.o.ID, err)
			}
			if s.Terms != r.Terms {
				return ErrOtherReplay
			}
			r.Ranges = append(r.Ranges, s)
		}
	}
	if len(r.Ranges) > 0 {
		return nil
	}
	parts, err := r.History.AllWithin(ctx, r.o.From, r.o.To)
	if err != nil {
		return fmt.Errorf("find the range of the replay: %w", err)
	}
	var all []consumer.Checkpoint
	for _, within := range parts {
		if within.To <= within.From {
			continue
		}
		s := resend.NewPartitionRange(within, r.Terms)
		s.All = !r.LatestOnly && r.o.Stream == ""
		r.Ranges = append(r.Ranges, s)
		c, err := s.Checkpoint()
		if err != nil {
			return fmt.Errorf("write a checkpoint: %w", err)
		}
		all = append(all, c)
	}
	if r.Checkpoints == nil {
		return nil
	}
	return r.Checkpoints.Commit(ctx, all...)
}

// Run sends what is left of every partition.
func (r *Job) Run(ctx context.Context) error {
	if !r.o.DryRun {
		s, end, err := resend.OpenSink(ctx, r.Config, r.o.Logger, r.Hears(r.Holds))
		if err != nil {
			return err
		}
		defer end()
		r.Sink = s
		if spots := s.Parking(); spots != nil {
			p, err := deadletters.NewParking(r.Config, spots, r.Holds, nil)
			if err != nil {
				return err
			}
			defer p.Letters.Close()
			r.Ended = func(ctx context.Context) error {
				return r.UntilKafka(ctx, func() error { return p.Refresh(ctx) })
			}
			if err := r.Ended(ctx); err != nil {
				return err
			}
		}
	}
	for _, s := range r.Ranges { // what was done before counts as well
		r.Report(s)
	}
	for _, s := range r.Ranges {
		if s.Ended() {
			continue
		}
		if err := r.Job.Run(ctx, s); err != nil {
			return fmt.Errorf("replay %s/%d: %w", s.Topic, s.Partition, err)
		}
	}
	return nil
}

// Candidate implements Chooser: what run would make of the event.
func (r *Job) Candidate(ctx context.Context, m *consumer.Message) (rules.Evaluation, error) {
	if r.o.Members {
		return identified(ctx, &r.Evaluator, m)
	}
	return r.Evaluate(ctx, m, rules.SourceIn(m))
}

// Compose implements Chooser.
func (r *Job) Compose(ctx context.Context, m *consumer.Message, j rules.Evaluation) (rules.Evaluation, error) {
	if r.o.Members {
		source := rules.SourceIn(m)
		source.Resend = r.Resend
		var err error
		j, err = memberState(ctx, &r.Evaluator, j, source, func(segment string) bool { return r.o.Segment == "" || segment == r.o.Segment })
		if err != nil || j.Outcome != transform.Export {
			return j, err
		}
	}
	var listed []transform.Membership
	if r.o.Segment != "" || r.estimate != nil {
		if plan, err := r.Rules().Plan(j.Event.Schema); err == nil {
			if listed, err = plan.Memberships(j.Event, ctx.Done()); err != nil {
				return rules.Evaluation{}, ctx.Err()
			}
		}
	}
	if r.o.Segment != "" && !r.o.Members && !slices.ContainsFunc(listed, func(l transform.Membership) bool { return l.Segment == r.o.Segment }) {
		return rules.FilteredBy(ReasonOtherSegment), nil
	}
	if r.estimate != nil {
		if j = r.fits.Weigh(ctx, j); j.Outcome != transform.Export {
			return j, nil
		}
		r.estimate.add(j.PartitionKey, j.Data, listed)
	}
	return j, nil
}

// Account adds up what became of all events.
func (r *Job) Account() *Result {
	total := resend.NewAccount()
	for _, s := range r.Ranges {
		total.Add(s.Snapshot())
	}
	return &Result{Account: total, CaughtUp: r.CaughtUp.Load()}
}

func (r *Job) report() {
	var done, total int64
	for _, s := range r.Ranges {
		d, t := s.Progress()
		done, total = done+d, total+t
	}
	r.o.Progress(done, total)
}

// NewReplayID is an id for a replay that was given none: of two that begin within the same second, each has its own.
func NewReplayID(now time.Time) string { return now.UTC().Format("20060102T150405.000000Z") }
