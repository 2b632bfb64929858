package web

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"time"

	"kinesis-destination/cmd/internal/control/api"
)

// flowHours is how many hours of runs the page of a flow shows.
const flowHours = 48

// flowView is the page of a flow.
type flowView struct {
	Flow      *flow
	Target    target
	AccountID string
	Live      liveView
	Letters   lettersView
	History   []historyRow
	NoHistory string // why there is none, a text's key
	Curl      []command
	YAML      string
	NoYAML    string // why there is none, in the API's words
	Tab       string
}

// liveView is the part of the page that changes without reloading.
type liveView struct {
	Base     string
	FlowID   string
	Enabled  bool
	State    string // of the words state.…
	Cause    string // in one line
	Detail   string // in the words of what runs
	Since    int64
	ToDo     string
	ToDoPath string      // where to do it
	Lag      *FlowStatus // what waits; nil: not known
	Known    bool        // some process tells what it does
	Hours    []hourRow
	Total    Counts
	Chart    template.HTML
	Reasons  []reasonRow
	Segments []reasonRow
	As       int64
}

type hourRow struct {
	At int64
	Counts
}

type reasonRow struct {
	Kind, Reason, Text string
	Count              int64
}

// findFlow is the flow that a path names.
func (p *page) findFlow() (flow, error) {
	var found list[flow]
	if err := p.get(p.ctx(), flowService+"/flows/"+url.PathEscape(p.r.PathValue("id")), &found); err != nil {
		return flow{}, err
	}
	if len(found.Items) == 0 {
		return flow{}, api.Refuse(api.CodeNotFound, "there is no such flow")
	}
	p.nameSegments(&found.Items[0])
	return found.Items[0], nil
}

// flowPath is the address of a flow's page, or of one below it.
func (p *page) flowPath(id string, more string) string {
	return p.base() + "/flows/" + url.PathEscape(id) + more
}

// showFlow is the page of a flow.
func showFlow(p *page) error {
	return p.flowPage(http.StatusOK, nil)
}

// flowPage shows the flow, with a refusal of what was asked on it.
func (p *page) flowPage(status int, refusal *Refusal) error {
	f, err := p.findFlow()
	if err != nil {
		return err
	}
	v := flowView{Flow: &f}
	targets, err := p.targetsOf([]flow{f})
	if err != nil {
		return err
	}
	if len(f.TargetIDs) > 0 {
		v.Target = targets[f.TargetIDs[0]]
	}
	if v.Letters, err = p.letters(f); err != nil {
		return err
	}
	if v.Live, err = p.live(f, v.Letters.Job); err != nil {
		return err
	}
	v.History, v.NoHistory = p.history(f)
	v.Curl = p.commands(f)
	if v.YAML, err = p.yaml(f.ID); err != nil {
		cause, ok := errors.AsType[*api.Error](err)
		if !ok {
			return err
		}
		v.NoYAML = cause.Detail
	}
	return p.show(status, "flow", "flows", "flow.title", v, refusal)
}

// live is what changes on the page of a flow, whose last job is job.
func (p *page) live(f flow, job *jobView) (liveView, error) {
	now := p.h.o.Now()
	v := liveView{Base: p.base(), FlowID: f.ID, Enabled: f.State == "enabled", As: now.UnixMilli()}
	var told *FlowStatus
	var hours []Hour
	if p.h.o.Runs != nil {
		var err error
		if told, err = p.h.o.Runs.Status(p.ctx(), p.sandbox, f.ID); err != nil {
			return v, err
		}
		if hours, err = p.h.o.Runs.Hours(p.ctx(), p.sandbox, f.ID, now.Add(-flowHours*time.Hour).Truncate(time.Hour)); err != nil {
			return v, err
		}
	}
	p.stateOf(&v, f, told)
	if f.State != "enabled" {
		v.Lag = p.left(f)
		if job != nil && !job.Over() {
			v.Cause = p.t("cause.paused.job", f.UpdatedBy)
		}
	}
	for _, h := range hours {
		v.Total.add(h.Counts)
	}
	if len(hours) > 0 {
		v.Chart = chart(hours, p.t("runs.chart", len(hours), number(p.lang, v.Total.Received), number(p.lang, v.Total.Activated),
			number(p.lang, v.Total.ExcludedSum()), number(p.lang, v.Total.FailedSum()), number(p.lang, v.Total.UnderWay)))
	}
	for _, h := range slices.Backward(hours) {
		v.Hours = append(v.Hours, hourRow{h.At.UnixMilli(), h.Counts})
	}
	v.Reasons = append(p.rows("excluded", v.Total.Excluded), p.rows("failed", v.Total.Failed)...)
	names := map[string]string{}
	for _, t := range f.Transformations {
		for _, s := range t.Params.Segment.Selectors {
			names[s.Value.ID] = s.Value.Name
		}
	}
	for _, row := range p.rows("", v.Total.Segments) {
		row.Text = row.Reason
		if name := names[row.Reason]; name != "" {
			row.Text = name
		}
		v.Segments = append(v.Segments, row)
	}
	return v, nil
}

// rows are counts by reason, the most frequent first.
func (p *page) rows(kind string, counts map[string]int64) []reasonRow {
	var rows []reasonRow
	for reason, n := range counts {
		rows = append(rows, reasonRow{kind, reason, p.reason(reason), n})
	}
	slices.SortFunc(rows, func(a, b reasonRow) int {
		if a.Count != b.Count {
			return int(min(max(b.Count-a.Count, -1), 1))
		}
		if a.Reason < b.Reason {
			return -1
		}
		return 1
	})
	return rows
}

// reason says a reason's word in a sentence, if there is one.
func (p *page) reason(word string) string {
	switch texts := p.h.catalogs[p.lang]; {
	case texts.has("reason." + word):
		return p.t("reason." + word)
	case texts.has("became." + word):
		return p.t("became." + word)
	}
	return word
}

// stateOf says in one line how the flow stands, why, and what to do.
func (p *page) stateOf(v *liveView, f flow, told *FlowStatus) {
	v.Known, v.Lag = told != nil, told
	edit := p.flowPath(f.ID, "/edit")
	switch {
	case f.State != "enabled":
		v.State, v.Since = "disabled", f.UpdatedAt
		v.Cause, v.ToDo, v.ToDoPath = p.t("cause.paused", f.UpdatedBy), p.t("todo.paused"), "#pause"
		return
	case len(f.Segments()) == 0:
		v.State, v.Since = "waiting", f.UpdatedAt
		v.Cause, v.ToDo, v.ToDoPath = p.t("cause.nosegment"), p.t("todo.nosegment"), edit
		return
	case told == nil:
		v.State, v.Since = "unknown", f.UpdatedAt
		v.Cause, v.ToDo = p.t("cause.unknown"), p.t("todo.unknown")
		return
	}
	v.State, v.Detail = told.State, told.Detail
	if !told.Since.IsZero() {
		v.Since = told.Since.UnixMilli()
	}
	if !slices.Contains(states, told.State) {
		v.State = "unknown"
	}
	v.Cause, v.ToDo = p.t("cause."+v.State), ""
	if told.Reason != "" {
		v.Cause = p.t("cause.because", p.t("cause."+v.State), p.reason(told.Reason))
	}
	texts := p.h.catalogs[p.lang]
	switch {
	case texts.has("todo." + told.Reason):
		v.ToDo = p.t("todo." + told.Reason)
	case texts.has("todo." + v.State):
		v.ToDo = p.t("todo." + v.State)
	}
	switch v.State {
	case "refused":
		v.ToDoPath = edit
	case "held":
		v.ToDoPath = "#letters"
		if told.Reason != "parked" && told.Reason != "retries-exhausted" {
			v.ToDoPath = ""
		}
	}
}

// states are those that a process tells.
var states = []string{"starting", "running", "held", "refused", "stopped", "silent"}

// age is a span as people say it: the largest two units.
func age(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}
