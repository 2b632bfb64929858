package policyservice

import (
	"fmt"
	"net/http"
	"slices"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/transform"
)

func showEnabled(s *Settings) object {
	ids := s.PolicyIDs
	if ids == nil {
		ids = []string{}
	}
	return withMeta(object{"policyIds": ids}, s.Meta, Base+"/"+enabledCore)
}

func (s *Service) getEnabled(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	v, err := s.view(w, r)
	if err != nil {
		return err
	}
	var settings Settings
	if e, ok := v.Get(documents.Key(documents.Settings, c.Sandbox, enabledCore)); ok {
		if err := documents.Decode(e, &settings); err != nil {
			return err
		}
		w.Header().Set("ETag", api.Quoted(e.Etag))
	}
	return api.Write(w, http.StatusOK, showEnabled(&settings))
}

// putEnabled enables the core policies of a list; those left out are disabled.
func (s *Service) putEnabled(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	body, err := api.Body(r)
	if err != nil {
		return err
	}
	var request struct {
		PolicyIDs []string `json:"policyIds"`
	}
	problems := api.Into(withoutShown(body), &request, "")
	core, err := transform.CoreCatalog()
	if err != nil {
		return err
	}
	ids := []string{}
	for i, id := range request.PolicyIDs {
		known := slices.ContainsFunc(core.Policies, func(p transform.Policy) bool {
			return id == coreID(slices.IndexFunc(core.Policies, func(q transform.Policy) bool { return q.Name == p.Name }))
		})
		switch {
		case !known:
			problems = append(problems, api.FieldError{Field: fmt.Sprintf("policyIds[%d]", i), Message: fmt.Sprintf("there is no such core policy; they are %s to %s", coreID(0), coreID(len(core.Policies)-1))})
		case !slices.Contains(ids, id):
			ids = append(ids, id)
		}
	}
	if request.PolicyIDs == nil && len(problems) == 0 {
		problems = append(problems, api.FieldError{Field: "policyIds", Message: "is required: a list, which may be empty"})
	}
	if len(problems) > 0 {
		return api.Invalid(problems)
	}
	key := documents.Key(documents.Settings, c.Sandbox, enabledCore)
	var settings Settings
	etag, err := s.change(r.Context(), c, "PUT /"+enabledCore, func(a *attempt) (documents.Write, error) {
		settings = Settings{}
		var before *documents.Entry
		if e, ok := a.view.Get(key); ok {
			before = &e
			if err := documents.Decode(e, &settings); err != nil {
				return documents.Write{}, err
			}
			if err := api.Given(r, e.Etag); err != nil {
				return documents.Write{Key: key, Base: e.Etag}, err
			}
		} else if err := api.Given(r, ""); err != nil {
			return documents.Write{}, err
		}
		settings.PolicyIDs = ids
		return s.written(c, key, enabledCore, &settings.Meta, &settings, before)
	})
	if err != nil {
		return err
	}
	w.Header().Set("ETag", api.Quoted(etag))
	return api.Write(w, http.StatusOK, showEnabled(&settings))
}
