package policyservice

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/transform"
)

// maxDenyLabels bounds an expression: judging it costs its length for every segment.
const maxDenyLabels = 200

// policyRequest is what a caller says of a policy.
type policyRequest struct {
	Name        string               `json:"name"`
	Status      string               `json:"status"`
	Refs        []string             `json:"marketingActionRefs"`
	Description string               `json:"description"`
	Deny        transform.Expression `json:"deny"`
}

func policyRef(container, id string) string { return Base + "/policies/" + container + "/" + id }

func (p *Policy) show(core transform.Catalog) object {
	shown := object{"id": p.ID, "name": p.Name, "status": p.Status, "marketingActionRefs": actionRefs(p.Actions, core), "deny": p.Deny}
	if p.Description != "" {
		shown["description"] = p.Description
	}
	return withMeta(shown, p.Meta, policyRef("custom", p.ID))
}

func showCore(p transform.Policy, i int, on bool, core transform.Catalog) object {
	status := disabled
	if on {
		status = enabled
	}
	return object{
		"id": coreID(i), "name": p.Name, "status": status, "description": p.Description, "deny": p.Deny,
		"marketingActionRefs": actionRefs(p.MarketingActions, core), "_links": object{"self": object{"href": policyRef("core", coreID(i))}},
	}
}

// policies are those of a container as they are shown.
func (s *Service) policies(v documents.Reader, sandbox, container string) ([]api.Item, error) {
	core, err := transform.CoreCatalog()
	if err != nil {
		return nil, err
	}
	var items []api.Item
	if container == "core" {
		ids, err := enabledIDs(v, sandbox)
		for i, p := range core.Policies {
			items = append(items, api.Item{ID: coreID(i), Fields: showCore(p, i, slices.Contains(ids, coreID(i)), core)})
		}
		return items, err
	}
	for _, e := range v.List(documents.Prefix(documents.Policies, sandbox)) {
		var p Policy
		if err := documents.Decode(e, &p); err != nil {
			return nil, err
		}
		items = append(items, api.Item{ID: p.ID, Fields: p.show(core)})
	}
	return items, nil
}

func (s *Service) listPolicies(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	_, items, err := s.contained(w, r, c, s.policies)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	if label := query.Get("duleLabels"); label != "" {
		wanted := strings.Split(label, ",")
		items = slices.DeleteFunc(items, func(item api.Item) bool {
			deny, _ := item.Fields["deny"].(transform.Expression)
			return !slices.ContainsFunc(deny.Labels(), func(l string) bool { return slices.Contains(wanted, l) })
		})
	}
	if action := query.Get("marketingAction"); action != "" {
		items = slices.DeleteFunc(items, func(item api.Item) bool {
			refs, _ := item.Fields["marketingActionRefs"].([]string)
			return !slices.ContainsFunc(refs, func(ref string) bool {
				name, _ := actionOf(ref)
				return name == action || ref == action || strings.HasSuffix(ref, "/"+action)
			})
		})
	}
	return answerList(w, r, items)
}

func (s *Service) getPolicy(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	v, items, err := s.contained(w, r, c, s.policies)
	if err != nil {
		return err
	}
	for _, item := range items {
		if item.ID == r.PathValue("id") {
			if e, ok := v.Get(documents.Key(documents.Policies, c.Sandbox, item.ID)); ok {
				w.Header().Set("ETag", api.Quoted(e.Etag))
			}
			return api.Write(w, http.StatusOK, item.Fields)
		}
	}
	return notFound("policy", r.PathValue("id"))
}

// read judges a request for a policy beside the others of a state.
func (s *Service) read(a *attempt, body any, id string) (*policyRequest, []string, error) {
	var request policyRequest
	problems := api.Into(body, &request, "")
	report := func(field, message string) {
		problems = append(problems, api.FieldError{Field: field, Message: message})
	}
	policies, err := Policies(a.view, a.caller.Sandbox)
	if err != nil {
		return nil, nil, err
	}
	core, err := transform.CoreCatalog()
	if err != nil {
		return nil, nil, err
	}
	var known, actions []string
	for _, list := range [][]transform.MarketingAction{core.MarketingActions, policies.Custom.MarketingActions} {
		for _, action := range list {
			known = append(known, action.Name)
		}
	}
	for i, ref := range request.Refs {
		name, ok := actionOf(ref)
		switch at := fmt.Sprintf("marketingActionRefs[%d]", i); {
		case !ok:
			report(at, "must be the address of a marketing action: /marketingActions/core/NAME or /marketingActions/custom/NAME")
		case !slices.Contains(known, name):
			report(at, fmt.Sprintf("there is no marketing action %q; PUT /marketingActions/custom/%s makes it", name, name))
		case !slices.Contains(actions, name):
			actions = append(actions, name)
		}
	}
	if len(request.Refs) == 0 {
		report("marketingActionRefs", "must name at least one marketing action")
	}
	s.validate(a, &request, actions, id, report)
	if len(problems) > 0 {
		return nil, nil, api.Invalid(problems)
	}
	return &request, actions, nil
}

func (s *Service) validate(a *attempt, request *policyRequest, actions []string, id string, report func(field, message string)) {
	if !slices.Contains([]string{draft, enabled, disabled}, request.Status) {
		report("status", "must be DRAFT, ENABLED or DISABLED")
	}
	if len(request.Deny.Labels()) > maxDenyLabels {
		report("deny", fmt.Sprintf("must name at most %d labels", maxDenyLabels))
		return
	}
	if utf8.RuneCountInString(request.Description) > maxDescription {
		report("description", fmt.Sprintf("must be at most %d characters", maxDescription))
	}
	if utf8.RuneCountInString(request.Name) > 200 {
		report("name", "must be at most 200 characters")
	}
	api.OneLine("name", request.Name, report)
	p := transform.Policy{Name: request.Name, Status: transform.PolicyDraft, MarketingActions: append([]string{}, actions...), Deny: request.Deny}
	p.Check(actions, func(message string) {
		field, said, _ := strings.Cut(message, ": ")
		if field != "marketingActions" { // which were judged by their addresses
			report(field, said)
		}
	})
	if p.Core() {
		report("name", "names that begin with core/ are the platform's own")
	}
	for _, e := range a.view.List(documents.Prefix(documents.Policies, a.caller.Sandbox)) {
		var other Policy
		if documents.Decode(e, &other) == nil && other.Name == request.Name && other.ID != id {
			report("name", "policy "+other.ID+" has this name already; violations go by names")
		}
	}
}

// set changes a policy to what a request says, or makes it.
func (s *Service) set(c api.Caller, r *http.Request, id string, request func(a *attempt, before *documents.Entry) (any, error), why string, fresh bool) (*Policy, string, error) {
	key := documents.Key(documents.Policies, c.Sandbox, id)
	var doc *Policy
	etag, err := s.change(r.Context(), c, why, func(a *attempt) (documents.Write, error) {
		var before *documents.Entry
		doc = &Policy{}
		refused := documents.Write{}
		if e, there := a.view.Get(key); there {
			before, refused = &e, documents.Write{Key: key, Base: e.Etag}
			if err := documents.Decode(e, doc); err != nil {
				return refused, err
			}
			if err := api.Given(r, e.Etag); err != nil {
				return refused, err
			}
		} else if !fresh {
			return refused, notFound("policy", id)
		}
		body, err := request(a, before)
		if err != nil {
			return refused, err
		}
		read, actions, err := s.read(a, body, id)
		if err != nil {
			return refused, err
		}
		doc.Name, doc.Description, doc.Status, doc.Actions, doc.Deny = read.Name, read.Description, read.Status, actions, read.Deny
		return s.written(c, key, id, &doc.Meta, doc, before)
	})
	return doc, etag, err
}

func (s *Service) answerPolicy(w http.ResponseWriter, status int, p *Policy, etag string) error {
	core, err := transform.CoreCatalog()
	if err != nil {
		return err
	}
	w.Header().Set("ETag", api.Quoted(etag))
	return api.Write(w, status, p.show(core))
}

func (s *Service) createPolicy(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	body, err := api.Body(r)
	if err != nil {
		return err
	}
	id := s.o.NewID()
	doc, etag, err := s.set(c, r, id, func(*attempt, *documents.Entry) (any, error) { return body, nil }, "POST /policies/custom", true)
	if err != nil {
		return err
	}
	w.Header().Set("Location", policyRef("custom", id))
	return s.answerPolicy(w, http.StatusCreated, doc, etag)
}

func (s *Service) putPolicy(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	body, err := api.Body(r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	doc, etag, err := s.set(c, r, id, func(*attempt, *documents.Entry) (any, error) { return withoutShown(body), nil }, "PUT /policies/custom/"+id, false)
	if err != nil {
		return err
	}
	return s.answerPolicy(w, http.StatusOK, doc, etag)
}

// shownOnly are members of a policy as it is shown that a request has not; one that
// comes back with them, as GET gave it, is taken.
var shownOnly = []string{"id", "imsOrg", "created", "createdClient", "createdUser", "updated", "updatedClient", "updatedUser", "_links", "sandboxName"}

func withoutShown(body any) any {
	if request, ok := body.(object); ok {
		for _, name := range shownOnly {
			delete(request, name)
		}
	}
	return body
}

func (s *Service) patchPolicy(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	body, err := api.Body(r)
	if err != nil {
		return err
	}
	operations, err := api.Operations(body, api.AllOperations)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	core, err := transform.CoreCatalog()
	if err != nil {
		return err
	}
	doc, etag, err := s.set(c, r, id, func(_ *attempt, before *documents.Entry) (any, error) {
		var p Policy
		if err := documents.Decode(*before, &p); err != nil {
			return nil, err
		}
		shown, err := api.Generic(p.show(core))
		if err != nil {
			return nil, err
		}
		after, err := api.Patch(shown, operations)
		return withoutShown(after), err
	}, "PATCH /policies/custom/"+id, false)
	if err != nil {
		return err
	}
	return s.answerPolicy(w, http.StatusOK, doc, etag)
}

func (s *Service) deletePolicy(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	key := documents.Key(documents.Policies, c.Sandbox, id)
	_, err := s.change(r.Context(), c, "DELETE /policies/custom/"+id, func(a *attempt) (documents.Write, error) {
		before, there := a.view.Get(key)
		if !there {
			return documents.Write{}, notFound("policy", id)
		}
		return documents.Write{Key: key, Base: before.Etag}, nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
