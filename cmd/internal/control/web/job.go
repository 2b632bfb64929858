package web

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"kinesis-destination/cmd/internal/control/api"
)

// job is what is done in the background for a flow, as the API tells of it.
type job struct {
	Op         string           `json:"op"`
	Reason     string           `json:"reason"`
	From       string           `json:"from"`
	To         string           `json:"to"`
	Segment    string           `json:"segment"`
	ID         string           `json:"id"`
	State      string           `json:"state"`
	By         string           `json:"by"`
	Problem    string           `json:"problem"`
	DryRun     bool             `json:"dryRun"`
	EveryEvent bool             `json:"everyEvent"`
	Rate       int64            `json:"rate"`
	BeganAt    int64            `json:"beganAt"`
	EndedAt    int64            `json:"endedAt"`
	Finished   int64            `json:"finished"`
	Selected   int64            `json:"selected"`
	Became     map[string]int64 `json:"became"`
	Estimate   *jobEstimate     `json:"estimate"`
	Held       *jobHeld         `json:"held"`
}

// jobHeld is why a job waits.
type jobHeld struct {
	Reason string `json:"reason"`
	Detail string `json:"detail"`
	Since  int64  `json:"since"`
}

// jobEstimate is what a dry run says that it would take.
type jobEstimate struct {
	Records int64   `json:"records"`
	Bytes   int64   `json:"bytes"`
	Shards  int     `json:"shards"`
	Seconds float64 `json:"seconds"`
	USD     float64 `json:"usd"`
	Prices  string  `json:"prices"`
}

// OfEvents tells events from dead letters.
func (j *job) OfEvents() bool { return j.Op == "replay" || j.Op == "backfill" }

// Over says that it runs no more.
func (j *job) Over() bool { return j.State != "running" && !j.Stopping() }

// Stopping says that it was stopped, and comes to rest.
func (j *job) Stopping() bool { return j.State == "stopping" }

// Stopped says that it was ended before its end.
func (j *job) Stopped() bool { return j.State == "stopped" }

// Unit is the word of texts for what is counted.
func (j *job) Unit() string {
	if j.OfEvents() {
		return ".events"
	}
	return ""
}

// Again is what may follow: what was only counted is done, and what was cut off goes on.
// It is the name of a text, empty where nothing does.
func (j *job) Again() string {
	switch {
	case !j.OfEvents() || !j.Over():
		return ""
	case j.DryRun && j.State == "over":
		if j.Estimate != nil && j.Estimate.Records == 0 {
			return "" // there is nothing to send
		}
		return "job.start"
	case !j.DryRun && j.State != "over":
		return "job.goon"
	}
	return ""
}

// jobView is a job as the page shows it.
type jobView struct {
	*job
	SegmentName string
	Percent     int
	HeldText    string
	Rows        []reasonRow
}

// jobView is the job of a flow; nil where there is none.
func (p *page) jobView(f *flow) (*jobView, error) {
	var found list[job]
	if err := p.get(p.ctx(), p.jobsPath(f.ID), &found); err != nil || len(found.Items) == 0 {
		return nil, err
	}
	v := &jobView{job: &found.Items[0]}
	v.SegmentName = f.SegmentName(v.Segment)
	if v.Selected > 0 {
		v.Percent = int(min(100*v.Finished/v.Selected, 100))
	}
	if v.Held != nil {
		v.HeldText = p.reason(v.Held.Reason)
	}
	v.Rows = p.rows("", v.Became)
	return v, nil
}

func (p *page) jobsPath(flowID string) string {
	return flowService + "/flows/" + url.PathEscape(flowID) + "/jobs"
}

// begin begins a job.
func (p *page) begin(flowID string, request map[string]any) error {
	_, err := p.call(p.ctx(), http.MethodPost, p.jobsPath(flowID), request, nil)
	return err
}

// stopJob ends the job of a flow. What it has done stays done.
func stopJob(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	id := p.r.PathValue("id")
	if _, err := p.call(p.ctx(), http.MethodDelete, p.jobsPath(id), nil, nil); err != nil {
		refusal, err := refused(err)
		if err != nil {
			return err
		}
		if refusal.Cause.Status != http.StatusNotFound { // it ended by itself
			return refusal.Cause
		}
	}
	if stopped := (job{Op: values.Get("op")}); stopped.OfEvents() {
		p.redirect(p.flowPath(id, "?done=stopped"))
		return nil
	}
	p.redirect(p.flowPath(id, "/letters?done=stopped"))
	return nil
}

// resendFields are those of the form, by their names in the API.
var resendFields = []string{"op", "from", "to", "segment", "everyEvent", "rate", "id"}

// resendView asks which events are to be sent once more.
type resendView struct {
	Flow flow
	Form Form
}

func showResend(p *page) error {
	f, err := p.findFlow()
	if err != nil {
		return err
	}
	query := p.r.URL.Query()
	values := url.Values{"op": {"backfill"}, "from": {"earliest"}, "to": {"latest"}, "rate": {"0"}}
	for _, field := range resendFields {
		if query.Has(field) {
			values[field] = query[field]
		}
	}
	return p.show(http.StatusOK, "resend", "flows", "resend.title", resendView{f, Form{Values: values}}, nil)
}

// resendEvents begins a replay or a backfill; the flow's page shows how far it is.
func resendEvents(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	f, err := p.findFlow()
	if err != nil {
		return err
	}
	request := map[string]any{"op": values.Get("op"), "dryRun": values.Get("dry") != ""}
	for _, field := range []string{"from", "to", "segment", "id"} {
		request[field] = values.Get(field)
	}
	request["everyEvent"] = values.Get("everyEvent") != "" && values.Get("op") == "replay"
	rate, wrong := strconv.ParseInt(cmp.Or(strings.TrimSpace(values.Get("rate")), "0"), 10, 64)
	request["rate"] = rate
	if wrong != nil {
		err = api.Invalid([]api.FieldError{{Field: "rate", Message: "must be a number of records a second; 0: as many as the stream takes"}})
	} else {
		err = p.begin(f.ID, request)
	}
	if err != nil {
		refusal, err := refused(err, resendFields...)
		if err != nil {
			return err
		}
		return p.show(refusal.Cause.Status, "resend", "flows", "resend.title", resendView{f, Form{values, refusal}}, refusal)
	}
	p.redirect(p.flowPath(f.ID, "?done=begun#job"))
	return nil
}
