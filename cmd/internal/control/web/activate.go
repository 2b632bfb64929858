package web

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"kinesis-destination/cmd/internal/control/api"
)

// activation is a flow that is being changed: what it has, and what is to become of it.
type activation struct {
	Flow   flow
	Target target
	Source string
	is     choice // as it runs
	now    choice // as it is to be
	// Theirs is what others changed since the draft was begun; the draft is on top of it.
	Theirs []Change
}

// draftOf is what the draft of a flow is kept by.
func draftOf(id string) string { return "activate/" + id }

// activation looks up a flow and the draft of its changes. A draft that was begun on
// another version is put on the present one.
func (p *page) activation() (*activation, error) {
	id := url.PathEscape(p.r.PathValue("id"))
	var flows list[flow]
	if err := p.get(p.ctx(), flowService+"/flows/"+id, &flows); err != nil {
		return nil, err
	}
	a := &activation{Flow: flows.Items[0]}
	if len(a.Flow.TargetIDs) != 1 || len(a.Flow.SourceIDs) != 1 {
		return nil, api.Refuse(api.CodeInvalid, "flow %s has no source or target connection", a.Flow.ID)
	}
	var targets list[target]
	if err := p.get(p.ctx(), flowService+"/targetConnections/"+a.Flow.TargetIDs[0], &targets); err != nil {
		return nil, err
	}
	a.Target = targets.Items[0]
	var err error
	if a.Source, err = p.sourceOf(&a.Flow); err != nil {
		return nil, err
	}
	a.is = choiceOf(&a.Flow, &a.Target)
	a.now = a.is
	if kept := p.draft(draftOf(a.Flow.ID)); kept != nil {
		base, mine := choice{}, choice{}
		for _, kind := range kinds {
			base[kind], mine[kind] = kept["base."+kind], kept[kind]
		}
		a.Theirs = difference(base, a.is)
		a.now = a.is.with(difference(base, mine))
	}
	for _, kind := range []string{kindSegment, kindAttribute} {
		if posted := p.draft(postedOf(kind, a.Flow.ID)); posted != nil {
			a.chosen(kind, posted)
			p.keep(a)
			p.dropDraft(postedOf(kind, a.Flow.ID))
		}
	}
	return a, nil
}

// keep keeps the draft. What others changed is no news any more.
func (p *page) keep(a *activation) {
	values := url.Values{}
	for _, kind := range kinds {
		values[kind], values["base."+kind] = a.now[kind], a.is[kind]
	}
	if len(difference(a.is, a.now)) == 0 {
		p.dropDraft(draftOf(a.Flow.ID))
		return
	}
	p.keepDraft(draftOf(a.Flow.ID), values)
}

// stepForm is a step of the way as it was sent: what was ticked and pasted, and what the
// button asks for.
type stepForm struct {
	*activation
	values     url.Values
	verb, what string
}

// stepForm keeps what was chosen of a kind.
func (p *page) stepForm(kind string) (*stepForm, error) {
	values, err := p.form()
	if err != nil {
		return nil, err
	}
	a, err := p.activation()
	if err != nil {
		return nil, err
	}
	a.chosen(kind, values)
	f := &stepForm{activation: a, values: values}
	f.verb, f.what, _ = strings.Cut(values.Get("go"), ":")
	if f.verb == "drop" {
		a.toggle(kind, f.what)
	}
	p.keep(a)
	return f, nil
}

// judged is what the API would refuse of a kind; nil: nothing.
func (p *page) judged(a *activation, kind string) (*Refusal, error) {
	v, err := p.judge(a, true)
	if err != nil {
		return nil, err
	}
	return a.wrong(v, kind), nil
}

// leave goes to the flow's page; the draft stays.
func (p *page) leave(a *activation) {
	p.redirect(p.base() + "/flows/" + url.PathEscape(a.Flow.ID) + "?done=draft.kept")
}

// chosen takes what a form ticked of what it listed, and what was pasted, and the settings
// that stand beside attributes. What it did not list stays as it was.
func (a *activation) chosen(kind string, values url.Values) {
	if a.now != nil {
		a.now = maps.Clone(a.now)
	}
	rest := without(a.now[kind], values["listed"])
	ticked := values[kind]
	// Those that were there keep their places.
	kept := slices.DeleteFunc(slices.Clone(a.now[kind]), func(item string) bool {
		return !slices.Contains(rest, item) && !slices.Contains(ticked, item)
	})
	a.now[kind] = union(union(kept, ticked), pasted(values.Get("paste")))
	if kind == kindAttribute {
		a.options(values)
	}
}

// options takes the settings that a form has.
func (a *activation) options(values url.Values) {
	given := without(append(slices.Clone(values[kindOption]), values.Get("riding")), []string{""})
	a.now = a.now.with([]Change{{Kind: kindOption, Removed: a.now[kindOption], Added: given}})
}

// toggle takes out what is chosen, or puts in what is not.
func (a *activation) toggle(kind, item string) {
	if !slices.Contains(kinds, kind) || item == "" {
		return
	}
	a.now = maps.Clone(a.now)
	if slices.Contains(a.now[kind], item) {
		a.now[kind] = without(a.now[kind], []string{item})
		return
	}
	a.now = a.now.with([]Change{{Kind: kind, Added: []string{item}}})
}

// at is the address of a step.
func (p *page) at(a *activation, step string, query url.Values) string {
	address := p.base() + "/flows/" + url.PathEscape(a.Flow.ID) + "/activate/" + step
	for name, list := range query {
		if len(list) == 0 || list[0] == "" {
			query.Del(name)
		}
	}
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return address
}

// verdict is what the API would say of the changes.
type verdict struct {
	Valid       bool       `json:"valid"`
	Refusal     *api.Error `json:"refusal"`
	Warnings    []string   `json:"warnings"`
	Unavailable string     `json:"unavailable"`
	Sample      *sample    `json:"sample"`
	Example     *struct {
		Outcomes  map[string]int `json:"outcomes"`
		Topic     string         `json:"topic"`
		Partition int            `json:"partition"`
		Offset    int64          `json:"offset"`
		Record    any            `json:"record"`
		State     bool           `json:"state"`
	} `json:"example"`
	Backfill *struct {
		Segments []string `json:"segments"`
		Matching int      `json:"matching"`
		Of       int      `json:"of"`
		Records  int64    `json:"records"`
		Bytes    int64    `json:"bytes"`
		Seconds  float64  `json:"seconds"`
		USD      float64  `json:"usd"`
		Prices   string   `json:"prices"`
	} `json:"backfill"`
}

// sample says how much was looked at.
type sample struct {
	Total      int64  `json:"total"`
	Looked     int    `json:"looked"`
	Unreadable int    `json:"unreadable"`
	Partitions int    `json:"partitions"`
	Incomplete string `json:"incomplete"`
	Oldest     string `json:"oldest"`
	Newest     string `json:"newest"`
}

// Since is the day and time of the oldest event that was looked at.
func (s *sample) Since() string {
	return strings.Replace(s.Oldest[:min(len(s.Oldest), 16)], "T", " ", 1)
}

// judge asks the API what it would say.
func (p *page) judge(a *activation, only bool) (*verdict, error) {
	var v verdict
	_, err := p.call(p.ctx(), http.MethodPost, flowService+"/flows/"+url.PathEscape(a.Flow.ID)+"/preview", map[string]any{
		"flow": nonNil(flowPatch(a.is, a.now)), "target": nonNil(targetPatch(a.is, a.now)), "onlyJudge": only,
	}, &v)
	return &v, err
}

func nonNil(p patch) patch {
	if p == nil {
		return patch{}
	}
	return p
}

var selectorField = regexp.MustCompile(`(segment|profile)Selectors\.selectors\[(\d+)\]`)

// wrong are the mistakes of a verdict in what was chosen of a kind, each with what it
// is about. Violations are none: the review has ways out of them.
func (a *activation) wrong(v *verdict, kind string) *Refusal {
	if v.Refusal == nil || v.Refusal.Status == http.StatusConflict {
		return nil
	}
	// As the patch leaves them: those that stay, then those that are added.
	after := union(without(a.is[kind], without(a.is[kind], a.now[kind])), a.now[kind])
	r := &Refusal{Cause: v.Refusal}
	for _, e := range v.Refusal.Errors {
		found := selectorField.FindStringSubmatch(e.Field)
		ours := found != nil && found[1] == map[string]string{kindSegment: "segment", kindAttribute: "profile"}[kind] ||
			found == nil && strings.Contains(e.Field, map[string]string{kindSegment: "segmentSelectors", kindAttribute: "profileSelectors"}[kind])
		if !ours {
			continue
		}
		said := e.Message
		if found != nil {
			if i, err := strconv.Atoi(found[2]); err == nil && i < len(after) {
				said = after[i] + ": " + said
			}
		}
		r.Fields = append(r.Fields, Problem{kind, said})
	}
	if len(r.Fields) == 0 {
		return nil
	}
	return r
}

func decimal(n int) string { return strconv.Itoa(n) }
