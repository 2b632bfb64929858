package journal

import (
	"encoding/json"
	"errors"
	"slices"
)

// A checkpoint is the state as of offset X, in as many entries as it takes, so
// that what is below X+1 can be deleted. It says all that the fold remembers:
// a reader that begins with it judges what follows as one that read everything.

// part is an entry's share of a checkpoint.
type part struct {
	ID   string `json:"id"` // of the checkpoint
	X    int64  `json:"x"`
	N    int    `json:"n"` // from 0
	Last bool   `json:"last,omitempty"`

	Frame  *frame    `json:"frame,omitempty"` // in the first part
	Docs   []keptDoc `json:"docs,omitempty"`
	Recent []place   `json:"recent,omitempty"`
}

// frame is what there is of a state once.
type frame struct {
	Fence      int64            `json:"fence"`
	Checkpoint int64            `json:"checkpoint"`
	Kinds      map[string]int64 `json:"kinds"`
}

type keptDoc struct {
	Key     string          `json:"key"`
	Offset  int64           `json:"offset"`
	Created Stamp           `json:"created"`
	Changed Stamp           `json:"changed"`
	Body    json.RawMessage `json:"doc"`
}

func (p *part) validate() error {
	switch {
	case p.ID == "" || len(p.ID) > maxID || p.N < 0 || p.X < 0:
		return errors.New("checkpoint: id, x and n are required")
	case (p.N == 0) != (p.Frame != nil):
		return errors.New("checkpoint: the first part has the frame")
	}
	for _, d := range p.Docs {
		if validKey(d.Key) != nil || len(d.Body) == 0 || d.Body[0] != '{' {
			return errors.New("checkpoint: a document must have a key and be a JSON object")
		}
	}
	return nil
}

// partBytes is what a part holds about; one document may be more.
const partBytes = 500_000

// freeze makes a checkpoint of a state, in parts of about so many bytes.
func (s *state) freeze(bytes int) []*part {
	id := newID()
	next := &part{Frame: &frame{s.fence, s.checkpoint, s.kinds}}
	parts := []*part{next}
	size := 0
	room := func(n int) {
		if size += n; size > bytes && size > n {
			next, size = &part{}, n
			parts = append(parts, next)
		}
	}
	const places, stamps = 100, 200 // about what they take beside texts
	for _, p := range s.recent {
		room(places)
		next.Recent = append(next.Recent, p)
	}
	for _, d := range s.docs {
		room(len(d.Body) + len(d.Key) + len(d.Created.By) + len(d.Changed.By) + stamps)
		next.Docs = append(next.Docs, keptDoc{d.Key, d.offset, d.Created, d.Changed, d.Body})
	}
	for i, p := range parts {
		p.ID, p.X, p.N, p.Last = id, s.next-1, i, i == len(parts)-1
	}
	return parts
}

// thaw makes the state of a checkpoint again.
func thaw(store string, parts []*part) *state {
	s := newState()
	first := parts[0]
	s.store, s.next, s.fence, s.checkpoint = store, first.X+1, first.Frame.Fence, first.Frame.Checkpoint
	if first.Frame.Kinds != nil {
		s.kinds = first.Frame.Kinds
	}
	for _, p := range parts {
		s.recent = append(s.recent, p.Recent...)
		for _, d := range p.Docs {
			s.bytes += len(d.Body)
			s.docs = append(s.docs, &Document{d.Key, etag(store, d.Offset), d.Body, d.Created, d.Changed, d.Offset})
		}
	}
	for _, p := range s.recent {
		s.seen[p.ID] = p.Offset
	}
	slices.SortFunc(s.docs, func(a, b *Document) int {
		if a.Key < b.Key {
			return -1
		}
		return 1
	})
	return s
}

// beginning is how a reader comes to a state. From offset 0 on it is the fold
// alone. Where the log begins later, records are kept until a checkpoint is
// complete that says all that was before the log's first offset; an older one,
// of which the log may still hold the end, would leave a gap.
type beginning struct {
	first   int64 // the log's
	next    int64
	records []Record
	parts   map[string][]*part
}

func newBeginning(first int64) *beginning {
	return &beginning{first: first, next: first, parts: map[string][]*part{}}
}

// take adds a record. A state comes with what became of the records after it.
func (b *beginning) take(r Record) (*state, []outcome, error) {
	if r.Offset != b.next {
		return nil, nil, &stop{offset: b.next, why: "records are missing: the topic was compacted"}
	}
	b.next++
	b.records = append(b.records, r)
	e, err := r.parse()
	switch {
	case err != nil:
		return nil, nil, nil
	case e.V > format:
		_, _, err = newState().evaluate(r.Offset, e)
		return nil, nil, err
	case e.Checkpoint == nil || e.Checkpoint.X < b.first-1:
		return nil, nil, nil
	}
	p := e.Checkpoint
	if p.N == len(b.parts[p.ID]) { // a part that is repeated is not needed twice
		b.parts[p.ID] = append(b.parts[p.ID], p)
	}
	if !p.Last || len(b.parts[p.ID]) != p.N+1 {
		return nil, nil, nil
	}
	s := thaw(e.Store, b.parts[p.ID])
	var outcomes []outcome
	for _, r := range b.records {
		if r.Offset < s.next {
			continue
		}
		o, err := s.apply(r)
		if err != nil {
			return s, outcomes, err
		}
		outcomes = append(outcomes, o)
	}
	return s, outcomes, nil
}
