package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/flowservice"
	"kinesis-destination/cmd/internal/control/policyservice"
)

// The bounds of what the audit notes of refused attempts. The journal keeps the last
// 10,000 entries: a process adds at most 60 at once and 2,880 a day to them, of one caller
// 20 at once and then one a minute. Others are counted, and the caller's next note says
// how many they were.
const (
	notesAtOnce, notesEvery             = 60, 30 * time.Second
	callerNotesAtOnce, callerNotesEvery = 20, time.Minute
	// mostNoted bounds the callers that notes are counted of.
	mostNoted = 1000
	// noteWait is how long an answer to a caller without a right waits for its note.
	noteWait = 2 * time.Second
)

// refusals is a store that bounds the notes of refused attempts.
type refusals struct {
	documents.Store
	now func() time.Time

	mu      sync.Mutex
	all     *rate.Limiter
	callers map[string]*noted
	total   map[refusal]int64
}

// refusal is what is counted.
type refusal struct {
	status int
	noted  bool
}

// noted is what was noted of a caller.
type noted struct {
	*rate.Limiter
	unsaid int // since then
	since  time.Time
	seen   time.Time
}

func newRefusals(store documents.Store, now func() time.Time) *refusals {
	return &refusals{
		Store: store, now: now, all: rate.NewLimiter(rate.Every(notesEvery), notesAtOnce),
		callers: map[string]*noted{}, total: map[refusal]int64{},
	}
}

// Propose implements documents.Store: a note is made, or counted.
func (s *refusals) Propose(ctx context.Context, c documents.Change) (string, error) {
	if c.Refused == "" {
		return s.Store.Propose(ctx, c)
	}
	ok, before := s.take(c.By, c.Status)
	if !ok {
		return "", nil
	}
	c.Refused += before
	return s.Store.Propose(ctx, c)
}

// take says whether an attempt is noted, and what its note has to say of those before it.
func (s *refusals) take(by string, status int) (ok bool, before string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	one := s.callers[by]
	if one == nil {
		if len(s.callers) >= mostNoted {
			s.forget()
		}
		one = &noted{Limiter: rate.NewLimiter(rate.Every(callerNotesEvery), callerNotesAtOnce)}
		s.callers[by] = one
	}
	one.seen = now
	ok = one.AllowN(now, 1) && s.all.AllowN(now, 1)
	s.total[refusal{status, ok}]++
	if !ok {
		if one.unsaid++; one.unsaid == 1 {
			one.since = now
		}
		return false, ""
	}
	if one.unsaid > 0 {
		before = fmt.Sprintf(" (and %d attempts before it, since %s, that were refused and have no note)", one.unsaid, one.since.UTC().Format(time.RFC3339))
		one.unsaid = 0
	}
	return true, before
}

// forget drops the caller that was not heard of for longest.
func (s *refusals) forget() {
	oldest := ""
	for by, one := range s.callers {
		if oldest == "" || one.seen.Before(s.callers[oldest].seen) {
			oldest = by
		}
	}
	delete(s.callers, oldest)
}

// identified is who calls, as identify says; an attempt to change something without the
// right to it is noted.
func (s *refusals) identified(o Options, identify api.Identify) api.Identify {
	return func(r *http.Request, need api.Permission) (api.Caller, error) {
		c, err := identify(r, need)
		refused, ok := errors.AsType[*api.Error](err)
		if !ok || r.Method == http.MethodGet || r.Method == http.MethodHead || !o.aboutRights(refused) {
			return c, err
		}
		change := documents.Change{By: c.Name, Status: refused.Status, Why: whatFor(r), Refused: refused.Detail}
		if refused.Status == http.StatusUnauthorized || refused.Code == "403010" {
			change.By = "unknown, from " + who(r)
		}
		ctx, cancel := context.WithTimeout(r.Context(), noteWait)
		defer cancel()
		if view, failed := s.View(ctx); failed == nil {
			if e, there := view.Get(keyOf(r, c.Sandbox)); there {
				change.Writes = []documents.Write{{Key: e.Key, Base: e.Etag}}
			}
		}
		if _, failed := s.Propose(ctx, change); failed != nil {
			o.Log.Warn("a refused attempt is missing in the audit", "error", failed)
		}
		return c, err
	}
}

// aboutRights says that somebody was refused for who they are, a sandbox that is not
// theirs included. Without tokens a sandbox that is not there is a slip.
func (o Options) aboutRights(e *api.Error) bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden || e.Code == api.CodeSandbox && (o.Tokens != nil || o.OIDC != nil)
}

// whatFor is a call in few words: what it is, and the version that it would have changed.
func whatFor(r *http.Request) string {
	const most = 200
	path := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, flowservice.Base), policyservice.Base)
	what := r.Method + " " + path
	if version := api.Bare(r.Header.Get("If-Match")); version != "" {
		what += ", from version " + version
	}
	return strings.ToValidUTF8(what[:min(len(what), most)], "")
}

// keyOf is the document that a path names; one that is not there is no document's key.
func keyOf(r *http.Request, sandbox string) string {
	kind, id, _ := strings.Cut(strings.Trim(strings.TrimPrefix(r.URL.Path, flowservice.Base), "/"), "/")
	id, _, _ = strings.Cut(id, "/")
	return documents.Key(kind, sandbox, id)
}

var refusedDesc = prometheus.NewDesc("kinesis_destination_control_refused_total",
	"Attempts to change something that were refused for who called, a version or a policy; noted: the audit has each.", []string{"status", "noted"}, nil)

// Describe implements prometheus.Collector.
func (s *Server) Describe(ch chan<- *prometheus.Desc) { ch <- refusedDesc }

// Collect implements prometheus.Collector. Every series is there from the start.
func (s *Server) Collect(ch chan<- prometheus.Metric) {
	s.refusals.mu.Lock()
	defer s.refusals.mu.Unlock()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed} {
		for noted, label := range map[bool]string{true: "yes", false: "no"} {
			ch <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(s.refusals.total[refusal{status, noted}]), fmt.Sprint(status), label)
		}
	}
}
