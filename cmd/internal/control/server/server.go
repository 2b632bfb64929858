package server

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"log/slog"
	"net/http"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/flowservice"
	"kinesis-destination/cmd/internal/control/jobs"
	"kinesis-destination/cmd/internal/control/operation"
	"kinesis-destination/cmd/internal/control/policyservice"
	"kinesis-destination/cmd/internal/control/sources"
	"kinesis-destination/cmd/internal/control/web"
	"kinesis-destination/sink"
)

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI is the description of all calls.
func OpenAPI() []byte { return openAPI }

// Options of a server.
type Options struct {
	Log     *slog.Logger
	Store   documents.Store
	Sealer  flowservice.Sealer
	Sources sources.List
	// Tokens or OIDC, if set, are needed by every call; both nil: the address is a loopback one.
	Tokens *Tokens
	// OIDC, if set, has the issuer whose tokens are taken, too.
	OIDC *OIDC
	// Hosts are the names under which the server is called, besides those of the
	// loopback.
	Hosts func(host string) bool
	// Activity tells what flows do; nil: no process does.
	Activity Activity
	// OwnTopics, Endpoints, Identity and AllowDefaultChain are those of the flow service.
	OwnTopics         []string
	Endpoints         []string
	Identity          string
	AllowDefaultChain bool
	// Now is the clock; nil: the real one.
	Now func() time.Time
	// ReadOnly says why no change is taken now; nil, or empty: they are taken.
	ReadOnly func() string
	// Work does what jobs are asked for; nil: by what the documents say.
	Work jobs.Work
	// Share has a job of a flow take from the memory of a process that runs flows, too.
	Share func(c *config.Config)
	// KeptIn is where the documents are kept, as pages show it.
	KeptIn string
	// Operation is what pages show of flows that run, and of the control plane.
	Operation web.Operation
}

// Server is the control plane's handler.
type Server struct {
	Flows   *flowservice.Service
	pages   *web.Handler
	jobs    *jobs.Jobs
	handler http.Handler

	refusals *refusals
}

// Close ends what pages have begun and still runs, live pages included: a server that
// shuts down would wait for these.
func (s *Server) Close() {
	s.pages.Close()
	s.jobs.Close()
}

// New makes a server. An error is a mistake in the pages that are embedded.
func New(o Options) (*Server, error) {
	lookup, sampler := &sources.Schemas{}, &sources.Sampler{}
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	refusals := newRefusals(o.Store, now)
	o.Store = refusals
	identify := api.Identify(identity{o}.identify)
	identifyCall := refusals.identified(o, identify)
	var background *jobs.Jobs
	flows := flowservice.New(flowservice.Options{
		Deleted: func(ctx context.Context, sandbox, flowID string) { background.Deleted(ctx, sandbox, flowID) },
		Log:     o.Log, Store: o.Store, Sealer: o.Sealer, Sources: o.Sources, Identify: identifyCall, Policies: policyservice.Policies,
		Activity: o.Activity, Schemas: lookup.Newest, Probe: examine(o.Log), Sample: sampler.Newest,
		Streams: func(ctx context.Context, cfg sink.Config) (sink.StreamList, error) {
			return sink.ListStreams(ctx, cfg, o.Log)
		},
		Measure: func(ctx context.Context, cfg *config.Config) (sink.Capacity, error) {
			return sink.Measure(ctx, cfg.Target.Kinesis.Config, sink.Options{DeadLetter: cfg.DeadLetter, Brokers: cfg.Source.Kafka.Brokers, Logger: o.Log})
		},
		OwnTopics: o.OwnTopics, Endpoints: o.Endpoints, Identity: o.Identity,
		AllowDefaultChain: o.AllowDefaultChain, Now: now, NewID: newID,
	})
	policies := policyservice.New(policyservice.Options{
		Log: o.Log, Store: o.Store, Sources: o.Sources, Identify: identifyCall, Standing: flows.Standing, Uses: flowservice.UsesAction,
		Subject: lookup.Subject, Now: now, NewID: newID,
	})
	mux := http.NewServeMux()
	flows.Register(mux)
	policies.Register(mux)
	mux.HandleFunc("GET /openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(openAPI) // a caller that is gone cannot be told
	})
	existing := &operation.Flows{Log: o.Log, Store: o.Store, Config: flows.Config, Judge: flows.Judge, Now: now, Share: o.Share}
	jobOptions := jobs.Options{Log: o.Log, Identify: identifyCall, Work: o.Work, Now: now}
	if o.Work == nil {
		jobOptions.Work, jobOptions.Exists = existing, existing.Exists
	}
	background = jobs.New(jobOptions)
	background.Register(mux, flowservice.Base)
	if o.Operation.Runs == nil && o.Activity != nil {
		o.Operation.Runs = pageRuns{o.Activity}
	}
	if o.Operation.Source == nil {
		o.Operation.Source = existing
	}
	if o.Operation.Letters == nil {
		o.Operation.Letters = existing
	}
	if o.Operation.Settings == nil {
		o.Operation.Settings = settings(o)
	}
	pages, err := web.New(web.Options{
		Log: o.Log, API: mux, Identify: identify, SignIn: o.Tokens != nil || o.OIDC != nil, Sandboxes: o.Sources.Sandboxes(), ReadOnly: o.ReadOnly, Now: now,
		Operation: o.Operation,
	})
	if err != nil {
		return nil, err
	}
	return &Server{flows, pages, background, guard(o, mux, pages), refusals}, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// newID makes a UUID of random bits (RFC 9562, version 4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// notThere answers what no call has.
func notThere(log *slog.Logger, w http.ResponseWriter, r *http.Request, methods string) {
	if methods != "" {
		w.Header().Set("Allow", methods)
		api.Fail(log, w, r, api.Refuse(api.CodeMethod, "%s is not possible here; there are %s", r.Method, methods))
		return
	}
	api.Fail(log, w, r, api.Refuse(api.CodeNotFound, "there is no such call; /openapi.yaml has all of them"))
}
