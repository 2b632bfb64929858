package policyservice

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/transform"
)

var actionName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$`)

// maxDescription is that of documents of the flow service.
const maxDescription = 2000

func showAction(e documents.Entry) (object, error) {
	var a MarketingAction
	if err := documents.Decode(e, &a); err != nil {
		return nil, err
	}
	return a.show(), nil
}

func (a *MarketingAction) show() object {
	shown := object{"name": a.Name}
	if a.Description != "" {
		shown["description"] = a.Description
	}
	return withMeta(shown, a.Meta, actionRef("custom", a.Name))
}

func showCoreAction(a transform.MarketingAction) object {
	return object{"name": a.Name, "description": a.Description, "_links": object{"self": object{"href": actionRef("core", a.Name)}}}
}

func (s *Service) actions(v documents.Reader, sandbox, container string) ([]api.Item, error) {
	var items []api.Item
	if container == "core" {
		core, err := transform.CoreCatalog()
		for _, a := range core.MarketingActions {
			items = append(items, api.Item{ID: a.Name, Fields: showCoreAction(a)})
		}
		return items, err
	}
	for _, e := range v.List(documents.Prefix(documents.MarketingActions, sandbox)) {
		shown, err := showAction(e)
		if err != nil {
			return nil, err
		}
		items = append(items, api.Item{ID: documents.ID(e.Key), Fields: shown})
	}
	return items, nil
}

func (s *Service) listActions(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	_, items, err := s.contained(w, r, c, s.actions)
	if err != nil {
		return err
	}
	return answerList(w, r, items)
}

func (s *Service) getAction(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	_, items, err := s.contained(w, r, c, s.actions)
	if err != nil {
		return err
	}
	for _, item := range items {
		if item.ID == r.PathValue("name") {
			return api.Write(w, http.StatusOK, item.Fields)
		}
	}
	return notFound("marketing action", r.PathValue("name"))
}

func (s *Service) putAction(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	body, err := api.Body(r)
	if err != nil {
		return err
	}
	var request struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	}
	if problems := api.Into(body, &request, ""); len(problems) > 0 {
		return api.Invalid(problems)
	}
	switch {
	case request.Name != name:
		return api.Invalid([]api.FieldError{{Field: "name", Message: "must be that of the path: a marketing action is not renamed"}})
	case !actionName.MatchString(name):
		return api.Invalid([]api.FieldError{{Field: "name", Message: "must be 1 to 100 letters, digits, '.', '_' or '-', the first a letter or digit"}})
	case utf8.RuneCountInString(request.Description) > maxDescription:
		return api.Invalid([]api.FieldError{{Field: "description", Message: fmt.Sprintf("must be at most %d characters", maxDescription)}})
	}
	status := http.StatusOK
	key := documents.Key(documents.MarketingActions, c.Sandbox, name)
	var doc MarketingAction
	etag, err := s.change(r.Context(), c, "PUT /marketingActions/custom/"+name, func(a *attempt) (documents.Write, error) {
		doc = MarketingAction{}
		before, there := a.view.Get(key)
		if err := api.Given(r, before.Etag); err != nil {
			return documents.Write{}, err
		}
		if !there {
			status = http.StatusCreated
			doc.Name, doc.Description = name, request.Description
			return s.written(c, key, name, &doc.Meta, &doc, nil)
		}
		status = http.StatusOK
		if err := documents.Decode(before, &doc); err != nil {
			return documents.Write{}, err
		}
		doc.Description = request.Description
		return s.written(c, key, name, &doc.Meta, &doc, &before)
	})
	if err != nil {
		return err
	}
	w.Header().Set("ETag", api.Quoted(etag))
	return api.Write(w, status, doc.show())
}

func (s *Service) deleteAction(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	key := documents.Key(documents.MarketingActions, c.Sandbox, name)
	_, err := s.change(r.Context(), c, "DELETE /marketingActions/custom/"+name, func(a *attempt) (documents.Write, error) {
		before, there := a.view.Get(key)
		if !there {
			return documents.Write{}, notFound("marketing action", name)
		}
		core, err := transform.CoreCatalog()
		if err != nil {
			return documents.Write{}, err
		}
		if !isCore(core, name) { // else what names it means the core one as well
			var users []string
			for _, e := range a.view.List(documents.Prefix(documents.Policies, c.Sandbox)) {
				var p Policy
				if documents.Decode(e, &p) == nil && slices.Contains(p.Actions, name) {
					users = append(users, p.ID)
				}
			}
			if len(users) > 0 {
				return documents.Write{}, api.Refuse(api.CodeInvalid, "the marketing action is referenced by the policies %s: delete or change them first", strings.Join(users, ", "))
			}
			if users = s.o.Uses(a.view, c.Sandbox, name); len(users) > 0 {
				return documents.Write{}, api.Refuse(api.CodeInvalid, "the marketing action is named by the target connections %s: take it out of their params.marketingActions first", strings.Join(users, ", "))
			}
		}
		return documents.Write{Key: key, Base: before.Etag}, nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
