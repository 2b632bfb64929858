package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/journal"
	"kinesis-destination/cmd/internal/control/seal"
)

// Journal is a journal as the services see it.
func Journal(store *journal.Store) documents.Store { return journalStore{store} }

type journalStore struct{ *journal.Store }

// Followed is a journal as the data plane sees it.
type Followed struct{ Journal *journal.Store }

// Watch returns the documents that are known, and a channel that is closed when there
// is more to know.
func (f Followed) Watch() (documents.Reader, <-chan struct{}) {
	s, moved := f.Journal.Watch()
	return snapshot{s}, moved
}

// Documents are those that are known now.
func (f Followed) Documents() documents.Reader {
	s, _ := f.Journal.Watch()
	return snapshot{s}
}

// Known tells whether the documents have been read to their end once: before, nothing
// should be started by them.
func (f Followed) Known() bool { return !f.Journal.Status().Partial }

// Trouble is why a change would not be seen now; empty: it would.
func (f Followed) Trouble() string {
	status := f.Journal.Status()
	switch {
	case status.Stopped:
		return "changes are not followed any more, until the journal is as it was or this process is started anew: " + status.ReadOnly
	case status.Unread != "":
		return "the journal cannot be read now: " + status.Unread
	}
	return ""
}

type snapshot struct{ *journal.Snapshot }

func entryOf(d *journal.Document) documents.Entry {
	return documents.Entry{Key: d.Key, Etag: d.Etag, Doc: d.Body}
}

// Get implements documents.Reader.
func (s snapshot) Get(key string) (documents.Entry, bool) {
	d, ok := s.Snapshot.Get(key)
	if !ok {
		return documents.Entry{}, false
	}
	return entryOf(d), true
}

// List implements documents.Reader.
func (s snapshot) List(prefix string) []documents.Entry {
	found := s.Snapshot.List(prefix)
	list := make([]documents.Entry, len(found))
	for i, d := range found {
		list[i] = entryOf(d)
	}
	return list
}

// Version implements documents.Reader.
func (s snapshot) Version(group string) string { return s.Etag(group) }

// View implements documents.Store.
func (j journalStore) View(ctx context.Context) (documents.View, error) {
	s, fresh := j.Read(ctx)
	v := documents.View{Reader: snapshot{s}}
	if !fresh.Fresh {
		v.Stale = "the journal does not answer"
		if !fresh.AsOf.IsZero() {
			v.Stale += "; as of " + fresh.AsOf.UTC().Format("2006-01-02T15:04:05Z")
		}
	}
	return v, ctx.Err()
}

// Propose implements documents.Store.
func (j journalStore) Propose(ctx context.Context, c documents.Change) (string, error) {
	change := journal.Change{By: c.By, Why: c.Why, Refused: bounded(c.Refused)}
	for _, w := range c.Writes {
		change.Docs = append(change.Docs, journal.Doc{Key: w.Key, Base: w.Base, Body: w.Doc})
	}
	for _, r := range c.Reads {
		change.Reads = append(change.Reads, journal.Version{Key: r.Key, Etag: r.Etag})
	}
	etag, err := j.Store.Propose(ctx, change)
	if conflict, ok := errors.AsType[*journal.ConflictError](err); ok {
		first := conflict.Differs[0]
		return "", &documents.Conflict{Key: first.Key, Etag: first.Present}
	}
	switch {
	case errors.Is(err, journal.ErrFull):
		_, how, _ := strings.Cut(err.Error(), journal.ErrFull.Error()+": ")
		return "", fmt.Errorf("%w: %s", documents.ErrFull, how)
	case errors.Is(err, journal.ErrReadOnly):
		return "", fmt.Errorf("%w: %s", documents.ErrReadOnly, strings.TrimPrefix(err.Error(), journal.ErrReadOnly.Error()+": ")) // both say it
	case errors.Is(err, journal.ErrMayStillHappen):
		return "", fmt.Errorf("%w: %w", documents.ErrOutcomeUnknown, err)
	case errors.Is(err, journal.ErrNotWritten):
		return "", fmt.Errorf("%w: %w", documents.ErrNotWritten, err)
	}
	return etag, err
}

// maxNote bounds what the audit keeps of a refusal.
const maxNote = 900

func bounded(text string) string {
	for i := range text {
		if i > maxNote {
			return text[:i] + "…"
		}
	}
	return text
}

// Sealer seals with a ring of keys.
type Sealer struct{ *seal.Ring }

// Seal implements flowservice.Sealer.
func (s Sealer) Seal(key, field string, plain []byte) (json.RawMessage, error) {
	return json.Marshal(s.Ring.Seal(key, field, plain))
}

// Open implements flowservice.Sealer.
func (s Sealer) Open(key, field string, sealed json.RawMessage) ([]byte, error) {
	var value seal.Sealed
	if err := json.Unmarshal(sealed, &value); err != nil {
		return nil, errors.New("is not sealed as it should be")
	}
	return s.Ring.Open(key, field, value)
}
