package jobs

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"kinesis-destination/cmd/internal/control/api"
)

// The bounds of jobs: how many run at once, how many of those read events, which keep of
// each identity which event is the newest, and how long what became of one is shown.
const (
	mostJobs     = 20
	mostOfEvents = 2
	kept         = time.Hour
)

// key is whose job it is: a flow has one at a time, as two would send each event twice.
type key struct{ sandbox, flow string }

// table is the jobs of a process.
type table struct {
	mu      sync.Mutex
	all     map[key]*Job
	running sync.WaitGroup
	closed  bool
}

// start runs a job in the background, unless the flow has one already, and returns it as
// it begins.
func (t *table) start(ctx context.Context, k key, one Job, o *Options) (Job, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.room(k, &one.Request, o.Now()); err != nil {
		return one, err
	}
	if t.all == nil {
		t.all = map[key]*Job{}
	}
	ctx, one.cancel = context.WithCancelCause(context.WithoutCancel(ctx)) // it outlives its request
	one.gone = make(chan struct{})
	one.State, one.BeganAt = Running, o.Now().UnixMilli()
	t.all[k] = &one
	begun := one
	t.running.Go(func() {
		defer close(one.gone)
		defer one.cancel(nil)
		done, err := o.Work.Do(ctx, Order{begun.Request, k.sandbox, k.flow, one.By}, t.teller(&one, o.Now))
		t.mu.Lock()
		defer t.mu.Unlock()
		one.end(done, err, context.Cause(ctx), o.Now())
		one.log(o.Log, k)
	})
	return begun, nil
}

// teller keeps how a job is getting on.
func (t *table) teller(one *Job, now func() time.Time) Teller {
	return Teller{
		Progress: func(finished, selected int64) {
			t.mu.Lock()
			defer t.mu.Unlock()
			one.Finished, one.Selected = finished, selected
		},
		Held: func(reason, detail string) {
			t.mu.Lock()
			defer t.mu.Unlock()
			switch {
			case reason == "":
				one.Held = nil
			case one.Held != nil && one.Held.Reason == reason:
				one.Held = &Held{reason, detail, one.Held.Since}
			default:
				one.Held = &Held{reason, detail, now().UnixMilli()}
			}
		},
	}
}

// room tells whether one more may run, and forgets old ones. The lock is held.
func (t *table) room(k key, r *Request, now time.Time) error {
	under, reading := 0, 0
	for other, one := range t.all {
		switch {
		case !one.UnderWay():
			if now.Sub(one.ended) > kept {
				delete(t.all, other)
			}
			continue
		case other == k:
			return api.Refuse(api.CodeConflict, "a %s of this flow is under way: wait for it, or stop it", one.Op)
		}
		under++
		if one.OfEvents() {
			reading++
		}
	}
	switch {
	case under >= mostJobs || t.closed:
		return api.Refuse(api.CodeTooMany, "%d jobs are under way here, which is as many as run at once: try again when one is over", under)
	case r.OfEvents() && reading >= mostOfEvents:
		return api.Refuse(api.CodeTooMany, "%d replays and backfills are under way here, which is as many as run at once: try again when one is over", reading)
	}
	return nil
}

// end notes what became of a job; cancelled is why it had to end, if it had.
func (j *Job) end(done Done, err, cancelled error, now time.Time) {
	j.Held = nil
	j.ended, j.EndedAt = now, now.UnixMilli()
	j.State, j.Became, j.Estimate = Over, done.By, done.Estimate
	if err == nil || done.Selected > 0 {
		j.Finished, j.Selected = done.Finished, done.Selected
	}
	if err == nil {
		return
	}
	why, interrupted := errors.AsType[*Interrupted](cancelled)
	if !interrupted {
		why, interrupted = errors.AsType[*Interrupted](err)
	}
	switch {
	case interrupted:
		j.State, j.Problem = Stopped, why.Why
	case cancelled != nil:
		j.State = Stopped
	default:
		j.State, j.Problem = Failed, err.Error()
		if refusal, ok := errors.AsType[*api.Error](err); ok {
			j.Problem = refusal.Detail
		}
	}
}

// log tells what became of a job.
func (j *Job) log(log *slog.Logger, k key) {
	level := slog.LevelInfo
	if j.State == Failed {
		level = slog.LevelWarn
	}
	log.Log(context.Background(), level, "a job of a flow ended", "state", j.State, "op", j.Op, "flow", k.flow, "sandbox", k.sandbox, "finished", j.Finished, "selected", j.Selected, "problem", j.Problem, "id", j.ID, "dry", j.DryRun, "by", j.By)
}

// find is the job of a flow; nil where there is none, or it ended too long ago. It is a copy.
func (t *table) find(k key, now time.Time) *Job {
	t.mu.Lock()
	defer t.mu.Unlock()
	one, ok := t.all[k]
	if !ok || !one.UnderWay() && now.Sub(one.ended) > kept {
		return nil
	}
	copied := *one
	return &copied
}

// stop ends the job of a flow; it tells whether one ran, and when it is gone.
func (t *table) stop(k key, why error) (gone <-chan struct{}, ran bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one, ok := t.all[k]
	if !ok || !one.UnderWay() {
		return nil, false
	}
	one.State = Stopping
	one.cancel(why)
	return one.gone, true
}

// close ends all jobs and waits for them.
func (t *table) close() {
	t.mu.Lock()
	t.closed = true
	for _, one := range t.all {
		if one.UnderWay() {
			one.State = Stopping
			one.cancel(nil)
		}
	}
	t.mu.Unlock()
	t.running.Wait()
}
