package jobs

import (
	"context"
	"time"

	"kinesis-destination/cmd/internal/control/api"
)

// What jobs do.
const (
	Replay   = "replay"   // events of a range, once more
	Backfill = "backfill" // the present state of each member
	Redrive  = "redrive"  // dead letters, through today's rules
	Drop     = "drop"     // dead letters, settled without being sent
)

// Request is what is to be done.
type Request struct {
	Op string `json:"op"`
	// DryRun only counts.
	DryRun bool `json:"dryRun,omitempty"`
	// Reason is that of the dead letters that are meant.
	Reason string `json:"reason,omitempty"`
	// From and To are where the range of events begins and ends.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Segment is the activated one that events are about; empty: all.
	Segment string `json:"segment,omitempty"`
	// EveryEvent sends each event, in place of each identity's newest one: old states will
	// stand after newer ones.
	EveryEvent bool `json:"everyEvent,omitempty"`
	// Rate is the most records a second; 0: as many as the stream takes.
	Rate int64 `json:"rate,omitempty"`
	// ID is that of a replay or backfill that goes on; empty: a new one.
	ID string `json:"id,omitempty"`
}

// OfEvents tells whether events are meant, not dead letters.
func (r *Request) OfEvents() bool { return r.Op == Replay || r.Op == Backfill }

// States of jobs.
const (
	Running  = "running"
	Stopping = "stopping" // it was stopped, and what is under way comes to rest
	Over     = "over"
	Stopped  = "stopped" // by somebody, by a change of the flow, or as the process ended
	Failed   = "failed"
)

// Job is one under way, or what became of it.
type Job struct {
	Request
	State   string `json:"state"`
	By      string `json:"by"`
	BeganAt int64  `json:"beganAt"`           // milliseconds
	EndedAt int64  `json:"endedAt,omitempty"` // likewise
	// Finished of Selected dead letters; of events, the offsets read of those to read.
	Finished int64 `json:"finished"`
	Selected int64 `json:"selected"`
	// Became is what became of them, when it is over.
	Became   map[string]int64 `json:"became,omitempty"`
	Estimate *Estimate        `json:"estimate,omitempty"`
	Problem  string           `json:"problem,omitempty"`
	// Held is what it waits for: the stream, Kafka, the registry; nil: nothing.
	Held *Held `json:"held,omitempty"`

	ended  time.Time
	cancel context.CancelCauseFunc
	gone   chan struct{} // closed when it has ended
}

// Held is why a job waits.
type Held struct {
	Reason string `json:"reason"` // in one word
	Detail string `json:"detail"`
	Since  int64  `json:"since"` // milliseconds
}

// UnderWay says that it has not ended.
func (j *Job) UnderWay() bool { return j.State == Running || j.State == Stopping }

// Order is what is to be done, where, and who has it done.
type Order struct {
	Request
	Sandbox, Flow, By string
}

// Teller hears how a job is getting on.
type Teller struct {
	Progress func(finished, selected int64)
	// Held hears what the job waits for, and of an empty reason when it waits no more.
	Held func(reason, detail string)
}

// Estimate is what a dry run of events says that it would take.
type Estimate struct {
	Records int64   `json:"records"`
	Bytes   int64   `json:"bytes"`
	Shards  int     `json:"shards"`  // 0: the stream could not be asked
	Seconds float64 `json:"seconds"` // at least; 0: not known
	USD     float64 `json:"usd"`
	Prices  string  `json:"prices"`
}

// Done is how far a job has come.
type Done struct {
	Selected, Finished int64
	// By are the counts of what became of them, when it is over.
	By       map[string]int64
	Estimate *Estimate
}

// Work does what is asked.
type Work interface {
	// Check refuses what cannot be done, and fills in what was left out.
	Check(ctx context.Context, sandbox, flow string, r *Request) error
	// Do does it. What it returns beside an error counts as well; an *Interrupted says that
	// the flow is no longer as it was when the job began.
	Do(ctx context.Context, o Order, tell Teller) (Done, error)
	// Note has the audit keep that a job was begun, or stopped.
	Note(ctx context.Context, o Order, stopped bool) error
}

// Interrupted says why a job was ended before its end.
type Interrupted struct{ Why string }

// Error is why.
func (i *Interrupted) Error() string { return i.Why }

// Deleted is why the job of a flow ends that is no more.
const Deleted = "the flow was deleted"

// check refuses a request of which parts do not go together.
func (r *Request) check() error {
	var wrong []api.FieldError
	report := func(field, message string) {
		wrong = append(wrong, api.FieldError{Field: field, Message: message})
	}
	events := r.OfEvents()
	if !events && r.Op != Redrive && r.Op != Drop {
		report("op", "must be replay, backfill, redrive or drop")
		return api.Invalid(wrong)
	}
	if events && r.Reason != "" {
		report("reason", "is of dead letters: "+r.Op+" has none")
	}
	for field, given := range map[string]bool{"from": r.From != "", "to": r.To != "", "segment": r.Segment != "", "everyEvent": r.EveryEvent, "rate": r.Rate != 0, "id": r.ID != ""} {
		if given && !events {
			report(field, "is of replays and backfills: "+r.Op+" has none")
		}
	}
	if !events && r.Reason == "" {
		report("reason", "must name the reason whose letters are meant")
	}
	if r.EveryEvent && r.Op == Backfill {
		report("everyEvent", "is of replays: a backfill sends each member's present state")
	}
	if len(wrong) > 0 {
		return api.Invalid(wrong)
	}
	return nil
}
