// Package documentstest keeps documents in memory, for tests.
package documentstest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"kinesis-destination/cmd/internal/control/documents"
)

// Store keeps documents as long as the process runs.
type Store struct {
	// Fail, if set, is asked before each change, which others may overtake then: an
	// error is its outcome.
	Fail func(documents.Change) error
	// Stale is said of each view.
	Stale string

	mu      sync.Mutex
	state   state
	written int
	changes []documents.Change
	more    chan struct{} // closed and replaced with each change; nil: nobody watches
}

type state struct {
	entries  map[string]documents.Entry
	versions map[string]string
}

// Get implements documents.Reader.
func (s state) Get(key string) (documents.Entry, bool) {
	e, ok := s.entries[key]
	return e, ok
}

// List implements documents.Reader.
func (s state) List(prefix string) []documents.Entry {
	var list []documents.Entry
	for _, key := range slices.Sorted(maps.Keys(s.entries)) {
		if strings.HasPrefix(key, prefix) {
			list = append(list, s.entries[key])
		}
	}
	return list
}

// Version implements documents.Reader.
func (s state) Version(group string) string { return s.versions[group] }

// View implements documents.Store.
func (s *Store) View(context.Context) (documents.View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return documents.View{Reader: state{maps.Clone(s.state.entries), maps.Clone(s.state.versions)}, Stale: s.Stale}, nil
}

// Watch returns what there is, and a channel that is closed when there is more.
func (s *Store) Watch() (documents.Reader, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.more == nil {
		s.more = make(chan struct{})
	}
	return state{maps.Clone(s.state.entries), maps.Clone(s.state.versions)}, s.more
}

// Known tells that everything is known, at once.
func (s *Store) Known() bool { return true }

// Propose implements documents.Store.
func (s *Store) Propose(_ context.Context, change documents.Change) (string, error) {
	if s.Fail != nil {
		if err := s.Fail(change); err != nil {
			return "", err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if change.Refused != "" {
		s.changes = append(s.changes, change)
		return "", nil
	}
	for _, w := range change.Writes {
		if now := s.state.entries[w.Key].Etag; now != w.Base {
			return "", &documents.Conflict{Key: w.Key, Etag: now}
		}
	}
	for _, r := range change.Reads {
		now := s.state.entries[r.Key].Etag
		if strings.HasPrefix(r.Key, "@") {
			now = s.state.versions[r.Key]
		}
		if now != r.Etag {
			return "", &documents.Conflict{Key: r.Key, Etag: now}
		}
	}
	if s.state.entries == nil {
		s.state = state{map[string]documents.Entry{}, map[string]string{}}
	}
	s.written++
	etag := fmt.Sprintf("0a1b2c3d-%08x", s.written)
	for _, w := range change.Writes {
		s.state.versions[documents.Group(w.Key)] = etag
		if w.Doc == nil {
			delete(s.state.entries, w.Key)
		} else {
			s.state.entries[w.Key] = documents.Entry{Key: w.Key, Etag: etag, Doc: w.Doc}
		}
	}
	s.changes = append(s.changes, change)
	if s.more != nil {
		close(s.more)
		s.more = nil
	}
	return etag, nil
}

// Changes are those that were applied.
func (s *Store) Changes() []documents.Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.changes)
}
