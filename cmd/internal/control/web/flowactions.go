package web

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// pauseView is what a pause leaves waiting, and until when.
type pauseView struct {
	Flow    flow
	Waiting *Waiting
	// Until is when Kafka lets go of the first event that waits from now on; 0: never.
	Until    int64
	Oldest   int64
	KeptText string
	Problem  string // why it is not known
	Resume   bool
}

// showPause says what waits, and until when Kafka keeps it, before anyone pauses.
func showPause(p *page) error { return p.pausePage(http.StatusOK, nil) }

func (p *page) pausePage(status int, refusal *Refusal) error {
	f, err := p.findFlow()
	if err != nil {
		return err
	}
	v := pauseView{Flow: f, Resume: f.State != "enabled"}
	p.waiting(f, &v)
	title := "pause.title"
	if v.Resume {
		title = "resume.title"
	}
	return p.show(status, "pause", "flows", title, v, refusal)
}

// waiting looks up what Kafka keeps; a Kafka that is away is said, and keeps nobody
// from pausing.
func (p *page) waiting(f flow, v *pauseView) {
	if p.h.o.Source == nil {
		v.Problem = p.t("pause.unknown")
		return
	}
	w, err := p.h.o.Source.Waiting(p.ctx(), p.sandbox, f.ID)
	if err != nil {
		p.h.o.Log.Warn("what a flow leaves to Kafka could not be looked up", "flow", f.ID, "error", err)
		v.Problem = p.t("pause.away")
		return
	}
	v.Waiting = &w
	if w.Kept > 0 {
		v.KeptText = age(w.Kept.Seconds())
		from := p.h.o.Now()
		if w.Events > 0 && !w.Oldest.IsZero() {
			from = w.Oldest
		}
		v.Until = from.Add(w.Kept).UnixMilli()
	}
	if !w.Oldest.IsZero() {
		v.Oldest = w.Oldest.UnixMilli()
	}
}

const (
	// leftWait bounds the look at what a paused flow leaves to Kafka: its page is not kept
	// waiting by a Kafka that is away.
	leftWait = 3 * time.Second
	// leftEvery is how often a page that is live looks: each look asks the brokers.
	leftEvery = 30 * time.Second
)

// left is what a paused flow leaves to Kafka, which nothing but Kafka knows; nil: not
// known.
func (p *page) left(f flow) *FlowStatus {
	now := p.h.o.Now()
	if p.h.o.Source == nil || !p.waitsAt.IsZero() && now.Sub(p.waitsAt) < leftEvery {
		return p.waits
	}
	ctx, cancel := context.WithTimeout(p.ctx(), leftWait)
	defer cancel()
	w, err := p.h.o.Source.Waiting(ctx, p.sandbox, f.ID)
	p.waits, p.waitsAt = nil, now
	if err != nil {
		p.h.o.Log.Warn("what a flow leaves to Kafka could not be looked up", "flow", f.ID, "error", err)
		return nil
	}
	p.waits = &FlowStatus{Lag: w.Events}
	if w.Events > 0 && !w.Oldest.IsZero() {
		p.waits.LagSeconds = max(0, now.Sub(w.Oldest).Seconds())
	}
	return p.waits
}

// act pauses or resumes a flow, as the API does.
func act(op, done string) viewHandler {
	return func(p *page) error {
		id := p.r.PathValue("id")
		if _, err := p.call(p.ctx(), http.MethodPost, flowService+"/flows/"+url.PathEscape(id)+"/action?op="+op, nil, nil); err != nil {
			refusal, err := refused(err)
			if err != nil {
				return err
			}
			return p.pausePage(refusal.Cause.Status, refusal)
		}
		p.redirect(p.flowPath(id, "?done="+done))
		return nil
	}
}

// deleteView asks for the flow's name, so that no slip deletes another one.
type deleteView struct {
	Flow flow
	Form Form
}

func showDelete(p *page) error { return p.deletePage(http.StatusOK, Form{}) }

func (p *page) deletePage(status int, form Form) error {
	f, err := p.findFlow()
	if err != nil {
		return err
	}
	return p.show(status, "delete", "flows", "delete.title", deleteView{f, form}, form.Refusal)
}

func deleteFlow(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	f, err := p.findFlow()
	if err != nil {
		return err
	}
	if values.Get("name") != f.Name {
		return p.deletePage(http.StatusBadRequest, Form{values, &Refusal{Fields: []Problem{{"name", p.t("delete.other")}}}})
	}
	_, err = p.call(p.ctx(), http.MethodDelete, flowService+"/flows/"+url.PathEscape(f.ID), nil, nil, "If-Match", values.Get("etag"))
	if err != nil {
		refusal, err := refused(err)
		if err != nil {
			return err
		}
		return p.deletePage(refusal.Cause.Status, Form{values, refusal})
	}
	p.redirect(p.base() + "/flows?done=deleted")
	return nil
}
