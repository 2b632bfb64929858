package journal

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// picture is everything of a state that the model knows too.
func picture(s *state) string {
	var b strings.Builder
	fmt.Fprintf(&b, "fence %d, kinds %v:", s.fence, s.kinds)
	for _, d := range s.docs {
		fmt.Fprintf(&b, " %s=%s@%s,%d", d.Key, d.Body, d.Etag, d.Created.At.Unix())
	}
	return b.String()
}

// dumb is the journal as one would write it without thinking of cost: it
// remembers every entry for ever, and has no checkpoints.
type dumb struct {
	docs     map[string]dumbDoc
	kinds    map[string]int64
	ids      map[string]bool
	fence    int64
	applied  map[int64]bool
	pictures map[int64]string
	n        int64
}

type dumbDoc struct {
	etag, body string
	created    int64
}

func newDumb() *dumb {
	return &dumb{docs: map[string]dumbDoc{}, kinds: map[string]int64{}, ids: map[string]bool{}, applied: map[int64]bool{}, pictures: map[int64]string{}}
}

func (m *dumb) add(record []byte) {
	at := m.n
	m.n++
	var e entry
	if err := json.Unmarshal(record, &e); err != nil {
		panic(err)
	}
	fresh := e.V == 1 && !m.ids[e.ID] && e.Prev != nil && e.Prev.Offset >= m.fence
	m.ids[e.ID] = true
	if fresh && e.Checkpoint != nil && e.Checkpoint.Last {
		m.fence = max(m.fence, e.Checkpoint.X)
	}
	if fresh && len(e.Docs) > 0 && m.holds(&e) {
		m.applied[at] = true
		for _, d := range e.Docs {
			m.kinds[d.Key[:1]] = at
			next := dumbDoc{fmt.Sprint("s-", at), string(d.Body), e.At.Unix()}
			if old, ok := m.docs[d.Key]; ok {
				next.created = old.created
			}
			if m.docs[d.Key] = next; string(d.Body) == "null" {
				delete(m.docs, d.Key)
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "fence %d, kinds %v:", m.fence, m.kinds)
	for _, key := range slices.Sorted(maps.Keys(m.docs)) {
		d := m.docs[key]
		fmt.Fprintf(&b, " %s=%s@%s,%d", key, d.body, d.etag, d.created)
	}
	m.pictures[m.n] = b.String()
}

func (m *dumb) holds(e *entry) bool {
	for _, d := range e.Docs {
		if m.docs[d.Key].etag != d.Base {
			return false
		}
	}
	for _, r := range e.Reads {
		now := ""
		if at, ok := m.kinds[r.Key[1:]]; ok {
			now = fmt.Sprint("s-", at)
		}
		if now != r.Etag {
			return false
		}
	}
	return true
}
