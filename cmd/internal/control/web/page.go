package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"kinesis-destination/cmd/internal/control/api"
)

// The cookies: who it is, and two choices.
const (
	sessionCookie  = "kd_session"
	languageCookie = "kd_language"
	sandboxCookie  = "kd_sandbox"
)

// page is one request for a view, and what is known of who made it.
type page struct {
	*client
	h       *Handler
	w       http.ResponseWriter
	r       *http.Request
	lang    string
	session *session
	names   map[string]string // of segments, by their ids; nil: not asked for yet

	waits   *FlowStatus // what waited for a paused flow; nil: not known
	waitsAt time.Time   // when that was looked up
}

func (h *Handler) newPage(w http.ResponseWriter, r *http.Request) *page {
	p := &page{h: h, w: w, r: r, lang: language(r), session: h.sessions.find(cookie(r, sessionCookie), h.o.Now())}
	p.client = &client{api: h.o.API, remote: r.RemoteAddr, sandbox: r.PathValue("sandbox")}
	if p.sandbox == "" {
		p.sandbox = cookie(r, sandboxCookie)
		if !slices.Contains(h.o.Sandboxes, p.sandbox) && len(h.o.Sandboxes) > 0 {
			p.sandbox = h.o.Sandboxes[0]
		}
	}
	if p.session != nil {
		p.token = p.session.token
	}
	return p
}

func (p *page) ctx() context.Context { return p.r.Context() }

// caller is whose drafts are shown: who signs in again finds them.
func (p *page) caller() string {
	if p.session != nil {
		return p.session.name
	}
	if p.h.o.SignIn {
		return p.h.sessions.formerly(cookie(p.r, sessionCookie))
	}
	return "loopback"
}

// base is what the addresses of the sandbox's views begin with.
func (p *page) base() string { return "/s/" + url.PathEscape(p.sandbox) }

// t is a text in the language of the page.
func (p *page) t(key string, args ...any) string {
	text, err := p.h.catalogs[p.lang].text(key, args...)
	if err != nil {
		p.h.o.Log.Error("a text is missing", "key", key, "language", p.lang)
		return key
	}
	return text
}

// view is what the templates show.
type view struct {
	Lang, Title string
	Section     string // of the navigation
	Sandbox     string
	Base        string // of the sandbox's addresses
	Sandboxes   []string
	Path        string // of this view, with its filters
	Caller      string
	SignedIn    bool   // the caller may sign out
	ReadOnly    string // why no change is taken
	Stale       string // why this may be old
	Done        string // what has just been done
	Problems    []Problem
	Problem     string // where no field is wrong
	Languages   []string
	Sections    []section
	Data        any
}

// section is an entry of the navigation.
type section struct{ Name, Path string }

// sections are the entries, in their order; the text of each is section.NAME.
var sections = []section{{"catalog", "/catalog"}, {"flows", "/flows"}, {"governance", "/governance"}, {"activity", "/activity"}, {"settings", "/settings"}}

// show answers with a template. The section is the entry of the navigation, the title
// a text's key.
func (p *page) show(status int, template, section, title string, data any, refusal *Refusal) error {
	v := view{
		Lang: p.lang, Title: p.t(title), Section: section, Sandbox: p.sandbox, Base: p.base(), Sandboxes: p.h.o.Sandboxes,
		Path: p.r.URL.RequestURI(), Caller: p.caller(), SignedIn: p.session != nil, ReadOnly: p.h.o.ReadOnly(), Stale: p.stale,
		Languages: languages, Data: data,
	}
	if p.r.Method != http.MethodGet {
		v.Path = p.r.URL.Path
	}
	if !p.h.o.SignIn || p.session != nil {
		v.Sections = sections
	}
	if refusal != nil {
		v.Problems, v.Problem = refusal.Fields, refusal.Whole
	}
	if done := p.r.URL.Query().Get("done"); done != "" && p.h.catalogs[p.lang].has("done."+done) {
		v.Done = p.t("done." + done)
	}
	return p.write(status, template, v)
}

// redirect answers with the address to go on at; after a form, with GET.
func (p *page) redirect(to string) {
	p.w.Header().Set("Cache-Control", "no-store")
	p.w.Header().Set("Location", to)
	p.w.WriteHeader(http.StatusSeeOther)
}

// toSignIn leads to the sign-in, and from there back to this view. What was posted is
// kept for whoever posted it.
func (p *page) toSignIn() error {
	back := p.r.URL.RequestURI()
	if p.r.Method != http.MethodGet {
		back = p.keepPosted()
	}
	p.redirect("/sign-in?back=" + url.QueryEscape(back))
	return nil
}

// fail answers with the page of an error: the API's own words.
func (p *page) fail(err error) {
	if p.ctx().Err() != nil { // the caller has gone
		return
	}
	refusal, ok := errors.AsType[*api.Error](err)
	if !ok {
		p.h.o.Log.Error("a page failed", "method", p.r.Method, "path", p.r.URL.Path, "error", err)
		refusal = api.Refuse(api.CodeInternal, "an internal error has occurred; the log of the control plane has the cause")
	}
	if p.h.o.SignIn && (refusal.Status == http.StatusUnauthorized || refusal.Code == "403010") {
		p.h.sessions.refuse(cookie(p.r, sessionCookie)) // the token was revoked
		_ = p.toSignIn()
		return
	}
	if err := p.show(refusal.Status, "error", "", "error.title", refusal, nil); err != nil {
		p.h.o.Log.Error("a page failed", "path", p.r.URL.Path, "error", err)
		http.Error(p.w, refusal.Detail, refusal.Status)
	}
}

// cookie is a cookie's value; empty where there is none.
func cookie(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie keeps a value in the browser, out of reach of scripts and other sites.
func (p *page) setCookie(name, value string, seconds int) {
	http.SetCookie(p.w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: p.r.TLS != nil,
	})
}

// back is where a form wants to go on: a path of this server, or the catalog.
func (p *page) back(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return p.base() + "/catalog"
	}
	return path
}
