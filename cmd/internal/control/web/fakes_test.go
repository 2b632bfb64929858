package web_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents/documentstest"
	"kinesis-destination/cmd/internal/control/jobs"
	"kinesis-destination/cmd/internal/control/server"
	"kinesis-destination/cmd/internal/control/web"
)

// fakePlane tells of flows what a test says.
type fakePlane struct {
	mu      sync.Mutex
	status  *web.FlowStatus
	hours   []web.Hour
	waiting *web.Waiting
	causes  []web.LetterCause
	// proceed, if set, is what a redrive waits for after it told its progress.
	proceed chan struct{}
	held    string // what holds a job's stream
	told    chan struct{}
	asked   []string
	fail    error
}

func (f *fakePlane) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakePlane) Status(context.Context, string, string) (*web.FlowStatus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status, nil
}

func (f *fakePlane) Hours(context.Context, string, string, time.Time) ([]web.Hour, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hours, nil
}

func (f *fakePlane) Processes(context.Context) ([]web.Process, error) {
	return []web.Process{{ID: "process-1", Version: "v1.2.3", Seen: time.UnixMilli(1_700_000_000_000), Flows: 3}, {ID: "process-2", Silent: true}}, nil
}

func (f *fakePlane) Waiting(context.Context, string, string) (web.Waiting, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiting == nil {
		return web.Waiting{}, errors.New("dial tcp 10.0.0.1:9092: no route")
	}
	return *f.waiting, nil
}

func (f *fakePlane) Causes(context.Context, string, string) ([]web.LetterCause, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.causes, f.fail
}

func (f *fakePlane) note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, what)
}

// Check implements jobs.Work.
func (f *fakePlane) Check(_ context.Context, _, _ string, r *jobs.Request) error {
	if r.Segment == "nothing" {
		return api.Invalid([]api.FieldError{{Field: "segment", Message: "is no activated segment of this flow"}})
	}
	return nil
}

// Do implements jobs.Work.
func (f *fakePlane) Do(ctx context.Context, r jobs.Order, tell jobs.Teller) (jobs.Done, error) {
	about := r.Reason
	if r.OfEvents() {
		about = fmt.Sprintf("%s %s-%s %t %d", r.Segment, r.From, r.To, r.EveryEvent, r.Rate)
	}
	f.note(fmt.Sprintf("%s %s %t", r.Op, about, r.DryRun))
	if r.Op == jobs.Drop {
		return jobs.Done{Selected: 7, Finished: 7, By: map[string]int64{"dropped": 7}}, f.fail
	}
	tell.Progress(40, 100)
	if f.held != "" {
		tell.Held(f.held, "stream <b>leads</b> is not there")
	}
	if f.proceed != nil {
		f.told <- struct{}{}
		select {
		case <-f.proceed:
		case <-ctx.Done():
			return jobs.Done{Selected: 100, Finished: 40}, ctx.Err()
		}
	}
	done := jobs.Done{Selected: 100, Finished: 100, By: map[string]int64{"delivered": 99, "superseded": 1}}
	if r.OfEvents() && r.DryRun {
		done.By, done.Estimate = map[string]int64{"other-segment": 3}, &jobs.Estimate{Records: 1234, Bytes: 5_000_000, Shards: 2, Seconds: 12.4, USD: .02, Prices: "list prices of us-east-1"}
		if r.From == "latest" {
			done.Estimate.Records = 0
		}
	}
	return done, f.fail
}

// Note implements jobs.Work.
func (f *fakePlane) Note(context.Context, jobs.Order, bool) error { return nil }

// fakeAudit is the changes of a store in memory.
type fakeAudit struct{ *documentstest.Store }

func (a fakeAudit) Version(context.Context) string { return fmt.Sprint(len(a.Changes())) }

func (a fakeAudit) Notes(_ context.Context, each func(web.Noted) error) error {
	for i, c := range a.Changes() {
		n := web.Noted{Offset: int64(i + 1), At: time.Now().Truncate(time.Minute).Add(time.Duration(i-len(a.Changes())) * time.Minute), By: c.By, Why: c.Why, Applied: c.Refused == "", Reason: c.Refused}
		for _, w := range c.Writes {
			d := web.NotedDoc{Key: w.Key, Base: w.Base}
			if strings.HasPrefix(w.Key, "flows/") && n.Applied {
				d.Doc = w.Doc
			}
			n.Docs = append(n.Docs, d)
		}
		if err := each(n); err != nil {
			return err
		}
	}
	return nil
}

// operated is a rig whose pages know what a fake tells.
func operated(t interface{ Helper() }, f *fakePlane) func(*server.Options) {
	t.Helper()
	return func(o *server.Options) {
		store, _ := o.Store.(*documentstest.Store)
		o.Work = f
		o.Operation = web.Operation{Runs: f, Source: f, Letters: f, Audit: fakeAudit{store}}
	}
}
