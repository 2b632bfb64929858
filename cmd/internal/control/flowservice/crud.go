package flowservice

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
)

// kind is what is particular to a kind of documents.
type kind struct {
	name       string // in paths and keys
	permission api.Permission
	editable   []string // the fields that PATCH may change
	build      func(a *attempt, body any, before *documents.Entry) (any, error)
	show       func(e documents.Entry) (object, error)
	inUse      func(v documents.Reader, sandbox, id string) error
	before     func(document any, operations []api.Operation) error // judges a patch by itself
	activates  func(body any) bool                                  // a new one takes the permission to activate as well
}

// view is the state for a read; a header says where it may be old.
func (s *Service) view(w http.ResponseWriter, r *http.Request) (documents.View, error) {
	v, err := s.o.Store.View(r.Context())
	if err == nil && v.Stale != "" {
		w.Header().Add("Warning", warning("the answer may be old: "+v.Stale))
	}
	return v, err
}

// warning is a header's value that says that an answer may be old (RFC 7234).
func warning(text string) string {
	return fmt.Sprintf("110 kinesis-destination %q", text[:min(len(text), 500)])
}

func (s *Service) create(k kind) api.CallerHandler {
	return func(c api.Caller, w http.ResponseWriter, r *http.Request) error {
		validate, err := validateParameter(r)
		if err != nil {
			return err
		}
		body, err := api.Body(r)
		if err != nil {
			return err
		}
		if k.activates != nil && k.activates(body) {
			if err := s.mayActivate(r); err != nil {
				return err
			}
		}
		id := s.o.NewID()
		etag, a, err := s.change(r.Context(), c, "POST /"+k.name, func(a *attempt) ([]documents.Write, error) {
			a.id, a.key, a.validate = id, documents.Key(k.name, c.Sandbox, id), validate
			doc, err := k.build(a, body, nil)
			if err != nil {
				return nil, err
			}
			return s.write(a, doc, nil)
		})
		if err != nil {
			return err
		}
		w.Header().Set("Location", Base+"/"+k.name+"/"+id)
		return s.answerChange(w, http.StatusCreated, id, etag, a)
	}
}

// find looks up the document that a path names.
func find(v documents.Reader, k kind, sandbox, id string) (documents.Entry, error) {
	e, ok := v.Get(documents.Key(k.name, sandbox, id))
	if !ok || strings.Contains(id, "/") {
		return e, notFound(strings.TrimSuffix(k.name, "s"), id)
	}
	return e, nil
}

func (s *Service) get(k kind) api.CallerHandler {
	return func(c api.Caller, w http.ResponseWriter, r *http.Request) error {
		v, err := s.view(w, r)
		if err != nil {
			return err
		}
		e, err := find(v, k, c.Sandbox, r.PathValue("id"))
		if err != nil {
			return err
		}
		shown, err := s.shown(k, v, e)
		if err != nil {
			return err
		}
		if k.name == documents.Flows {
			s.warnActivity(w)
		}
		w.Header().Set("ETag", api.Quoted(e.Etag))
		return api.Write(w, http.StatusOK, object{"items": []object{shown}})
	}
}

// mostShown bounds how many documents are kept as they are shown: twice what a control
// plane is made for.
const mostShown = 20_000

// shownVersion is a version of a document as it is shown; it is not changed.
type shownVersion struct {
	etag   string
	fields object
}

// shown is a document as it is shown, of a flow with what it has of its connections, and
// what processes tell of it, where a state is given. A list is of all documents, so each version is read once.
func (s *Service) shown(k kind, v documents.Reader, e documents.Entry) (object, error) {
	s.mu.Lock()
	known, ok := s.versions[e.Key]
	s.mu.Unlock()
	if !ok || known.etag != e.Etag {
		shown, err := k.show(e)
		if err != nil {
			return nil, err
		}
		shown["etag"], shown["sandboxName"] = api.Quoted(e.Etag), sandboxOf(e.Key)
		if shown, err = fields(shown); err != nil { // as JSON has it: conditions look into it
			return nil, err
		}
		known = shownVersion{e.Etag, shown}
		s.mu.Lock()
		if len(s.versions) >= mostShown {
			clear(s.versions)
		}
		s.versions[e.Key] = known
		s.mu.Unlock()
	}
	if v == nil || k.name != documents.Flows {
		return known.fields, nil
	}
	shown := maps.Clone(known.fields)
	var err error
	if shown["inheritedAttributes"], err = s.inherited(v, sandboxOf(e.Key), known.fields); err == nil && s.o.Activity != nil {
		shown["status"], err = fields(showTold(s.o.Activity.Flow(documents.ID(e.Key))))
	}
	return shown, err
}

func (s *Service) list(k kind) api.CallerHandler {
	return func(c api.Caller, w http.ResponseWriter, r *http.Request) error {
		q, err := api.ParseQuery(r.URL.Query())
		if err != nil {
			return err
		}
		v, err := s.view(w, r)
		if err != nil {
			return err
		}
		var reader documents.Reader // what a flow has of its connections is looked up for the page alone
		if q.Reads("inheritedAttributes") || q.Reads("status") {
			reader = v
		}
		if k.name == documents.Flows {
			s.warnActivity(w)
		}
		entries := map[string]documents.Entry{}
		var items []api.Item
		for _, e := range v.List(documents.Prefix(k.name, c.Sandbox)) {
			shown, err := s.shown(k, reader, e)
			if err != nil {
				return err
			}
			id := documents.ID(e.Key)
			entries[id] = e
			items = append(items, api.Item{ID: id, Fields: shown})
		}
		return answerQuery(w, r, q, items, func(item api.Item) (object, error) { return s.shown(k, v, entries[item.ID]) })
	}
}

func (s *Service) patch(k kind) api.CallerHandler {
	return func(c api.Caller, w http.ResponseWriter, r *http.Request) error {
		id := r.PathValue("id")
		validate, err := validateParameter(r)
		if err != nil {
			return err
		}
		body, err := api.Body(r)
		if err != nil {
			return err
		}
		operations, err := api.Operations(body, api.ThreeOperations)
		if err != nil {
			return err
		}
		etag, a, err := s.change(r.Context(), c, "PATCH /"+k.name+"/"+id, func(a *attempt) ([]documents.Write, error) {
			a.id, a.key, a.validate = id, documents.Key(k.name, c.Sandbox, id), validate
			before, err := find(a.view, k, c.Sandbox, id)
			if err != nil {
				return nil, err
			}
			if err := api.Match(r, before.Etag); err != nil {
				return nil, err
			}
			request, err := s.patched(k, before, operations)
			if err != nil {
				return nil, err
			}
			doc, err := k.build(a, request, &before)
			if err != nil {
				return nil, err
			}
			return s.write(a, doc, &before)
		})
		if err != nil {
			return err
		}
		return s.answerChange(w, http.StatusAccepted, id, etag, a)
	}
}

// readOnly are fields of documents as they are shown that no request has.
var readOnly = []string{
	"id", "createdAt", "updatedAt", "createdBy", "updatedBy", "createdClient", "updatedClient", "imsOrgId", "sandboxName", "etag", "version",
	"state", "status", "inheritedAttributes", "validated", "externalId", "trustPolicy",
}

// patched applies a patch to a document as it is shown, and returns it as a request
// for one.
func (s *Service) patched(k kind, before documents.Entry, operations []api.Operation) (any, error) {
	shown, err := s.shown(k, nil, before)
	if err != nil {
		return nil, err
	}
	document, err := fields(shown)
	if err != nil {
		return nil, err
	}
	if k.before != nil {
		if err := k.before(document, operations); err != nil {
			return nil, err
		}
	}
	original, err := fields(shown)
	if err != nil {
		return nil, err
	}
	after, err := api.Patch(document, operations)
	if err != nil {
		return nil, err
	}
	next, ok := after.(object)
	if !ok {
		return nil, api.Refuse(api.CodePatch, "the patch leaves no document")
	}
	for name, value := range original {
		if slices.Contains(k.editable, name) || reflect.DeepEqual(value, next[name]) {
			continue
		}
		switch name {
		case "connectionSpec":
			return nil, api.Refuse(api.CodeSpecChange, "The connection spec of a connection cannot be updated.")
		case "state":
			return nil, api.InvalidAs(api.CodePatch, []api.FieldError{{Field: "state", Message: "cannot be patched: use POST /flows/{id}/action?op=enable or disable"}})
		}
		return nil, api.InvalidAs(api.CodePatch, []api.FieldError{{Field: name, Message: fmt.Sprintf("cannot be changed; there are %s", strings.Join(k.editable, ", "))}})
	}
	for _, name := range readOnly {
		if _, there := original[name]; next[name] != nil && !there {
			return nil, api.InvalidAs(api.CodePatch, []api.FieldError{{Field: name, Message: "cannot be set"}})
		}
		delete(next, name)
	}
	return next, nil
}

func (s *Service) remove(k kind) api.CallerHandler {
	return func(c api.Caller, w http.ResponseWriter, r *http.Request) error {
		id := r.PathValue("id")
		_, _, err := s.change(r.Context(), c, "DELETE /"+k.name+"/"+id, func(a *attempt) ([]documents.Write, error) {
			a.key = documents.Key(k.name, c.Sandbox, id)
			before, err := find(a.view, k, c.Sandbox, id)
			if err != nil {
				return nil, err
			}
			if err := api.Given(r, before.Etag); err != nil {
				return nil, err
			}
			if k.inUse != nil {
				a.relyOn(documents.AllFlows...)
				if err := k.inUse(a.view, c.Sandbox, id); err != nil {
					return nil, err
				}
			}
			writes := []documents.Write{{Key: before.Key, Base: before.Etag}}
			if k.name == documents.Flows { // what was noted of its jobs goes with it
				if e, there := a.view.Get(documents.Key(documents.Jobs, c.Sandbox, id)); there {
					writes = append(writes, documents.Write{Key: e.Key, Base: e.Etag})
				}
			}
			return writes, nil
		})
		if err != nil {
			return err
		}
		if k.name == documents.Flows && s.o.Deleted != nil {
			s.o.Deleted(r.Context(), c.Sandbox, id)
		}
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
}

// action enables or disables a flow. It needs no version: what it makes of the state
// does not depend on it.
func (s *Service) action(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	id, op := r.PathValue("id"), r.URL.Query().Get("op")
	state, known := map[string]string{"enable": stateEnabled, "disable": stateDisabled}[op]
	if !known {
		return api.InvalidAs(api.CodeAction, []api.FieldError{{Field: "op", Message: "must be enable or disable"}})
	}
	etag, a, err := s.change(r.Context(), c, "POST /flows/"+id+"/action?op="+op, func(a *attempt) ([]documents.Write, error) {
		a.id, a.key = id, documents.Key(documents.Flows, c.Sandbox, id)
		before, err := find(a.view, s.flowKind(), c.Sandbox, id)
		if err != nil {
			return nil, err
		}
		if err := api.Given(r, before.Etag); err != nil {
			return nil, err
		}
		var f Flow
		if err := documents.Decode(before, &f); err != nil {
			return nil, err
		}
		f.State = state
		if err := s.flowStands(a, &f); err != nil && state == stateEnabled {
			return nil, err
		}
		return s.write(a, &f, &before)
	})
	if err != nil {
		return err
	}
	return s.answerChange(w, http.StatusOK, id, etag, a)
}
