package jobs

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"kinesis-destination/cmd/internal/control/api"
)

// Options of jobs.
type Options struct {
	Log      *slog.Logger
	Identify api.Identify
	Work     Work
	// Exists says whether there is a flow; nil: it is not asked.
	Exists func(ctx context.Context, sandbox, flow string) error
	Now    func() time.Time
}

// Jobs answers the calls by which jobs are begun, looked at and stopped.
type Jobs struct {
	o     Options
	table table
}

// New makes jobs.
func New(o Options) *Jobs { return &Jobs{o: o} }

// Register puts the calls into a mux, below the address of the flow service.
func (j *Jobs) Register(mux *http.ServeMux, base string) {
	at := base + "/flows/{id}/jobs"
	mux.HandleFunc("POST "+at, j.o.Identify.For(j.o.Log, api.Activate, j.begin))
	mux.HandleFunc("GET "+at, j.o.Identify.For(j.o.Log, api.View, j.list))
	mux.HandleFunc("DELETE "+at, j.o.Identify.For(j.o.Log, api.Activate, j.stop))
}

// Close ends all jobs and waits for them.
func (j *Jobs) Close() { j.table.close() }

// deletedWait bounds how long the deletion of a flow waits for its job to end: longer than
// the end of a round that is cut off takes (package resend).
const deletedWait = 15 * time.Second

// Deleted ends the job of a flow that was deleted and waits for its end, for a while.
func (j *Jobs) Deleted(ctx context.Context, sandbox, flow string) {
	gone, ran := j.table.stop(key{sandbox, flow}, &Interrupted{Deleted})
	if !ran {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deletedWait)
	defer cancel()
	select {
	case <-gone:
	case <-ctx.Done():
		j.o.Log.Warn("the job of a flow that was deleted has not ended yet", "flow", flow, "sandbox", sandbox)
	}
}

func (j *Jobs) begin(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	body, err := api.Body(r)
	if err != nil {
		return err
	}
	var request Request
	if problems := api.Into(body, &request, ""); len(problems) > 0 {
		return api.Invalid(problems)
	}
	if err := request.check(); err != nil {
		return err
	}
	id := r.PathValue("id")
	if err := j.o.Work.Check(r.Context(), c.Sandbox, id, &request); err != nil {
		return err
	}
	begun, err := j.table.start(r.Context(), key{c.Sandbox, id}, Job{Request: request, By: c.Name}, &j.o)
	if err != nil {
		return err
	}
	j.o.Log.Info("a job of a flow begins", "op", request.Op, "flow", id, "sandbox", c.Sandbox, "reason", request.Reason, "id", request.ID, "dry", request.DryRun, "by", c.Name)
	if !request.DryRun {
		j.note(r.Context(), Order{request, c.Sandbox, id, c.Name}, false)
	}
	return api.Write(w, http.StatusAccepted, begun)
}

// list answers the job of a flow that runs, or did last, if there is one.
func (j *Jobs) list(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	answer := struct {
		Items []Job `json:"items"`
	}{[]Job{}}
	if j.o.Exists != nil {
		if err := j.o.Exists(r.Context(), c.Sandbox, r.PathValue("id")); err != nil {
			return err
		}
	}
	if one := j.table.find(key{c.Sandbox, r.PathValue("id")}, j.o.Now()); one != nil {
		answer.Items = append(answer.Items, *one)
	}
	return api.Write(w, http.StatusOK, answer)
}

// stop ends the job of a flow that runs. What is done stays done.
func (j *Jobs) stop(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	stopped := j.table.find(key{c.Sandbox, id}, j.o.Now())
	if _, ran := j.table.stop(key{c.Sandbox, id}, nil); !ran {
		return api.Refuse(api.CodeNotFound, "no job of this flow is under way here")
	}
	j.o.Log.Info("the job of a flow is stopped", "flow", id, "sandbox", c.Sandbox, "by", c.Name)
	if stopped != nil && !stopped.DryRun {
		j.note(r.Context(), Order{stopped.Request, c.Sandbox, id, c.Name}, true)
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// noteWait is how long an answer waits for the audit.
const noteWait = 2 * time.Second

// note has the audit keep what somebody had done. What cannot be kept is logged, and ends
// nothing: with the journal away people must not be kept from helping.
func (j *Jobs) note(ctx context.Context, o Order, stopped bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteWait)
	defer cancel()
	if err := j.o.Work.Note(ctx, o, stopped); err != nil {
		j.o.Log.Warn("a job is missing in the audit", "op", o.Op, "flow", o.Flow, "sandbox", o.Sandbox, "by", o.By, "stopped", stopped, "error", err)
	}
}
