package web

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"kinesis-destination/cmd/internal/control/api"
)

type reviewView struct {
	*activation
	Changes    []Change
	Verdict    *verdict
	Violations []violatedPolicy
	Outcomes   []outcome
}

// outcome is what becomes of so many events of a sample.
type outcome struct {
	What   string
	Events int
}

// violatedPolicy is a policy that objects, and how to get out of it.
type violatedPolicy struct {
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Actions     []string  `json:"marketingActions"`
	Labels      []string  `json:"labels"`
	Carriers    []carrier `json:"carriers"`
	WaysOut     []string  `json:"waysOut"`
	Ways        []way     `json:"-"`
}

// carrier is who carries a label.
type carrier struct {
	Label     string `json:"label"`
	ImpliedBy string `json:"impliedBy"`
	Field     string `json:"field"`
	Mapped    string `json:"mapped"`
	Segment   string `json:"segment"`
	Declared  string `json:"declared"`
}

// way is a way out that a button does: it takes these things out.
type way struct {
	Label string // whose carriers they are; empty: an action
	Drops []string
}

// Value is what the button sends: kinds and names, one a line.
func (w way) Value() string { return "drop:" + strings.Join(w.Drops, "\n") }

// Names are what is taken out, for a person.
func (w way) Names() []string {
	var names []string
	for _, drop := range w.Drops {
		_, name, _ := strings.Cut(drop, ":")
		names = append(names, name)
	}
	return names
}

// violations are those of a refusal, each with its ways out, the shortest first.
func (v *verdict) violations() []violatedPolicy {
	if v.Refusal == nil || v.Refusal.Violations == nil {
		return nil
	}
	text, err := json.Marshal(v.Refusal.Violations)
	if err != nil {
		return nil
	}
	var found []struct {
		Policies []violatedPolicy `json:"violatedPolicies"`
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return nil
	}
	var all []violatedPolicy
	for _, one := range found {
		for _, policy := range one.Policies {
			policy.Ways = policy.ways()
			all = append(all, policy)
		}
	}
	return all
}

// ways are the ways out that buttons do: without what carries one of the labels, or
// without the marketing actions. The shortest is the first.
func (p *violatedPolicy) ways() []way {
	byLabel := map[string]*way{}
	var all []way
	for _, c := range p.Carriers {
		drop := kindAttribute + ":" + c.Mapped
		if c.Segment != "" {
			drop = kindSegment + ":" + c.Segment
		}
		if byLabel[c.Label] == nil {
			byLabel[c.Label] = &way{Label: c.Label}
		}
		byLabel[c.Label].Drops = union(byLabel[c.Label].Drops, []string{drop})
	}
	for _, label := range p.Labels {
		if w := byLabel[label]; w != nil {
			all = append(all, *w)
		}
	}
	var actions way
	for _, action := range p.Actions {
		actions.Drops = append(actions.Drops, kindAction+":"+action)
	}
	if len(actions.Drops) > 0 {
		all = append(all, actions)
	}
	slices.SortStableFunc(all, func(a, b way) int { return cmp.Compare(len(a.Drops), len(b.Drops)) })
	return all
}

// showReview shows what would change, and what would come of it.
func showReview(p *page) error {
	a, err := p.activation()
	if err != nil {
		return err
	}
	return p.reviewPage(http.StatusOK, a, nil)
}

func (p *page) reviewPage(status int, a *activation, refusal *Refusal) error {
	v := reviewView{activation: a, Changes: difference(a.is, a.now)}
	var err error
	if v.Verdict, err = p.judge(a, false); err != nil {
		return err
	}
	v.Violations = v.Verdict.violations()
	if e := v.Verdict.Example; e != nil {
		for what, n := range e.Outcomes {
			v.Outcomes = append(v.Outcomes, outcome{p.outcome(what), n})
		}
		slices.SortFunc(v.Outcomes, func(a, b outcome) int {
			return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.What, b.What))
		})
	}
	return p.show(status, "review", "flows", "review.title", v, refusal)
}

// outcome says in words what becomes of an event, and why.
func (p *page) outcome(what string) string {
	word, reason, because := strings.Cut(what, ": ")
	if p.h.catalogs[p.lang].has("outcome." + word) {
		word = p.t("outcome." + word)
	}
	if !because {
		return word
	}
	return word + ": " + p.reason(reason)
}

// finish makes the changes; or takes some of them back, which is a way out.
func finish(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	a, err := p.activation()
	if err != nil {
		return err
	}
	switch verb, what, _ := strings.Cut(values.Get("go"), ":"); verb {
	case "undo":
		kind, item, _ := strings.Cut(what, ":")
		a.toggle(kind, item)
	case "drop":
		for line := range strings.SplitSeq(what, "\n") {
			if kind, item, _ := strings.Cut(strings.TrimSpace(line), ":"); slices.Contains(a.now[kind], item) {
				a.toggle(kind, item)
			}
		}
	case "back":
		p.redirect(p.at(a, "attributes", nil))
		return nil
	case "exit":
		p.leave(a)
		return nil
	default:
		return p.apply(a, values)
	}
	p.keep(a)
	p.redirect(p.at(a, "review", nil))
	return nil
}

// apply makes the changes on the versions that the review showed.
func (p *page) apply(a *activation, values url.Values) error {
	flow, target := flowPatch(a.is, a.now), targetPatch(a.is, a.now)
	calls := []struct {
		path, etag string
		patch      patch
	}{
		{flowService + "/targetConnections/" + a.Target.ID, values.Get("etag.target"), target},
		{flowService + "/flows/" + url.PathEscape(a.Flow.ID), values.Get("etag.flow"), flow},
	}
	send := func(i int) error {
		if len(calls[i].patch) == 0 {
			return nil
		}
		_, err := p.call(p.ctx(), http.MethodPatch, calls[i].path, calls[i].patch, nil, "If-Match", calls[i].etag)
		return err
	}
	err := send(0)
	if refusal, ok := refusedBy(err); ok && refusal.Status == http.StatusConflict && len(flow) > 0 {
		// What the flow loses is what the policy objects to: it goes first.
		if err = send(1); err == nil {
			err = send(0)
		}
	} else if err == nil {
		err = send(1)
	}
	if err == nil && a.Flow.State == "disabled" && values.Get("go") == "enable" {
		_, err = p.call(p.ctx(), http.MethodPost, flowService+"/flows/"+url.PathEscape(a.Flow.ID)+"/action?op=enable", nil, nil)
	}
	if err != nil {
		refusal, err := refused(err)
		if err != nil {
			return err
		}
		theirs := a.Theirs
		p.keep(a)
		if a, err = p.activation(); err != nil {
			return err
		}
		a.Theirs = append(theirs, a.Theirs...)
		return p.reviewPage(refusal.Cause.Status, a, refusal)
	}
	p.dropDraft(draftOf(a.Flow.ID))
	p.redirect(p.base() + "/flows/" + url.PathEscape(a.Flow.ID) + "?done=flow.activated")
	return nil
}

// dropDraftOf gives a draft up.
func dropDraftOf(p *page) error {
	id := p.r.PathValue("id")
	p.dropDraft(draftOf(id))
	p.redirect(p.base() + "/flows/" + url.PathEscape(id) + "/activate/segments?done=draft.dropped")
	return nil
}

// refusedBy is the API's refusal, if an error is one.
func refusedBy(err error) (*api.Error, bool) {
	refusal, ok := err.(*api.Error) //nolint:errorlint // the client makes it
	return refusal, ok
}
