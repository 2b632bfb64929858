package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"kinesis-destination/cmd/internal/control/api"
)

// editFields are those of the form, by their paths in the API.
const (
	fieldName       = "name"
	fieldDetail     = "description"
	fieldSegments   = "transformations[0].params.segmentSelectors.selectors"
	fieldAttributes = "transformations[0].params.profileSelectors.selectors"
)

var editFields = []string{fieldName, fieldDetail, fieldSegments, fieldAttributes}

// editView is the form of a flow.
type editView struct {
	FlowID, FlowName string
	Etag             string
	Before           string // the flow as it was when the form was made, as JSON
	Form             Form
	Violations       []shownViolation
}

// conflictView is what two people changed, beside each other.
type conflictView struct {
	FlowID, FlowName string
	Etag             string // theirs
	Before, Mine     string // as JSON
	By               string // who changed it last
	At               int64
	Mines            []disparity // what I changed
	Theirs           []disparity // what only they changed: it stays
	Undo             bool        // mine is an earlier version
	Refusal          *Refusal
	Violations       []shownViolation
}

// shownViolation is one of the policy service's, as a page shows it.
type shownViolation struct {
	Name     string   `json:"name"`
	Labels   []string `json:"labels"`
	Carriers []struct {
		Field   string `json:"field"`
		Segment string `json:"segment"`
		Label   string `json:"label"`
	} `json:"carriers"`
	WaysOut []string `json:"waysOut"`
}

// violationsOf are those of a refusal.
func violationsOf(r *Refusal) []shownViolation {
	if r == nil || r.Cause == nil || r.Cause.Violations == nil {
		return nil
	}
	text, err := json.Marshal(r.Cause.Violations)
	if err != nil {
		return nil
	}
	var list []struct {
		Policies []shownViolation `json:"violatedPolicies"`
	}
	if json.Unmarshal(text, &list) != nil {
		return nil
	}
	var all []shownViolation
	for _, one := range list {
		all = append(all, one.Policies...)
	}
	return all
}

// present is the flow as it is, its version, and the editable part of it.
func (p *page) present() (f flow, e editable, err error) {
	var raw list[json.RawMessage]
	if err = p.get(p.ctx(), flowService+"/flows/"+url.PathEscape(p.r.PathValue("id")), &raw); err != nil {
		return f, e, err
	}
	if len(raw.Items) == 0 {
		return f, e, api.Refuse(api.CodeNotFound, "there is no such flow")
	}
	if err = json.Unmarshal(raw.Items[0], &f); err == nil {
		e, err = readEditable(raw.Items[0])
	}
	return f, e, err
}

// showEdit shows the form with what the flow is now.
func showEdit(p *page) error {
	f, e, err := p.present()
	if err != nil {
		return err
	}
	return p.editPage(http.StatusOK, f.Name, f.Etag, compact(e), Form{Values: url.Values{
		fieldName: {e.Name}, fieldDetail: {e.Description}, fieldSegments: {e.SegmentLines()}, fieldAttributes: {e.AttributeLines()},
	}})
}

func (p *page) editPage(status int, name, etag, before string, form Form) error {
	v := editView{p.r.PathValue("id"), name, etag, before, form, violationsOf(form.Refusal)}
	return p.show(status, "edit", "flows", "edit.title", v, form.Refusal)
}

// edit changes a flow to what the form says, if it is still the one that the form
// was made of; else it shows what they changed beside what was changed here.
func edit(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	var before editable
	if json.Unmarshal([]byte(values.Get("before")), &before) != nil {
		return api.Refuse(api.CodeInvalid, "the form has lost what the flow was: open it again")
	}
	mine := before.edited(values.Get(fieldName), values.Get(fieldDetail), values.Get(fieldSegments), values.Get(fieldAttributes))
	changed, err := p.change(before, mine, values.Get("etag"))
	if err == nil {
		p.redirect(p.flowPath(p.r.PathValue("id"), "?done="+doneOf(changed, "changed")))
		return nil
	}
	refusal, err := refused(err, editFields...)
	if err != nil {
		return err
	}
	if refusal.Cause.Status == http.StatusPreconditionFailed {
		return p.conflictPage(http.StatusConflict, before, mine, nil, false)
	}
	return p.editPage(refusal.Cause.Status, before.Name, values.Get("etag"), values.Get("before"), Form{values, refusal})
}

// change sends what differs as one patch of a version; false: nothing does.
func (p *page) change(from, to editable, etag string) (bool, error) {
	operations := from.patch(to)
	if len(operations) == 0 {
		return false, nil
	}
	_, err := p.call(p.ctx(), http.MethodPatch, flowService+"/flows/"+url.PathEscape(p.r.PathValue("id")), operations, nil, "If-Match", etag)
	return err == nil, err
}

// doneOf is what the next page says was done.
func doneOf(changed bool, done string) string {
	if changed {
		return done
	}
	return "unchanged"
}

// conflictPage shows both sides' changes. What only I changed is chosen beforehand.
func (p *page) conflictPage(status int, before, mine editable, refusal *Refusal, undo bool) error {
	f, theirs, err := p.present()
	if err != nil {
		return err
	}
	v := conflictView{
		FlowID: f.ID, FlowName: f.Name, Etag: f.Etag, Before: compact(before), Mine: compact(mine), By: f.UpdatedBy, At: f.UpdatedAt,
		Undo: undo, Violations: violationsOf(refusal),
	}
	for _, d := range differences(before, mine, theirs) {
		switch {
		case d.Agreed():
		case d.ByMe:
			v.Mines = append(v.Mines, d)
		default:
			v.Theirs = append(v.Theirs, d)
		}
	}
	title := "conflict.title"
	if undo {
		title = "undo.title"
	}
	return p.show(status, "conflict", "flows", title, v, refusal)
}

// resolve puts the chosen changes of mine on theirs.
func resolve(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	var before, mine editable
	if json.Unmarshal([]byte(values.Get("before")), &before) != nil || json.Unmarshal([]byte(values.Get("mine")), &mine) != nil {
		return api.Refuse(api.CodeInvalid, "the form has lost what was changed: edit the flow again")
	}
	f, theirs, err := p.present()
	if err != nil {
		return err
	}
	undo := values.Get("undo") != ""
	if f.Etag != values.Get("etag") { // once more: what is shown is no longer what there is
		return p.conflictPage(http.StatusConflict, before, mine, &Refusal{Whole: p.t("conflict.again")}, undo)
	}
	var chosen []disparity
	for _, d := range differences(before, mine, theirs) {
		if d.ByMe && slices.Contains(values["put"], d.ID()) {
			chosen = append(chosen, d)
		}
	}
	if len(chosen) == 0 {
		return p.conflictPage(http.StatusBadRequest, before, mine, &Refusal{Whole: p.t("conflict.choose")}, undo)
	}
	changed, err := p.change(theirs, apply(mine, theirs, chosen), f.Etag)
	if refusal, ok := errors.AsType[*api.Error](err); ok {
		shown, err := refused(refusal)
		if err != nil {
			return err
		}
		return p.conflictPage(refusal.Status, before, mine, shown, undo)
	} else if err != nil {
		return err
	}
	done := "changed"
	if undo {
		done = "undone"
	}
	p.redirect(p.flowPath(f.ID, "?done="+doneOf(changed, done)))
	return nil
}

// compact is a value as JSON in one line.
func compact(value any) string {
	text, err := json.Marshal(value)
	if err != nil { // it came from JSON
		return ""
	}
	return string(text)
}
