package policyservice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/flowservice"
	"kinesis-destination/cmd/internal/control/sources"
	"kinesis-destination/schemas"
	"kinesis-destination/transform"
)

// Base is where the calls are.
const Base = "/data/foundation/dulepolicy"

type object = map[string]any

// Options of a service.
type Options struct {
	Log      *slog.Logger
	Store    documents.Store
	Sources  sources.List
	Identify api.Identify
	// Standing judges every enabled flow under other policies than before, and refuses them
	// by the first that they forbid and those before did not.
	Standing func(ctx context.Context, v documents.Reader, sandbox string, before, after documents.PolicySet) error
	// Uses lists the target connections that name a marketing action.
	Uses func(v documents.Reader, sandbox, action string) []string
	// Subject is the newest schema of a registry's subject.
	Subject func(ctx context.Context, source *sources.Source, subject string) (*schemas.Schema, error)
	Now     func() time.Time
	NewID   func() string
}

// Service answers the calls.
type Service struct{ o Options }

// New makes a service.
func New(o Options) *Service { return &Service{o} }

// Register puts the calls into a mux.
func (s *Service) Register(mux *http.ServeMux) {
	for _, call := range []struct {
		method, path string
		need         api.Permission
		handler      api.CallerHandler
	}{
		{"GET", "/marketingActions/{container}", api.View, s.listActions},
		{"GET", "/marketingActions/{container}/{name}", api.View, s.getAction},
		{"PUT", "/marketingActions/custom/{name}", api.Manage, s.putAction},
		{"DELETE", "/marketingActions/custom/{name}", api.Manage, s.deleteAction},
		{"GET", "/marketingActions/{container}/{name}/constraints", api.View, s.constraints},
		{"POST", "/marketingActions/{container}/{name}/constraints", api.View, s.entityConstraints},
		{"POST", "/bulk-eval", api.View, s.bulk},
		{"GET", "/policies/{container}", api.View, s.listPolicies},
		{"GET", "/policies/{container}/{id}", api.View, s.getPolicy},
		{"POST", "/policies/custom", api.Manage, s.createPolicy},
		{"PUT", "/policies/custom/{id}", api.Manage, s.putPolicy},
		{"PATCH", "/policies/custom/{id}", api.Manage, s.patchPolicy},
		{"DELETE", "/policies/custom/{id}", api.Manage, s.deletePolicy},
		{"GET", "/policies.yaml", api.View, s.exportPolicies},
		{"GET", "/enabledCorePolicies", api.View, s.getEnabled},
		{"PUT", "/enabledCorePolicies", api.Manage, s.putEnabled},
		{"GET", "/labels/{container}", api.View, s.listLabels},
		{"GET", "/labels/{container}/{name}", api.View, s.getLabel},
	} {
		mux.HandleFunc(call.method+" "+Base+call.path, s.o.Identify.For(s.o.Log, call.need, call.handler))
	}
}

// attempt is one try to make a change.
type attempt struct {
	view   documents.View
	caller api.Caller
}

const mostAttempts = 20

// change proposes what decide makes of the present state. All policies and flows count
// as read: what would be forbidden is judged over all of them.
func (s *Service) change(ctx context.Context, c api.Caller, why string, decide func(a *attempt) (documents.Write, error)) (string, error) {
	for range mostAttempts {
		view, err := s.o.Store.View(ctx)
		if err != nil {
			return "", err
		}
		change := documents.Change{By: c.Name, Why: why}
		for _, group := range append([]string{documents.AllGovernance}, documents.AllFlows...) {
			change.Reads = append(change.Reads, documents.Read{Key: group, Etag: view.Version(group)})
		}
		write, err := decide(&attempt{view, c})
		if err == nil {
			err = s.stands(ctx, c.Sandbox, view, documents.With(view, write))
		}
		if err != nil {
			s.note(ctx, change, write, err)
			return "", err
		}
		change.Writes = []documents.Write{write}
		etag, err := s.o.Store.Propose(ctx, change)
		if _, conflict := errors.AsType[*documents.Conflict](err); conflict {
			continue
		}
		return etag, flowservice.Outcome(err)
	}
	return "", api.Refuse(api.CodeUnavailable, "what the change relies on changes all the time; nothing has changed. Try again.")
}

// stands judges the flows of a sandbox under the policies of a state that is to follow
// another.
func (s *Service) stands(ctx context.Context, sandbox string, before, after documents.Reader) error {
	now, err := Policies(before, sandbox)
	if err != nil {
		return err
	}
	next, err := Policies(after, sandbox)
	if err != nil {
		return err
	}
	return s.o.Standing(ctx, after, sandbox, now, next)
}

// note puts an attempt that policies or a version refused into the audit.
func (s *Service) note(ctx context.Context, change documents.Change, write documents.Write, err error) {
	refused, ok := errors.AsType[*api.Error](err)
	if !ok || refused.Status != http.StatusConflict && refused.Status != http.StatusPreconditionFailed {
		return
	}
	change.Reads, change.Refused, change.Status = nil, refused.Detail, refused.Status
	if write.Key != "" {
		change.Writes = []documents.Write{{Key: write.Key, Base: write.Base}}
	}
	if _, err := s.o.Store.Propose(ctx, change); err != nil {
		s.o.Log.Warn("a refused attempt is missing in the audit", "error", err)
	}
}

// written makes the write of a document.
func (s *Service) written(c api.Caller, key, id string, meta *flowservice.Meta, doc any, before *documents.Entry) (documents.Write, error) {
	now := s.o.Now().UnixMilli()
	if before == nil {
		*meta = flowservice.Meta{ID: id, CreatedAt: now, CreatedBy: c.Name, CreatedClient: c.Client, Organisation: c.Organisation}
	}
	meta.UpdatedAt, meta.UpdatedBy, meta.UpdatedClient = now, c.Name, c.Client
	text, err := json.Marshal(doc)
	if err != nil {
		return documents.Write{}, fmt.Errorf("write document %s: %w", key, err)
	}
	if err := flowservice.Fits(text); err != nil {
		return documents.Write{}, err
	}
	w := documents.Write{Key: key, Doc: text}
	if before != nil {
		w.Base = before.Etag
	}
	return w, nil
}

func (s *Service) view(w http.ResponseWriter, r *http.Request) (documents.View, error) {
	v, err := s.o.Store.View(r.Context())
	if err == nil && v.Stale != "" {
		w.Header().Set("Warning", fmt.Sprintf("110 kinesis-destination %q", "the answer may be old: "+v.Stale))
	}
	return v, err
}

// container is which of the two a path names: core or custom.
func container(r *http.Request) (string, error) {
	name := r.PathValue("container")
	if name != "core" && name != "custom" {
		return "", api.Refuse(api.CodeNotFound, "there is no such call: there are the containers core and custom")
	}
	return name, nil
}

func notFound(what, id string) error {
	return api.Refuse(api.CodeNotFound, "Not Found: there is no %s %q in this sandbox.", what, id[:min(len(id), 100)]).Titled("Not Found")
}

// answerList answers in the shape of this service: children, and how many they are.
func answerList(w http.ResponseWriter, r *http.Request, items []api.Item) error {
	values := r.URL.Query()
	if start := values.Get("start"); start != "" {
		values.Set("continuationToken", start)
	}
	if !values.Has("limit") {
		values.Set("limit", fmt.Sprint(api.MaxLimit))
	}
	if !values.Has("orderby") {
		values.Set("orderby", "id")
	}
	q, err := api.ParseQuery(values, "start", "duleLabels", "marketingAction")
	if err != nil {
		return err
	}
	for i := range items { // as JSON has them, for conditions look into them
		generic, err := api.Generic(items[i].Fields)
		if err != nil {
			return err
		}
		items[i].Fields, _ = generic.(object)
	}
	page, next, _ := q.Select(items)
	children := []object{}
	for _, item := range page {
		children = append(children, item.Fields)
	}
	links := object{"page": object{"href": r.URL.Path + "{?limit,start,property}", "templated": true}}
	if next != "" {
		query := r.URL.Query()
		query.Set("start", next)
		links["next"] = object{"href": r.URL.Path + "?" + query.Encode()}
	}
	return api.Write(w, http.StatusOK, object{"_page": object{"count": len(children)}, "_links": links, "children": children})
}

// withMeta adds what every document of this service shows of itself.
func withMeta(shown object, m flowservice.Meta, href string) object {
	shown["created"], shown["updated"] = m.CreatedAt, m.UpdatedAt
	shown["createdUser"], shown["updatedUser"] = m.CreatedBy, m.UpdatedBy
	for name, value := range map[string]string{"createdClient": m.CreatedClient, "updatedClient": m.UpdatedClient, "imsOrg": m.Organisation} {
		if value != "" {
			shown[name] = value
		}
	}
	shown["_links"] = object{"self": object{"href": href}}
	return shown
}

func actionRef(container, name string) string {
	return Base + "/marketingActions/" + container + "/" + name
}

// actionRefs are the addresses of a policy's actions.
func actionRefs(names []string, core transform.Catalog) []string {
	refs := []string{}
	for _, name := range names {
		where := "custom"
		if isCore(core, name) {
			where = "core"
		}
		refs = append(refs, actionRef(where, name))
	}
	return refs
}

func isCore(core transform.Catalog, action string) bool {
	return slices.ContainsFunc(core.MarketingActions, func(a transform.MarketingAction) bool { return a.Name == action })
}

// actionOf is the action that an address means: it counts from /marketingActions/ on,
// whatever host and path come before it.
func actionOf(ref string) (name string, ok bool) {
	_, rest, ok := strings.Cut(ref, "marketingActions/")
	if !ok {
		return "", false
	}
	where, name, ok := strings.Cut(strings.TrimSuffix(rest, "/constraints"), "/")
	return name, ok && name != "" && !strings.Contains(name, "/") && (where == "core" || where == "custom")
}

// contained are the items of the container, core or custom, that a call names, and
// the state that they are of.
func (s *Service) contained(w http.ResponseWriter, r *http.Request, c api.Caller, of func(v documents.Reader, sandbox, container string) ([]api.Item, error)) (documents.Reader, []api.Item, error) {
	where, err := container(r)
	if err != nil {
		return nil, nil, err
	}
	v, err := s.view(w, r)
	if err != nil {
		return nil, nil, err
	}
	items, err := of(v, c.Sandbox, where)
	return v, items, err
}
