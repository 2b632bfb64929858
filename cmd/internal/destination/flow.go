package destination

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/schemas/backoff"
	"kinesis-destination/sink/deadletter"
)

// State is what a flow does.
type State string

// The states of a flow.
const (
	Starting State = "starting" // it has no assignment yet, or stream or registry have not answered
	Running  State = "running"
	Held     State = "held"    // it waits for a cause to go, and goes on by itself
	Refused  State = "refused" // it cannot run as it is; it is tried again from time to time
	Stopped  State = "stopped" // it is disabled
)

// The reasons of flows that are refused or stopped, beside those of holds.
const (
	ReasonConfiguration = "configuration" // what the documents say cannot run
	ReasonEnded         = "ended"         // it ended by itself
	ReasonDisabled      = "disabled"
)

// Flow is what a flow does, as /status and a Reporter have it.
type Flow struct {
	ID         string    `json:"id"`
	Sandbox    string    `json:"sandbox"`
	State      State     `json:"state"`
	Reason     string    `json:"reason,omitempty"` // of a closed set
	Detail     string    `json:"detail,omitempty"`
	Since      time.Time `json:"since"`
	Lag        int64     `json:"lag"` // of the partitions that are this process's; -1: nothing reads them, so it is not known
	LagSeconds float64   `json:"lagSeconds"`
}

// refusedAgain paces how a refused flow is tried again: what refused it may be gone, a
// label of a schema for example, without a change of a document.
var refusedAgain = backoff.Config{Initial: 5 * time.Second, Max: time.Minute}

// flow is one destination that comes, changes and goes. One goroutine does what is
// wanted, one thing after the other; others ask what it does.
type flow struct {
	id      string
	fleet   *Fleet
	changed chan struct{} // holds one when wanted is not done yet
	keep    time.Time     // when its offsets are to be kept alive next, while it does not run; its goroutine's own

	counting sync.Mutex // held while counts are read and told; before mu

	mu     sync.Mutex
	wanted Wanted // guarded by mu, as all below
	gone   bool   // it is not wanted any more
	d      *Destination
	past   Account // of destinations that it was before
	now    Flow    // as of the last look, or as set where there is no destination
}

func newFlow(id string, fleet *Fleet, wanted Wanted) *flow {
	return &flow{
		id: id, fleet: fleet, wanted: wanted, changed: make(chan struct{}, 1), past: newPast(), keep: time.Now().Add(keepFirst),
		now: Flow{ID: id, Sandbox: wanted.Sandbox, State: Starting, Since: time.Now(), Lag: -1},
	}
}

// want says what the flow is to be from now on.
func (f *flow) want(wanted Wanted, gone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone == gone && (gone || f.wanted.Version == wanted.Version) {
		return
	}
	f.gone = gone
	if !gone {
		f.wanted = wanted
	}
	f.signal()
}

// signal has the flow's goroutine look at what is wanted.
func (f *flow) signal() {
	select {
	case f.changed <- struct{}{}:
	default: // it has not looked at the one before yet
	}
}

func (f *flow) isGone() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gone
}

// next is what is wanted now.
func (f *flow) next() (wanted Wanted, gone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wanted, f.gone
}

func (f *flow) destination() *Destination {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.d
}

// live does what is wanted until ctx ends, or nothing is wanted any more.
func (f *flow) live(ctx context.Context) {
	again := backoff.New(refusedAgain, time.Now())
	for ctx.Err() == nil {
		select {
		case <-f.changed: // it is looked at now
			again.Reset()
		default:
		}
		wanted, gone := f.next()
		switch {
		case gone:
			if f.fleet.forget(f) {
				return
			}
		case wanted.Disabled:
			f.set(Stopped, ReasonDisabled, "")
			f.rest(ctx, wanted.Config, nil)
		case wanted.Refused != nil:
			f.set(Refused, cmp.Or(wanted.Reason, ReasonConfiguration), wanted.Refused.Error())
			f.rest(ctx, wanted.Config, nil)
		default:
			began := time.Now()
			reason, err := f.work(ctx, wanted)
			if err == nil {
				continue // it is to be something else
			}
			if time.Since(began) > refusedAgain.Max {
				again.Reset()
			}
			f.set(Refused, reason, err.Error())
			f.o().Logger.Error("a flow cannot run; it is tried again, and others go on", "destination", f.id, "reason", reason, "error", deadletter.Brief(err.Error()))
			f.rest(ctx, wanted.Config, time.After(again.NextBackOff()))
		}
	}
}

func (f *flow) o() *Options { return &f.fleet.o }

// work runs the flow until it is to be something else, or ctx ends: then it is drained,
// and there is no error. What changes activation and governance alone is put in force
// between two events.
func (f *flow) work(ctx context.Context, wanted Wanted) (reason string, err error) {
	f.set(Starting, "", "it is being prepared")
	d, err := newDestination(ctx, wanted.Config, *f.o())
	if ctx.Err() != nil && err != nil {
		return "", nil
	}
	if err != nil {
		return reasonOf(err), err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- d.run(running) }()
	f.begun(d)
	defer func() {
		stop()
		d.close(context.WithoutCancel(ctx))
		f.ended(d)
		f.keep = time.Now().Add(keepFirst)
	}()
	for {
		select {
		case err := <-ended:
			if err == nil && ctx.Err() == nil {
				err = errors.New("it has ended by itself")
			}
			if ctx.Err() != nil {
				err = nil
			}
			return ReasonEnded, err
		case <-f.changed:
		}
		next, gone := f.next()
		if reason, err = d.follow(ctx, wanted.Config, next, gone); err == nil {
			wanted = next
			continue
		}
		stop()
		if failed := <-ended; failed != nil {
			d.log.Warn("the flow has not ended in order", "error", failed)
		}
		if errors.Is(err, errOther) || ctx.Err() != nil {
			return "", nil
		}
		return reason, err
	}
}

// errOther says that a flow is to be something else than it is.
var errOther = errors.New("it is to be drained")

// follow changes a running destination into what is wanted next. An error says that it
// must not go on as it is.
func (d *Destination) follow(ctx context.Context, was config.Config, next Wanted, gone bool) (reason string, err error) {
	if gone || next.Disabled || next.Refused != nil {
		return "", errOther
	}
	if keys := config.OtherThanRules(&was, &next.Config); len(keys) > 0 {
		d.log.Info("the flow is drained and started anew, alone", "changed", keys)
		return "", errOther
	}
	if err = d.change(ctx, next.Config); err != nil { // as a process that starts now could not run it
		return reasonOf(err), err
	}
	return "", nil
}

func reasonOf(err error) string {
	if errors.Is(err, rules.ErrViolation) {
		return rules.HoldViolation
	}
	return ReasonConfiguration
}

func (f *flow) begun(d *Destination) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.d = d
}

// ended keeps what a destination has counted.
func (f *flow) ended(d *Destination) {
	account := d.Account()
	f.mu.Lock()
	f.past.add(account)
	f.d = nil
	f.mu.Unlock()
	f.count()
}

// count tells what became of the flow's events, one after the other: counts that are
// less than those before are taken for new ones.
func (f *flow) count() {
	f.counting.Lock()
	defer f.counting.Unlock()
	if r := f.o().Reporter; r != nil {
		r.Count(f.id, f.account())
	}
}

// Account is what became of the flow's events in this process, over all that it was.
func (f *flow) account() Account {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := newPast()
	all.add(f.past)
	if f.d != nil {
		all.add(f.d.Account())
	}
	return all
}

// set notes a state where there is no destination to ask: what it knew last of the lag
// is not so any more.
func (f *flow) set(state State, reason, detail string) {
	f.mu.Lock()
	f.note(state, reason, deadletter.Brief(detail), time.Now())
	f.now.Lag, f.now.LagSeconds = -1, 0
	now := f.now
	f.mu.Unlock()
	f.tell(now)
}

// note is called with mu held.
func (f *flow) note(state State, reason, detail string, since time.Time) {
	if f.now.State != state || f.now.Reason != reason {
		f.now.Since = since
	}
	f.now.Sandbox, f.now.State, f.now.Reason, f.now.Detail = f.wanted.Sandbox, state, reason, detail
}

func (f *flow) tell(now Flow) {
	if r := f.o().Reporter; r != nil {
		r.Report(now)
	}
}

// look sees what the flow does, and tells of a change; all: in any case.
func (f *flow) look(all bool) {
	f.mu.Lock()
	before := f.now
	f.mu.Unlock()
	now := f.status()
	if all || now.State != before.State || now.Reason != before.Reason {
		f.tell(now)
	}
	if all {
		f.count()
	}
}

// status is what the flow does now.
func (f *flow) status() Flow {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.d == nil {
		return f.now
	}
	held := f.d.Holds()
	ready, why := f.d.Ready()
	switch {
	case len(held) > 0:
		f.note(Held, held[0].Reason, held[0].Cause, held[0].Since)
	case !ready:
		f.note(Starting, "", why, time.Now())
	default:
		f.note(Running, "", "", time.Now())
	}
	f.now.Lag, f.now.LagSeconds = 0, 0
	for _, p := range f.d.Stats().Partitions {
		if lag, ok := lagOf(p); ok {
			f.now.Lag += lag
		}
		f.now.LagSeconds = max(f.now.LagSeconds, ageOf(p).Seconds())
	}
	return f.now
}
