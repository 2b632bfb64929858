package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"kinesis-destination/cmd/internal/control/api"
)

// policyItem is one of the policy service's.
type policyItem struct {
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	Status      string          `json:"status"`
	Description string          `json:"description"`
	Refs        []string        `json:"marketingActionRefs"`
	Deny        json.RawMessage `json:"deny"`
	UpdatedAt   int64           `json:"updated"`
	UpdatedBy   string          `json:"updatedUser"`
}

// Actions are the names of the policy's marketing actions.
func (p policyItem) Actions() []string {
	var names []string
	for _, ref := range p.Refs {
		names = append(names, ref[strings.LastIndexByte(ref, '/')+1:])
	}
	return names
}

// Denied is the expression as people read it.
func (p policyItem) Denied() string { return denied(p.Deny, false) }

// Enabled says that the policy is in force.
func (p policyItem) Enabled() bool { return p.Status == "ENABLED" }

// denied says an expression: C1 and (C3 or I1).
func denied(text json.RawMessage, inner bool) string {
	var e struct {
		Label    string            `json:"label"`
		Operator string            `json:"operator"`
		Operands []json.RawMessage `json:"operands"`
	}
	if json.Unmarshal(text, &e) != nil {
		return ""
	}
	if e.Label != "" {
		return saidLabel(e.Label)
	}
	var parts []string
	for _, one := range e.Operands {
		parts = append(parts, denied(one, true))
	}
	said := strings.Join(parts, " "+strings.ToLower(e.Operator)+" ")
	if inner && len(parts) > 1 {
		said = "(" + said + ")"
	}
	return said
}

// action is a marketing action.
type action struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// label is a label of data.
type label struct {
	Name        string `json:"name"`
	Category    string `json:"category"`
	Description string `json:"description"`
}

// children is a list of the policy service.
type children[T any] struct {
	Children []T `json:"children"`
}

func (p *page) children(path string, into any) error {
	return p.get(p.ctx(), policyService+path, into)
}

type governanceView struct {
	Core, Custom               []policyItem
	CoreActions, CustomActions []action
	Labels                     []label
	Action                     Form // of a new marketing action
	Bench                      *benchView
	Tested                     Form // what the test bench was asked
	Violations                 []shownViolation
}

// benchView is the verdict of the test bench.
type benchView struct {
	Action   string
	Labels   []string
	Denied   bool
	Violated []policyItem
}

// showGovernance shows policies, actions and the test bench, whose question stands in
// the address.
func showGovernance(p *page) error {
	given := p.r.URL.Query()
	if !given.Has("action") {
		return p.governancePage(http.StatusOK, governanceView{Tested: Form{Values: given}}, nil)
	}
	v := governanceView{Tested: Form{Values: given}}
	bench, err := p.testBench(given)
	if err != nil {
		refusal, err := refused(err, "labels", "action")
		if err != nil {
			return err
		}
		v.Tested.Refusal = refusal
		return p.governancePage(refusal.Cause.Status, v, refusal)
	}
	v.Bench = bench
	return p.governancePage(http.StatusOK, v, nil)
}

// testBench asks the policy service what a marketing action over labels violates.
func (p *page) testBench(given url.Values) (*benchView, error) {
	var labels []string
	for _, one := range append(given["label"], strings.FieldsFunc(given.Get("labels"), func(r rune) bool { return strings.ContainsRune(", \n\t", r) })...) {
		if !slices.Contains(labels, one) {
			labels = append(labels, one)
		}
	}
	where, name, ok := strings.Cut(given.Get("action"), "/")
	if !ok || where != "core" && where != "custom" {
		return nil, api.InvalidAs(api.CodeParameterValue, []api.FieldError{{Field: "action", Message: "must name a marketing action"}})
	}
	query := url.Values{"duleLabels": {strings.Join(labels, ",")}}
	if given.Get("draft") != "" {
		query.Set("includeDraft", "true")
	}
	var found struct {
		Violated []policyItem `json:"violatedPolicies"`
	}
	err := p.children("/marketingActions/"+where+"/"+url.PathEscape(name)+"/constraints?"+query.Encode(), &found)
	if refusal, ok := err.(*api.Error); ok { //nolint:errorlint // client.call makes it
		for i := range refusal.Errors {
			refusal.Errors[i].Field = strings.Replace(refusal.Errors[i].Field, "duleLabels", "labels", 1)
		}
	}
	return &benchView{name, labels, len(found.Violated) > 0, found.Violated}, err
}

func (p *page) governancePage(status int, v governanceView, refusal *Refusal) error {
	var custom []label
	for _, err := range []error{
		into(p, "/policies/core", &v.Core), into(p, "/policies/custom", &v.Custom),
		into(p, "/marketingActions/core", &v.CoreActions), into(p, "/marketingActions/custom", &v.CustomActions),
		into(p, "/labels/core", &v.Labels), into(p, "/labels/custom", &custom),
	} {
		if err != nil {
			return err
		}
	}
	v.Labels = append(v.Labels, custom...)
	v.Violations = violationsOf(refusal)
	return p.show(status, "governance", "governance", "governance.title", v, refusal)
}

// into reads all pages of a list of the policy service.
func into[T any](p *page, path string, to *[]T) error {
	const most = 50 // pages; with 100 each, more than a page can show
	start := ""
	for range most {
		var found struct {
			children[T]
			Links struct {
				Next *struct {
					Href string `json:"href"`
				} `json:"next"`
			} `json:"_links"`
		}
		if err := p.children(path+start, &found); err != nil {
			return err
		}
		*to = append(*to, found.Children...)
		if found.Links.Next == nil {
			return nil
		}
		u, err := url.Parse(found.Links.Next.Href)
		if err != nil {
			return err
		}
		start = "?" + u.RawQuery
	}
	return nil
}

// setCore enables or disables a core policy: the list of those enabled is sent anew, on
// the version that it was read of.
func setCore(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	var enabled struct {
		IDs []string `json:"policyIds"`
	}
	a, err := p.call(p.ctx(), http.MethodGet, policyService+"/enabledCorePolicies", nil, &enabled)
	if err != nil {
		return err
	}
	id, on := values.Get("id"), values.Get("status") == "ENABLED"
	enabled.IDs = slices.DeleteFunc(enabled.IDs, func(one string) bool { return one == id })
	if on {
		enabled.IDs = append(enabled.IDs, id)
	}
	more := []string{"If-None-Match", "*"} // there is no list yet
	if etag := a.header.Get("ETag"); etag != "" {
		more = []string{"If-Match", etag}
	}
	return p.governed(http.MethodPut, "/enabledCorePolicies", map[string]any{"policyIds": enabled.IDs}, more...)
}

// setCustom changes the status of a custom policy.
func setCustom(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	return p.governed(http.MethodPatch, "/policies/custom/"+url.PathEscape(values.Get("id")),
		[]map[string]any{{"op": "replace", "path": "/status", "value": values.Get("status")}})
}

// governed makes a change of governance, and shows the page again.
func (p *page) governed(method, path string, body any, more ...string) error {
	if _, err := p.call(p.ctx(), method, policyService+path, body, nil, more...); err != nil {
		refusal, err := refused(err)
		if err != nil {
			return err
		}
		return p.governancePage(refusal.Cause.Status, governanceView{}, refusal)
	}
	p.redirect(p.base() + "/governance?done=changed")
	return nil
}

// putAction makes a custom marketing action.
func putAction(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	name := strings.TrimSpace(values.Get("name"))
	path := policyService + "/marketingActions/custom/" + url.PathEscape(name)
	err = error(api.InvalidAs(api.CodeInvalid, []api.FieldError{{Field: "name", Message: "is required"}}))
	if name != "" && name != "." && name != ".." {
		_, err = p.call(p.ctx(), http.MethodPut, path, map[string]any{"name": name, "description": strings.TrimSpace(values.Get("description"))}, nil)
	}
	if err != nil {
		refusal, err := refused(err, "name", "description")
		if err != nil {
			return err
		}
		return p.governancePage(refusal.Cause.Status, governanceView{Action: Form{values, refusal}}, refusal)
	}
	p.redirect(p.base() + "/governance?done=changed#actions")
	return nil
}

func deleteAction(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	return p.governed(http.MethodDelete, "/marketingActions/custom/"+url.PathEscape(values.Get("name")), nil)
}
