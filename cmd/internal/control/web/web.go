package web

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"kinesis-destination/cmd/internal/control/api"
)

// Options of the pages.
type Options struct {
	Log *slog.Logger
	// API answers the calls of both services.
	API http.Handler
	// Identify tells who calls, as the API does.
	Identify api.Identify
	// SignIn: the API needs a token, which a caller pastes once.
	SignIn bool
	// Sandboxes are those that there are, the default one first.
	Sandboxes []string
	// ReadOnly says why no change is taken now; empty: they are taken. It may be nil.
	ReadOnly func() string
	Now      func() time.Time
	Operation
}

// Handler answers what is no call of the API.
type Handler struct {
	o         Options
	mux       *http.ServeMux
	catalogs  map[string]catalog   // by languages
	templates map[string]templates // likewise
	assets    *assets
	sessions  *sessions
	drafts    *drafts
	notes     *notes
	streams   *streams
	closing   chan struct{}
	closed    sync.Once
}

// New makes the pages. An error is a mistake in what is embedded.
func New(o Options) (*Handler, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ReadOnly == nil {
		o.ReadOnly = func() string { return "" }
	}
	files, err := newAssets()
	if err != nil {
		return nil, err
	}
	texts, err := loadCatalogs()
	if err != nil {
		return nil, err
	}
	all, err := parseTemplates(files, texts)
	if err != nil {
		return nil, err
	}
	h := &Handler{o: o, mux: http.NewServeMux(), catalogs: texts, templates: all, assets: files, sessions: &sessions{}, drafts: &drafts{}}
	h.notes, h.streams, h.closing = &notes{}, &streams{}, make(chan struct{})
	h.register()
	h.registerOperation()
	return h, nil
}

// register puts every view into the mux: each has an address of its own.
func (h *Handler) register() {
	h.mux.Handle("GET /assets/{hash}/{name}", h.assets)
	h.mux.HandleFunc("GET /{$}", h.home)
	h.open("GET /sign-in", showSignIn)
	h.open("POST /sign-in", signIn)
	h.open("POST /sign-out", signOut)
	h.open("POST /language", setLanguage)
	h.open("POST /sandbox", setSandbox)
	h.view("GET", "/catalog", showCatalog)
	h.view("GET", "/flows", showFlows)
	h.connect()
}

// connect registers the way from an account to a flow that is activated.
func (h *Handler) connect() {
	h.view("GET", "/accounts", showAccounts)
	h.view("GET", "/accounts/new", newAccount)
	h.view("POST", "/accounts", makeAccount)
	h.view("GET", "/accounts/{id}", showAccount)
	h.view("POST", "/accounts/{id}", changeAccount)
	h.view("GET", "/connect", showConnect)
	h.view("GET", "/connect/{account}", newDestination)
	h.view("POST", "/connect/{account}", makeDestination)
	h.view("GET", "/flows/{id}/activate/segments", showSegments)
	h.view("POST", "/flows/{id}/activate/segments", chooseSegments)
	h.view("GET", "/flows/{id}/activate/attributes", showAttributes)
	h.view("POST", "/flows/{id}/activate/attributes", chooseAttributes)
	h.view("GET", "/flows/{id}/activate/review", showReview)
	h.view("POST", "/flows/{id}/activate/review", finish)
	h.view("POST", "/flows/{id}/activate/drop", dropDraftOf)
}

// Close ends live pages.
func (h *Handler) Close() { h.closed.Do(func() { close(h.closing) }) }

// viewHandler makes a page; an error becomes the page that says it.
type viewHandler func(p *page) error

// view registers a page of a sandbox, for callers that are signed in.
func (h *Handler) view(method, path string, f viewHandler) {
	h.open(method+" /s/{sandbox}"+path, func(p *page) error {
		if h.o.SignIn && p.session == nil {
			return p.toSignIn()
		}
		return f(p)
	})
}

// open registers a page for everyone.
func (h *Handler) open(pattern string, f viewHandler) {
	h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, api.MaxBody)
		p := h.newPage(w, r)
		if err := f(p); err != nil {
			p.fail(err)
		}
	})
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	defer func() {
		if v := recover(); v != nil {
			// What panicked may quote what must not be shown: where it did is enough.
			h.o.Log.Error("a page panicked", "method", r.Method, "path", r.URL.Path, "stack", string(debug.Stack()))
			p := h.newPage(w, r)
			p.fail(api.Refuse(api.CodeInternal, "an internal error has occurred; the log of the control plane has the place"))
		}
	}()
	if _, pattern := h.mux.Handler(r); pattern == "" {
		p := h.newPage(w, r)
		p.fail(api.Refuse(api.CodeNotFound, "there is no such page"))
		return
	}
	h.mux.ServeHTTP(w, r)
}

// policy lets a page use what this server has, and nothing else: no script or style
// within the page, no frame around it, no form that goes elsewhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secure(header http.Header) {
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
}

// home leads to the catalog of the sandbox that was looked at last.
func (h *Handler) home(w http.ResponseWriter, r *http.Request) {
	p := h.newPage(w, r)
	p.redirect("/s/" + p.sandbox + "/catalog")
}
