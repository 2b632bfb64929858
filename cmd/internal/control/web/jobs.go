package web

import (
	"context"
	"errors"
	"sync"
	"time"

	"kinesis-destination/cmd/internal/control/api"
)

// The bounds of jobs: how many run at once, and how long what became of one is shown.
const (
	mostJobs = 20
	jobKept  = time.Hour
)

// jobKey is whose dead letters a job is about: a flow has one at a time, as two would
// send each letter twice.
type jobKey struct{ sandbox, flow string }

// job is a redrive or a drop, under way or over.
type job struct {
	Op, Reason, By string
	Dry            bool
	Began, Ended   time.Time
	Finished       int64
	Selected       int64
	Became         map[string]int64 // what became of them, when it is over
	Problem        string
	Stopped        bool
	cancel         context.CancelFunc
}

// Over says that it runs no more.
func (j job) Over() bool { return !j.Ended.IsZero() }

// jobs are kept in memory. A process that ends, ends them: a redrive goes on where it
// was when it is asked for again.
type jobs struct {
	mu      sync.Mutex
	all     map[jobKey]*job
	running sync.WaitGroup
	closed  bool
}

// start runs f in the background, unless the flow has a job already. Close waits for
// it.
func (j *jobs) start(ctx context.Context, key jobKey, one job, now func() time.Time, f func(ctx context.Context, progress func(finished, selected int64)) (Done, error)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	under := 0
	for k, other := range j.all {
		if !other.Over() {
			under++
			if k == key {
				return api.Refuse(api.CodeConflict, "a %s of this flow is under way: wait for it, or stop it", other.Op)
			}
		} else if now().Sub(other.Ended) > jobKept {
			delete(j.all, k)
		}
	}
	if under >= mostJobs || j.closed {
		return api.Refuse(api.CodeTooMany, "%d redrives and drops are under way here, which is as many as run at once: try again when one is over", under)
	}
	if j.all == nil {
		j.all = map[jobKey]*job{}
	}
	ctx, one.cancel = context.WithCancel(context.WithoutCancel(ctx)) // it outlives its request
	one.Began = now()
	j.all[key] = &one
	j.running.Go(func() {
		defer one.cancel()
		done, err := f(ctx, func(finished, selected int64) {
			j.mu.Lock()
			defer j.mu.Unlock()
			one.Finished, one.Selected = finished, selected
		})
		j.mu.Lock()
		defer j.mu.Unlock()
		one.Ended, one.Became = now(), done.By
		if err == nil || done.Selected > 0 {
			one.Finished, one.Selected = done.Finished, done.Selected
		}
		switch {
		case ctx.Err() != nil:
			one.Stopped = true
		case err != nil:
			one.Problem = err.Error()
			if refusal, ok := errors.AsType[*api.Error](err); ok {
				one.Problem = refusal.Detail
			}
		}
	})
	return nil
}

// find is the job of a flow; nil where there is none. It is a copy.
func (j *jobs) find(key jobKey) *job {
	j.mu.Lock()
	defer j.mu.Unlock()
	one, ok := j.all[key]
	if !ok {
		return nil
	}
	copied := *one
	return &copied
}

// stop ends the job of a flow.
func (j *jobs) stop(key jobKey) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if one, ok := j.all[key]; ok {
		one.cancel()
	}
}

// close ends all jobs and waits for them.
func (j *jobs) close() {
	j.mu.Lock()
	j.closed = true
	for _, one := range j.all {
		one.cancel()
	}
	j.mu.Unlock()
	j.running.Wait()
}
