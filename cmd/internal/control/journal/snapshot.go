package journal

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"
)

// Snapshot is the documents as of one offset. It never changes.
type Snapshot struct {
	// Store is the store's id.
	Store string
	// Next is the offset up to which the log was read.
	Next int64

	docs  []*Document
	kinds map[string]int64
}

// Get finds a document.
func (s *Snapshot) Get(key string) (*Document, bool) {
	i, ok := find(s.docs, key)
	if !ok {
		return nil, false
	}
	return s.docs[i], true
}

// List are the documents whose keys begin with a prefix, in order of their keys.
// The slice must not be changed.
func (s *Snapshot) List(prefix string) []*Document {
	from, _ := find(s.docs, prefix)
	n := sort.Search(len(s.docs)-from, func(i int) bool { return !strings.HasPrefix(s.docs[from+i].Key, prefix) })
	return s.docs[from : from+n : from+n]
}

// Etag is the present version of a document, or with @NAME of all documents whose
// keys begin with NAME/; empty: there is none. It is what Change.Reads is made of.
func (s *Snapshot) Etag(key string) string {
	return (&state{store: s.Store, docs: s.docs, kinds: s.kinds}).etag(key)
}

// Freshness says how a snapshot relates to the log.
type Freshness struct {
	// Fresh: every change that was answered before the read began is in it.
	Fresh bool
	// Why it is not fresh, and when it was for the last time.
	Why  error
	AsOf time.Time
	// Partial: the log could never be read to its end, so the documents may be much
	// older than what others see. Nothing should be started by them.
	Partial bool
}

// Read waits for what the log holds now, for at most a second. Then it answers
// with what is in memory, and says so.
func (s *Store) Read(ctx context.Context) (*Snapshot, Freshness) {
	bounded, cancel := context.WithTimeout(ctx, freshWait)
	err := s.fresh(bounded)
	cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	f := Freshness{Fresh: err == nil, Why: err, AsOf: s.caughtUp, Partial: !s.loaded}
	if err != nil && s.trouble != nil && errors.Is(err, context.DeadlineExceeded) {
		f.Why = s.trouble
	}
	return s.current(), f
}

// Watch returns what is in memory, and a channel that is closed when there is more:
// documents, or another status.
func (s *Store) Watch() (*Snapshot, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current(), s.moved
}

// current is the snapshot of the state. It is called with mu held.
func (s *Store) current() *Snapshot {
	if s.snapshot == nil {
		s.snapshot = &Snapshot{}
		if s.state != nil {
			s.snapshot = &Snapshot{Store: s.state.store, docs: slices.Clone(s.state.docs), kinds: maps.Clone(s.state.kinds)}
		}
	}
	snapshot := *s.snapshot
	if s.state != nil {
		snapshot.Next = s.state.next
	}
	return &snapshot
}

// Status is what an operator sees of a store.
type Status struct {
	Store string
	// ReadOnly is why changes are refused; empty: they are taken.
	ReadOnly string
	// Cause is ReadOnly as one of Causes.
	Cause string
	// Stopped: what follows in the log cannot be judged, so memory stays as it is
	// for as long as the process runs.
	Stopped bool
	// Unread is why the log is not read now; empty: it is.
	Unread string
	// Unwritten is why the last attempt to write failed; empty: it did not.
	Unwritten string
	// Partial is that of Freshness.
	Partial bool
	// Next is the offset up to which the log was read, Fence the last checkpoint's (-1: none).
	Next, Checkpoint int64
	Documents        int
	// Waiting are the changes that are not answered yet.
	Waiting int
	// Records by what became of them, since the process began or a checkpoint before.
	Records map[Verdict]int64
	// Oddities are the last foreign and corrupt records.
	Oddities []Oddity
}

// The causes of a store that is read-only.
const (
	CauseLog      = "log"      // what follows in the log cannot be judged
	CauseMissing  = "missing"  // the topic is gone
	CauseSettings = "settings" // the topic, or the file, would not keep what is written to it
)

// Causes are all of them.
var Causes = []string{CauseLog, CauseMissing, CauseSettings}

// cause is called with mu held.
func (s *Store) cause() string {
	switch {
	case s.stopped != nil:
		return CauseLog
	case s.unfit != nil && s.unfit.missing:
		return CauseMissing
	case s.unfit != nil:
		return CauseSettings
	}
	return ""
}

// Status of the store.
func (s *Store) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := Status{
		Stopped: s.stopped != nil, Partial: !s.loaded, Checkpoint: -1, Waiting: len(s.pending) + len(s.queue),
		Records: map[Verdict]int64{}, Oddities: append([]Oddity(nil), s.oddities...),
	}
	maps.Copy(status.Records, s.counts)
	if err := s.readOnly(); err != nil {
		status.ReadOnly, status.Cause = err.Error(), s.cause()
	}
	if s.unwritten != nil {
		status.Unwritten = s.unwritten.Error()
	}
	if s.trouble != nil {
		status.Unread = s.trouble.Error()
	}
	if s.state != nil {
		status.Store, status.Next, status.Checkpoint, status.Documents = s.state.store, s.state.next, s.state.checkpoint, len(s.state.docs)
	}
	return status
}

// readOnly is why no change is taken; nil: they are. It is called with mu held.
func (s *Store) readOnly() error {
	switch {
	case s.stopped != nil:
		return s.stopped
	case s.unfit != nil:
		return s.unfit
	}
	return nil
}
