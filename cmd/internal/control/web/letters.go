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

// letters is what the flow's page has of them without looking: they are looked at
// where somebody asks for them, for that reads the topic.
func (p *page) letters(f flow) (lettersView, error) {
	v := lettersView{Base: p.base(), FlowID: f.ID, FlowName: f.Name}
	if p.h.o.Letters == nil {
		v.Problem = p.t("letters.unknown")
	}
	var err error
	v.Job, err = p.jobView(&f)
	return v, err
}

// showLetters looks at the dead letters.
func showLetters(p *page) error {
	f, err := p.findFlow()
	if err != nil {
		return err
	}
	v, err := p.looked(f)
	if err != nil {
		return err
	}
	return p.show(http.StatusOK, "letters", "flows", "letters.title", v, nil)
}

func (p *page) looked(f flow) (lettersView, error) {
	v, err := p.letters(f)
	if err != nil || v.Problem != "" {
		return v, err
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
		return v, nil
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
	return v, nil
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
	if err := p.begin(v.Flow.ID, map[string]any{"op": v.Op, "reason": v.Reason, "dryRun": values.Get("dry") != ""}); err != nil {
		refusal, err := refused(err)
		if err != nil {
			return err
		}
		return p.show(refusal.Cause.Status, "settle", "flows", "settle."+v.Op+".title", v, refusal)
	}
	p.redirect(p.flowPath(v.Flow.ID, "/letters?done=begun"))
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
