package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"kinesis-destination/cmd/internal/control/api"
)

// lettersWait bounds the look at a topic of dead letters: a page is not kept waiting by
// a Kafka that is away.
const lettersWait = 10 * time.Second

// lettersView are the dead letters of a flow.
type lettersView struct {
	Base, FlowID string
	FlowName     string
	Problem      string // why they are not known
	Causes       []causeRow
	Open         int64
	Job          *jobView
	Looked       bool
}

type causeRow struct {
	LetterCause
	Text        string
	First, Last int64
	SampleAt    int64
	SampleText  string
}

// jobView is a job as the page shows it.
type jobView struct {
	job
	BeganAt, EndedAt int64
	Percent          int
	Rows             []reasonRow
}

func (p *page) jobView(flowID string) *jobView {
	one := p.h.jobs.find(jobKey{p.sandbox, flowID})
	if one == nil {
		return nil
	}
	v := &jobView{job: *one, BeganAt: one.Began.UnixMilli()}
	if one.Over() {
		v.EndedAt = one.Ended.UnixMilli()
	}
	if one.Selected > 0 {
		v.Percent = int(min(100*one.Finished/one.Selected, 100))
	}
	v.Rows = p.rows("", one.Became)
	return v
}

// letters is what the flow's page has of them without looking: they are looked at
// where somebody asks for them, for that reads the topic.
func (p *page) letters(f flow) lettersView {
	v := lettersView{Base: p.base(), FlowID: f.ID, FlowName: f.Name, Job: p.jobView(f.ID)}
	if p.h.o.Letters == nil {
		v.Problem = p.t("letters.unknown")
	}
	return v
}

// showLetters looks at the dead letters.
func showLetters(p *page) error {
	f, err := p.findFlow()
	if err != nil {
		return err
	}
	return p.show(http.StatusOK, "letters", "flows", "letters.title", p.looked(f), nil)
}

func (p *page) looked(f flow) lettersView {
	v := p.letters(f)
	if v.Problem != "" {
		return v
	}
	v.Looked = true
	ctx, cancel := context.WithTimeout(p.ctx(), lettersWait)
	defer cancel()
	causes, err := p.h.o.Letters.Causes(ctx, p.sandbox, f.ID)
	if err != nil {
		p.h.o.Log.Warn("dead letters could not be looked at", "flow", f.ID, "error", err)
		v.Problem = p.t("letters.away")
		if refusal, ok := errors.AsType[*api.Error](err); ok {
			v.Problem = refusal.Detail
		}
		return v
	}
	for _, c := range causes {
		row := causeRow{LetterCause: c, Text: p.reason(c.Reason), First: c.First.UnixMilli(), Last: c.Last.UnixMilli()}
		if c.Sample != nil {
			row.SampleAt = c.Sample.At.UnixMilli()
			if text, err := json.MarshalIndent(c.Sample.Event, "", "  "); err == nil && c.Sample.Event != nil {
				row.SampleText = string(text)
			}
		}
		v.Open += c.Count
		v.Causes = append(v.Causes, row)
	}
	return v
}

// settleView asks before letters are redriven or dropped.
type settleView struct {
	Flow   flow
	Op     string // redrive or drop
	Reason string
	Text   string
}

var settleOps = []string{"redrive", "drop"}

// settlement is what the path and the query name: a flow, and what is to happen.
func (p *page) settlement(values url.Values) (settleView, error) {
	f, err := p.findFlow()
	if err != nil {
		return settleView{}, err
	}
	v := settleView{Flow: f, Op: p.r.PathValue("op"), Reason: values.Get("reason")}
	v.Text = p.reason(v.Reason)
	switch {
	case !slices.Contains(settleOps, v.Op):
		return v, api.Refuse(api.CodeNotFound, "there is no such page: dead letters are redriven or dropped")
	case v.Reason == "":
		return v, api.InvalidAs(api.CodeParameterValue, []api.FieldError{{Field: "reason", Message: "must name the reason whose letters are meant"}})
	case p.h.o.Letters == nil:
		return v, api.Refuse(api.CodeUnavailable, "this process does not know the dead letters of flows")
	}
	return v, nil
}

func showSettle(p *page) error {
	v, err := p.settlement(p.r.URL.Query())
	if err != nil {
		return err
	}
	return p.show(http.StatusOK, "settle", "flows", "settle."+v.Op+".title", v, nil)
}

// settle begins a redrive or a drop; the page of the letters shows how far it is.
func settle(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	v, err := p.settlement(values)
	if err != nil {
		return err
	}
	by, err := p.may(api.Activate)
	if err != nil {
		return err
	}
	dry := values.Get("dry") != ""
	letters, sandbox := p.h.o.Letters, p.sandbox
	one := job{Op: v.Op, Reason: v.Reason, Dry: dry, By: by}
	err = p.h.jobs.start(p.ctx(), jobKey{sandbox, v.Flow.ID}, one, p.h.o.Now, func(ctx context.Context, progress func(int64, int64)) (Done, error) {
		if v.Op == "drop" {
			return letters.Drop(ctx, sandbox, v.Flow.ID, v.Reason, dry)
		}
		return letters.Redrive(ctx, sandbox, v.Flow.ID, v.Reason, dry, progress)
	})
	if err != nil {
		refusal, err := refused(err)
		if err != nil {
			return err
		}
		return p.show(refusal.Cause.Status, "settle", "flows", "settle."+v.Op+".title", v, refusal)
	}
	p.h.o.Log.Info("dead letters are settled from the page", "op", v.Op, "flow", v.Flow.ID, "reason", v.Reason, "dry", dry, "by", by)
	p.redirect(p.flowPath(v.Flow.ID, "/letters?done=begun"))
	return nil
}

// stopJob ends a redrive or a drop. What it has settled stays settled.
func stopJob(p *page) error {
	if _, err := p.may(api.Activate); err != nil {
		return err
	}
	id := p.r.PathValue("id")
	p.h.jobs.stop(jobKey{p.sandbox, id})
	p.redirect(p.flowPath(id, "/letters?done=stopped"))
	return nil
}

// may says who calls, if the caller has a permission: for what is no call of the API.
func (p *page) may(need api.Permission) (name string, err error) {
	r, err := p.request(p.ctx(), p.r.Method, "/", nil)
	if err != nil {
		return "", err
	}
	caller, err := p.h.o.Identify(r, need)
	return caller.Name, err
}
