package web

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"kinesis-destination/cmd/internal/control/api"
)

// The bounds of sessions: a working day, or an evening without a click; and how many
// there are at most.
const (
	sessionAge   = 12 * time.Hour
	sessionIdle  = 4 * time.Hour
	mostSessions = 10_000
)

// session is a caller who signed in. The browser has its id alone. One that has ended
// has no token; whose it was is known on, for what is posted with it.
type session struct {
	token       string
	name        string // of what is kept for the caller, see page.caller
	began, seen time.Time
}

// sessions are kept in memory: a restart asks for the token again.
type sessions struct {
	mu  sync.Mutex
	all map[string]*session
}

// begin makes a session and returns its id.
func (s *sessions) begin(token, name string, now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]*session{}
	}
	if len(s.all) >= mostSessions {
		oldest := ""
		for id, one := range s.all {
			if oldest == "" || one.seen.Before(s.all[oldest].seen) {
				oldest = id
			}
		}
		delete(s.all, oldest)
	}
	id := rand.Text() + rand.Text()
	s.all[id] = &session{token: token, name: name, began: now, seen: now}
	return id
}

// find is the session of an id, unless it is too old.
func (s *sessions) find(id string, now time.Time) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.all[id]
	if !ok || one.token == "" {
		return nil
	}
	if now.Sub(one.began) > sessionAge || now.Sub(one.seen) > sessionIdle {
		one.token = ""
		return nil
	}
	one.seen = now
	copied := *one
	return &copied
}

// formerly is whose a session was that has ended by itself; empty where it is not known.
func (s *sessions) formerly(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one, ok := s.all[id]; ok {
		return one.name
	}
	return ""
}

// refuse ends a session whose token is taken no more.
func (s *sessions) refuse(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one, ok := s.all[id]; ok {
		one.token = ""
	}
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, id)
}

type signInView struct {
	Form Form
	Back string
}

func showSignIn(p *page) error {
	if !p.h.o.SignIn || p.session != nil {
		p.redirect(p.back(p.r.URL.Query().Get("back")))
		return nil
	}
	return p.show(http.StatusOK, "signin", "", "signin.title", signInView{Back: p.back(p.r.URL.Query().Get("back"))}, nil)
}

// signIn takes a token that the API takes.
func signIn(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	back := p.back(values.Get("back"))
	if !p.h.o.SignIn {
		p.redirect(back)
		return nil
	}
	token := strings.TrimSpace(values.Get("token"))
	p.token = token
	refusal := &Refusal{Fields: []Problem{{"token", p.t("signin.none")}}}
	if token != "" {
		name, err := p.whoAmI()
		if err == nil {
			p.h.sessions.end(cookie(p.r, sessionCookie))
			p.setCookie(sessionCookie, p.h.sessions.begin(token, name, p.h.o.Now()), int(sessionAge/time.Second))
			p.redirect(back)
			return nil
		}
		cause, ok := errors.AsType[*api.Error](err)
		if !ok {
			return err
		}
		refusal.Fields[0].Message = cause.Detail
	}
	return p.show(http.StatusUnauthorized, "signin", "", "signin.title", signInView{Form{url.Values{}, refusal}, back}, refusal)
}

// whoAmI asks the API for whom it takes the token; in a sandbox that the token may see.
func (p *page) whoAmI() (name string, err error) {
	sandboxes := append([]string{p.sandbox}, p.h.o.Sandboxes...)
	for _, sandbox := range slices.Compact(sandboxes) {
		p.sandbox = sandbox
		var r *http.Request
		if r, err = p.request(p.ctx(), http.MethodGet, "/", nil); err != nil {
			return "", err
		}
		var caller api.Caller
		if caller, err = p.h.o.Identify(r, api.View); err == nil {
			return caller.Name, nil
		}
		if refusal, ok := errors.AsType[*api.Error](err); !ok || refusal.Status != http.StatusNotFound {
			return "", err
		}
	}
	return "", err
}

func signOut(p *page) error {
	p.h.sessions.end(cookie(p.r, sessionCookie))
	p.setCookie(sessionCookie, "", -1)
	p.redirect("/")
	return nil
}

// setSandbox leads to another sandbox, which is kept as the choice.
func setSandbox(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	if name := values.Get("sandbox"); slices.Contains(p.h.o.Sandboxes, name) {
		p.sandbox = name
		p.setCookie(sandboxCookie, name, 365*24*3600)
	}
	p.redirect(p.base() + "/catalog")
	return nil
}
