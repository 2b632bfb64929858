package flowservice

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/sources"
	"kinesis-destination/schemas"
	"kinesis-destination/sink"
)

// Base is where the calls are.
const Base = "/data/foundation/flowservice"

// Sealer keeps secrets from whoever reads documents.
type Sealer interface {
	Seal(key, field string, plain []byte) (json.RawMessage, error)
	Open(key, field string, sealed json.RawMessage) ([]byte, error)
}

// Options of a service.
type Options struct {
	Log      *slog.Logger
	Store    documents.Store
	Sealer   Sealer
	Sources  sources.List
	Identify api.Identify
	// Policies are those of a sandbox in a state.
	Policies func(v documents.Reader, sandbox string) (documents.PolicySet, error)
	Activity Activity // nil: no process tells what it does
	// Schemas are the newest schemas of a source's topics, whose labels policies weigh.
	Schemas func(ctx context.Context, source *sources.Source) ([]*schemas.Schema, error)
	// Sample is of a source's newest events.
	Sample func(ctx context.Context, source *sources.Source) (*sources.Sample, error)
	// Streams lists those of an account.
	Streams func(ctx context.Context, cfg sink.Config) (sink.StreamList, error)
	// Measure tells the capacity of a stream.
	Measure func(ctx context.Context, cfg *config.Config) (sink.Capacity, error)
	// Probe tests an account, and a stream where the configuration names one.
	Probe func(ctx context.Context, cfg sink.Config) sink.Report
	// Deleted hears that a flow was deleted, and returns when nothing is done for it in this
	// process; nil: nothing is.
	Deleted func(ctx context.Context, sandbox, flowID string)
	// OwnTopics are those of the control plane itself: no letters go there, and none are
	// erased.
	OwnTopics []string
	// Endpoints are those of Kinesis that connections may name besides AWS' own; the
	// first one is used where none is named.
	Endpoints []string
	// Identity is the ARN that roles have to trust.
	Identity string
	// AllowDefaultChain lets connections use the AWS identity of this process.
	AllowDefaultChain bool
	Now               func() time.Time
	// NewID makes the id of a document.
	NewID func() string
}

// Service answers the calls.
type Service struct {
	o Options

	mu       sync.Mutex
	versions map[string]shownVersion // by keys
}

// New makes a service.
func New(o Options) *Service { return &Service{o: o, versions: map[string]shownVersion{}} }

// Register puts the calls into a mux.
func (s *Service) Register(mux *http.ServeMux) {
	handle := func(pattern string, need api.Permission, h api.CallerHandler) {
		method, path, _ := cut(pattern)
		mux.HandleFunc(method+" "+Base+path, s.o.Identify.For(s.o.Log, need, h))
	}
	handle("GET /connectionSpecs", api.View, listSpecs(connectionSpecs()))
	handle("GET /connectionSpecs/{id}", api.View, getSpec(connectionSpecs()))
	handle("GET /flowSpecs", api.View, listSpecs(flowSpecs()))
	handle("GET /flowSpecs/{id}", api.View, getSpec(flowSpecs()))
	for _, k := range []kind{s.connectionKind(), s.sourceKind(), s.targetKind(), s.flowKind()} {
		path := "/" + k.name
		change := k.permission
		if k.name == documents.Flows {
			change = api.Activate // to whom segments and attributes are
		}
		handle("POST "+path, k.permission, s.create(k))
		handle("GET "+path, api.View, s.list(k))
		handle("GET "+path+"/{id}", api.View, s.get(k))
		handle("PATCH "+path+"/{id}", change, s.patch(k))
		handle("DELETE "+path+"/{id}", k.permission, s.remove(k))
	}
	handle("POST /flows/{id}/action", api.Activate, s.action)
	handle("GET /flows/{id}/export", api.View, s.export)
	handle("POST /flows/import", api.Manage, s.importFlow)
	handle("GET /connections/{id}/test", api.Manage, s.test)
	handle("GET /connections/{id}/streams", api.Manage, s.streams)
	handle("GET /sources", api.View, s.listSources)
	handle("GET /sources/{name}/segments", api.View, s.sourceSegments)
	handle("GET /sources/{name}/fields", api.View, s.sourceFields)
	handle("POST /flows/{id}/preview", api.View, s.preview)
	handle("GET /runs", api.View, s.runs)
}

func cut(pattern string) (method, path string, ok bool) {
	for i := range pattern {
		if pattern[i] == ' ' {
			return pattern[:i], pattern[i+1:], true
		}
	}
	return "", pattern, false
}

func listSpecs(specs []object) api.CallerHandler {
	return func(_ api.Caller, w http.ResponseWriter, r *http.Request) error {
		var items []api.Item
		for _, spec := range specs {
			generic, err := fields(spec)
			if err != nil {
				return err
			}
			id, _ := spec["id"].(string)
			items = append(items, api.Item{ID: id, Fields: generic})
		}
		return answerList(w, r, items)
	}
}

func getSpec(specs []object) api.CallerHandler {
	return func(_ api.Caller, w http.ResponseWriter, r *http.Request) error {
		for _, spec := range specs {
			if spec["id"] == r.PathValue("id") {
				return api.Write(w, http.StatusOK, object{"items": []object{spec}})
			}
		}
		return notFound("spec", r.PathValue("id"))
	}
}

func notFound(what, id string) error {
	if len(id) > 100 {
		id = id[:100]
	}
	return api.Refuse(api.CodeNotFound, "The requested resource is not found: there is no %s %q in this sandbox.", what, id).Titled("Resource not found")
}

// fields is a document as JSON has it.
func fields(value any) (object, error) {
	generic, err := api.Generic(value)
	if err != nil {
		return nil, err
	}
	shown, _ := generic.(object)
	return shown, nil
}

// answerList answers a page of items.
func answerList(w http.ResponseWriter, r *http.Request, items []api.Item) error {
	q, err := api.ParseQuery(r.URL.Query())
	if err != nil {
		return err
	}
	return answerQuery(w, r, q, items, func(item api.Item) (object, error) { return item.Fields, nil })
}

func answerQuery(w http.ResponseWriter, r *http.Request, q *api.Query, items []api.Item, show func(api.Item) (object, error)) error {
	page, next, total := q.Select(items)
	if q.Count {
		return api.Write(w, http.StatusOK, object{"count": total})
	}
	answer := api.Page{Items: []map[string]any{}}
	for _, item := range page {
		shown, err := show(item)
		if err != nil {
			return err
		}
		answer.Items = append(answer.Items, shown)
	}
	if next != "" {
		values := r.URL.Query()
		values.Set("continuationToken", next)
		answer.Links.Next = &api.Link{Href: r.URL.Path + "?" + values.Encode()}
	}
	return api.Write(w, http.StatusOK, answer)
}
