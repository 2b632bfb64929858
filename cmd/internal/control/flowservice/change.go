package flowservice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/sink"
)

// attempt is one try to make a change: what it reads, and from which state.
type attempt struct {
	ctx      context.Context
	caller   api.Caller
	view     documents.View
	id, key  string
	validate bool // accounts and streams are tested
	asIs     bool // an import: no times of activation are added
	plain    *authParams
	overlay  map[string]documents.Entry // what the change would make of documents
	reads    []documents.Read
	warnings []string
}

func (a *attempt) warn(text string) { a.warnings = append(a.warnings, text) }

// warnRegion warns of a region that is probably not meant, in the words of a field.
func (a *attempt) warnRegion(field, region string) {
	named := sink.Config{Region: region}
	for _, warning := range named.Warnings() {
		a.warn(strings.Replace(warning, "target.kinesis.region", field, 1))
	}
}

// lookup looks a document up and notes that the change relies on it.
func (a *attempt) lookup(key string) (documents.Entry, bool) {
	if e, ok := a.overlay[key]; ok {
		return e, true
	}
	e, ok := a.view.Get(key)
	a.rely(key, e.Etag)
	return e, ok
}

// mostReads is how many documents of a group a change relies on one by one: on all of the
// group beyond that, as the journal takes no more than a thousand.
const mostReads = 100

// rely notes that the change relies on a document, or on all of a group.
func (a *attempt) rely(key, etag string) {
	read, group := documents.Read{Key: key, Etag: etag}, documents.Group(key)
	if key == a.key || slices.ContainsFunc(a.reads, func(r documents.Read) bool { return r == read || r.Key == group }) {
		return
	}
	a.reads = append(a.reads, read)
	others := slices.DeleteFunc(slices.Clone(a.reads), func(r documents.Read) bool { return documents.Group(r.Key) == group })
	if len(a.reads)-len(others) > mostReads {
		a.reads = append(others, documents.Read{Key: group, Etag: a.view.Version(group)})
	}
}

// relyOn notes that the change relies on all documents of groups.
func (a *attempt) relyOn(groups ...string) {
	for _, group := range groups {
		a.rely(group, a.view.Version(group))
	}
}

// mostAttempts bounds how often a change is judged anew because something that it
// relies on changes all the time.
const mostAttempts = 20

// change proposes what decide makes of the present state, and decides anew where what
// it relied on has changed meanwhile.
func (s *Service) change(ctx context.Context, c api.Caller, why string, decide func(a *attempt) ([]documents.Write, error)) (string, *attempt, error) {
	for range mostAttempts {
		view, err := s.o.Store.View(ctx)
		if err != nil {
			return "", nil, err
		}
		a := &attempt{ctx: ctx, caller: c, view: view}
		writes, err := decide(a)
		if err != nil {
			s.note(ctx, c, why, a, err)
			return "", nil, err
		}
		etag, err := s.o.Store.Propose(ctx, documents.Change{By: c.Name, Why: why, Writes: writes, Reads: a.reads})
		if _, conflict := errors.AsType[*documents.Conflict](err); conflict {
			continue
		}
		return etag, a, Outcome(err)
	}
	return "", nil, api.Refuse(api.CodeUnavailable, "what the change relies on changes all the time; nothing has changed. Try again.")
}

// note puts a refused attempt into the audit, where it was one at a document as it
// is: who only mistyped a field is no affair of an audit.
func (s *Service) note(ctx context.Context, c api.Caller, why string, a *attempt, err error) {
	refused, ok := errors.AsType[*api.Error](err)
	if !ok || refused.Status != http.StatusConflict && refused.Status != http.StatusPreconditionFailed {
		return
	}
	var writes []documents.Write
	if e, there := a.view.Get(a.key); there {
		writes = []documents.Write{{Key: a.key, Base: e.Etag}}
	}
	if _, err := s.o.Store.Propose(ctx, documents.Change{By: c.Name, Why: why, Writes: writes, Refused: refused.Detail, Status: refused.Status}); err != nil {
		s.o.Log.Warn("a refused attempt is missing in the audit", "error", err)
	}
}

// Outcome says what a store's error means for a caller.
func Outcome(err error) error {
	switch {
	case errors.Is(err, documents.ErrOutcomeUnknown):
		return api.Refuse(api.CodeUnavailable, "the journal does not answer, and the change may still happen: look the document up again in a while before you repeat it. Reads go on.")
	case errors.Is(err, documents.ErrFull):
		return api.Refuse(api.CodeFull, "%s. Nothing has changed. Delete documents that nobody needs, or make them smaller", err)
	case errors.Is(err, documents.ErrNotWritten):
		return api.Refuse(api.CodeUnavailable, "the journal does not take the change now, and it will not happen: try again in a while. Reads go on.")
	case errors.Is(err, documents.ErrReadOnly):
		return api.Refuse(api.CodeUnavailable, "%s; nothing has changed. Reads go on, and so do flows that run. Whoever operates it mends the cause, which 'kinesis-destination control check' tells in full, or puts an export into a new journal with 'control import'.", err)
	}
	return err
}

func validateParameter(r *http.Request) (bool, error) {
	switch r.URL.Query().Get("validate") {
	case "", "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, api.InvalidAs(api.CodeParameterValue, []api.FieldError{{Field: "validate", Message: "must be true or false"}})
}

func (s *Service) answerChange(w http.ResponseWriter, status int, id, etag string, a *attempt) error {
	w.Header().Set("ETag", api.Quoted(etag))
	answer := object{"id": id, "etag": api.Quoted(etag)}
	if a != nil && len(a.warnings) > 0 {
		answer["warnings"] = a.warnings
	}
	return api.Write(w, status, answer)
}

// write makes the write of a document, with its times.
func (s *Service) write(a *attempt, doc any, before *documents.Entry) ([]documents.Write, error) {
	meta := reflect.ValueOf(doc).Elem().FieldByName("Meta").Addr().Interface().(*Meta) //nolint:forcetypeassert // every document has one
	now := s.o.Now().UnixMilli()
	if before == nil {
		*meta = Meta{ID: a.id, CreatedAt: now, CreatedBy: a.caller.Name, CreatedClient: a.caller.Client, Organisation: a.caller.Organisation}
	}
	meta.UpdatedAt, meta.UpdatedBy, meta.UpdatedClient = now, a.caller.Name, a.caller.Client
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("write document %s: %w", a.key, err)
	}
	if err := Fits(text); err != nil {
		return nil, err
	}
	w := documents.Write{Key: a.key, Doc: text}
	if before != nil {
		w.Base = before.Etag
	}
	return []documents.Write{w}, nil
}

// Fits refuses a document that is larger than one may be.
func Fits(text []byte) error {
	if len(text) > api.MaxBody/2 {
		return api.Refuse(api.CodeTooLarge, "the document would have %d bytes; at most %d are taken", len(text), api.MaxBody/2)
	}
	return nil
}
