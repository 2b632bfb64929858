package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Stamp says when something was written, and by whom.
type Stamp struct {
	At time.Time `json:"at"`
	By string    `json:"by,omitempty"`
}

// Document is a version of a document. It never changes.
type Document struct {
	Key string
	// Etag names the version: the store's id and the offset of its entry.
	Etag             string
	Body             json.RawMessage
	Created, Changed Stamp

	offset int64
}

// Verdict is what became of a record.
type Verdict string

// The verdicts.
const (
	Applied  Verdict = "applied"
	Conflict Verdict = "conflict" // a version that it replaces or relies on is not the present one
	Refused  Verdict = "refused"  // recorded as an attempt that the control plane had refused
	Repeated Verdict = "repeated" // the same entry stands before it
	Stale    Verdict = "stale"    // its writer had not read the last checkpoint
	Marked   Verdict = "marked"   // the journal's own: its beginning, or a checkpoint
	Foreign  Verdict = "foreign"
	Corrupt  Verdict = "corrupt"
)

// Verdicts are all of them.
var Verdicts = []Verdict{Applied, Conflict, Refused, Repeated, Stale, Marked, Foreign, Corrupt}

// Differs is a version that is not the present one.
type Differs struct {
	Key string `json:"key"`
	// Wanted is what the change names, Present what there is; empty: no document.
	Wanted  string `json:"wanted"`
	Present string `json:"present"`
}

// stop is why a log cannot be read on: what follows cannot be judged.
type stop struct {
	offset     int64
	why        string
	otherStore bool
}

func (s *stop) Error() string { return fmt.Sprintf("offset %d: %s", s.offset, s.why) }

// state is what a log says up to an offset: a pure fold. It is decided by
// comparing versions alone, so every reader of the same log comes to the same.
type state struct {
	store string
	next  int64       // the offset of the next record
	docs  []*Document // in order of their keys
	bytes int         // of their bodies
	kinds map[string]int64
	// Entries whose writer had read less than the fence are refused, so what is
	// below it need not be remembered.
	fence int64
	// checkpoint is the state's offset of the last checkpoint; -1: there is none.
	checkpoint int64
	recent     []place // of all entries from the fence on, in order
	seen       map[string]int64
}

func newState() *state {
	return &state{kinds: map[string]int64{}, fence: -1, checkpoint: -1, seen: map[string]int64{}}
}

// outcome is a record's verdict.
type outcome struct {
	offset  int64
	entry   *entry // nil: foreign or corrupt
	verdict Verdict
	differs []Differs
	err     error // of what is foreign or corrupt
}

// apply judges the record at an offset, and does what it says if it holds. An
// error is a *stop: the state is as it was.
func (s *state) apply(r Record) (outcome, error) {
	offset := r.Offset
	o := outcome{offset: offset}
	if offset != s.next {
		return o, &stop{offset: s.next, why: fmt.Sprintf("the records up to %d are missing: the topic was compacted", offset-1)}
	}
	e, err := r.parse()
	if err != nil {
		o.verdict, o.err = Corrupt, err
		if errors.Is(err, errForeign) {
			o.verdict = Foreign
		}
		s.next++
		return o, nil
	}
	o.entry = e
	if o.verdict, o.differs, err = s.evaluate(offset, e); err != nil {
		return o, err
	}
	s.next++
	if o.verdict == Repeated {
		return o, nil
	}
	s.recent = append(s.recent, place{offset, e.ID})
	s.seen[e.ID] = offset
	switch {
	case o.verdict == Applied:
		s.change(offset, e)
	case o.verdict == Marked && e.Checkpoint != nil && e.Checkpoint.Last:
		s.raise(e.Checkpoint.X)
	}
	return o, nil
}

func (s *state) evaluate(offset int64, e *entry) (Verdict, []Differs, error) {
	switch {
	case e.V > format:
		return "", nil, &stop{offset: offset, why: fmt.Sprintf("an entry of format %d, and this version reads %d: update this process", e.V, format)}
	case s.store == "" && e.Founds:
		s.store, s.fence = e.Store, offset
		return Marked, nil, nil
	case s.store == "":
		return "", nil, &stop{offset: offset, why: "the journal's beginning, which names its store, is missing"}
	case e.Founds: // two processes began at once: the first counts
		return Marked, nil, nil
	case e.Store != s.store:
		return "", nil, &stop{offset: offset, otherStore: true, why: fmt.Sprintf("an entry of store %s in the journal of store %s: the log was made anew, or belongs to another control plane", e.Store, s.store)}
	}
	if _, before := s.seen[e.ID]; before {
		return Repeated, nil, nil
	}
	if e.Prev.Offset < s.fence {
		return Stale, nil, nil
	}
	if e.Prev.Offset >= offset || s.idAt(e.Prev.Offset) != e.Prev.ID {
		return "", nil, &stop{offset: offset, why: fmt.Sprintf("its writer had read another entry at offset %d: the log lost entries, or was made anew", e.Prev.Offset)}
	}
	switch {
	case e.Checkpoint != nil:
		return Marked, nil, nil
	case e.Refused != "":
		return Refused, nil, nil
	}
	if differs := s.compare(e.Docs, e.Reads); len(differs) > 0 {
		return Conflict, differs, nil
	}
	return Applied, nil, nil
}

// compare lists the versions that are not the present ones.
func (s *state) compare(docs []Doc, reads []Version) []Differs {
	var differs []Differs
	for _, d := range docs {
		if now := s.etag(d.Key); now != d.Base {
			differs = append(differs, Differs{d.Key, d.Base, now})
		}
	}
	for _, r := range reads {
		if now := s.etag(r.Key); now != r.Etag {
			differs = append(differs, Differs{r.Key, r.Etag, now})
		}
	}
	return differs
}

// etag is the present version of a document or of a kind of them, empty where
// there is none (of a kind: where none ever was).
func (s *state) etag(key string) string {
	if name, all := strings.CutPrefix(key, "@"); all {
		if offset, ok := s.kinds[name]; ok {
			return etag(s.store, offset)
		}
		return ""
	}
	if i, ok := find(s.docs, key); ok {
		return s.docs[i].Etag
	}
	return ""
}

func etag(store string, offset int64) string { return store + "-" + strconv.FormatInt(offset, 10) }

func find(docs []*Document, key string) (int, bool) {
	return slices.BinarySearchFunc(docs, key, func(d *Document, key string) int { return strings.Compare(d.Key, key) })
}

func (s *state) change(offset int64, e *entry) {
	stamp := Stamp{e.At, e.By}
	for _, d := range e.Docs {
		i, there := find(s.docs, d.Key)
		kind, _, _ := strings.Cut(d.Key, "/")
		s.kinds[kind] = offset
		if there {
			s.bytes -= len(s.docs[i].Body)
		}
		if d.deletes() {
			s.docs = slices.Delete(s.docs, i, i+1)
			continue
		}
		s.bytes += len(d.Body)
		next := &Document{Key: d.Key, Etag: etag(s.store, offset), Body: d.Body, Created: stamp, Changed: stamp, offset: offset}
		if there {
			next.Created = s.docs[i].Created
			s.docs[i] = next
		} else {
			s.docs = slices.Insert(s.docs, i, next)
		}
	}
}

// raise sets the fence to a checkpoint's offset, and forgets what is below it.
func (s *state) raise(x int64) {
	s.checkpoint = max(s.checkpoint, x)
	if x <= s.fence {
		return
	}
	s.fence = x
	n, _ := slices.BinarySearchFunc(s.recent, x, func(p place, x int64) int { return int(p.Offset - x) })
	for _, p := range s.recent[:n] {
		delete(s.seen, p.ID)
	}
	s.recent = slices.Clone(s.recent[n:])
}

// idAt is the id of the entry at an offset, empty where none is remembered.
func (s *state) idAt(offset int64) string {
	i, ok := slices.BinarySearchFunc(s.recent, offset, func(p place, x int64) int { return int(p.Offset - x) })
	if !ok {
		return ""
	}
	return s.recent[i].ID
}

// last is the last entry that was read.
func (s *state) last() *place {
	if len(s.recent) == 0 {
		return nil
	}
	return &s.recent[len(s.recent)-1]
}

// copied is a state of its own, that shares the documents.
func (s *state) copied() *state {
	c := *s
	c.docs, c.recent = slices.Clone(s.docs), slices.Clone(s.recent)
	c.kinds, c.seen = maps.Clone(s.kinds), maps.Clone(s.seen)
	return &c
}

// same tells whether two states say the same, and judge alike from here on.
func (s *state) same(o *state) bool {
	return s.store == o.store && s.next == o.next && s.fence == o.fence && s.checkpoint == o.checkpoint && s.bytes == o.bytes &&
		maps.Equal(s.kinds, o.kinds) && slices.Equal(s.recent, o.recent) &&
		slices.EqualFunc(s.docs, o.docs, func(a, b *Document) bool {
			return a.Key == b.Key && a.Etag == b.Etag && string(a.Body) == string(b.Body) && a.Created == b.Created && a.Changed == b.Changed
		})
}
