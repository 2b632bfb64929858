package transform

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"kinesis-destination/schemas"
)

var identityKey = []byte(`{"id":`)

// scratch is what an event with attributes is lent: where the mapped ones are, and the keys that wait for their value.
// It does not go back by way of a writer: all that a writer holds would then be taken for something that outlives the
// event.
type scratch struct {
	slots []schemas.Mark
	leads leadStack

	// What the two begin with: enough for most events, and one allocation with the scratch.
	slotRoom [12]schemas.Mark
	leadRoom [12]lead
}

var scratchPool = sync.Pool{New: func() any {
	s := new(scratch)
	s.slots, s.leads.list = s.slotRoom[:0], s.leadRoom[:0]
	return s
}}

// findAttributes goes over the attributes and notes where the mapped paths are, in slots that are lent to the event.
func (j *evaluation) findAttributes(c *schemas.Cursor) {
	n := len(j.plan.rules.paths)
	j.scratch = scratchPool.Get().(*scratch)
	j.scratch.slots = slices.Grow(j.scratch.slots[:0], n)[:n]
	clear(j.scratch.slots)
	c.SkipMarking(j.shape.attributes, j.scratch.slots)
}

// end gives back what was lent to the event.
func (j *evaluation) end() {
	if j.scratch != nil {
		scratchPool.Put(j.scratch)
		j.scratch = nil
	}
}

// writeAttributes writes the mapped attributes that are present, in mapping order.
func (j *evaluation) writeAttributes(w *writer) {
	if j.shape.attributes == nil {
		return
	}
	if j.scratch == nil { // the first look had no reason to
		c := j.c.At(j.result.at[roleAttributes])
		j.findAttributes(&c)
	}
	j.scratch.leads.list = j.scratch.leads.list[:0]
	w.leads = &j.scratch.leads
	var last *leaf // of those that are written
	for i := range j.plan.rules.leaves {
		l := &j.plan.rules.leaves[i]
		value := j.scratch.slots[l.slot]
		if value.Type == nil || w.ended() {
			continue
		}
		mark := len(w.dst)
		if last == l.before {
			w.dst = append(w.dst, l.joint...)
		} else {
			w.dst = l.appendJoint(w.dst, last)
		}
		if !w.collections && (value.Type.Kind == schemas.Array || value.Type.Kind == schemas.Map) {
			w.fail(ReasonCollection)
		}
		c := j.c.At(value.Pos)
		if !w.value(&c, value.Type) {
			w.dst = w.dst[:mark]
			continue
		}
		last = l
	}
	w.leads = nil
	if last != nil {
		w.dst = appendClosing(w.dst, len(last.way)-1)
	}
}

// writeIdentities writes the identity map, and returns where the first identity of the partition key's namespace is.
func (j *evaluation) writeIdentities(w *writer) schemas.Mark {
	var key schemas.Mark
	w.member(`"identityMap":{`)
	c := j.c.At(j.result.at[roleIdentities])
	t := c.Branch(j.shape.types[roleIdentities])
	var names keySet
	defer names.free()
	if t.Kind != schemas.Map {
		j.result.unreadable = j.result.unreadable || t.Kind != schemas.Null
		w.dst = append(w.dst, '}')
		return key
	}
	for outer := (schemas.Blocks{}); !w.ended() && c.Next(t, &outer); {
		name := c.Bytes()
		w.unique(&names, name)
		w.key(view(name))
		w.dst = append(w.dst, '[')
		first := j.writeNamespace(w, &c, c.Branch(t.Items))
		if j.plan.rules.namespace != "" && j.plan.rules.namespace == view(name) {
			key = first
		}
		w.dst = append(w.dst, ']')
	}
	w.dst = append(w.dst, '}')
	return key
}

// writeNamespace writes the identities of a namespace, and returns where the first one is.
func (j *evaluation) writeNamespace(w *writer, c *schemas.Cursor, t *schemas.Type) (first schemas.Mark) {
	if t.Kind != schemas.Array {
		j.result.unreadable = j.result.unreadable || t.Kind != schemas.Null
		c.Skip(t)
		return first
	}
	for b := (schemas.Blocks{}); !w.ended() && c.Next(t, &b); {
		identity := c.Branch(t.Items)
		parts, ok := j.shape.identities.of(identity)
		if !ok {
			j.result.unreadable = j.result.unreadable || identity.Kind != schemas.Null
			c.Skip(identity)
			continue
		}
		for _, part := range parts {
			if part.role != roleID {
				c.Skip(part.t)
				continue
			}
			at := schemas.Mark{Pos: c.Pos(), Type: part.t}
			mark := w.open(identityKey)
			if !w.value(c, part.t) {
				w.dst = w.dst[:mark]
				continue
			}
			if first.Type == nil {
				first = at
			}
			w.dst = append(w.dst, '}')
		}
	}
	return first
}

// partitionKey is the profile's id, or the identity that stands for it.
func (j *evaluation) partitionKey(identity schemas.Mark) string {
	if key := j.keyAt(identity); key != "" {
		return key
	}
	return j.keyAt(schemas.Mark{Pos: j.result.at[roleProfileID], Type: j.shape.types[roleProfileID]})
}

// keyAt is the text or number at a place, as a string of its own; empty when there is neither.
func (j *evaluation) keyAt(place schemas.Mark) string {
	if place.Type == nil {
		return ""
	}
	c := j.c.At(place.Pos)
	t := c.Branch(place.Type)
	if t.Kind == schemas.Int || t.Kind == schemas.Long {
		return strconv.FormatInt(c.Long(), 10)
	}
	key := text(&c, t)
	if !utf8.ValidString(key) {
		return strings.ToValidUTF8(key, "\uFFFD")
	}
	return strings.Clone(key)
}

// writeSource writes the metadata that a reader can drop duplicates by.
func (j *evaluation) writeSource(w *writer) {
	w.member(`"_source":{"topic":`)
	w.dst = appendString(w.dst, j.src.Topic)
	w.member(`"partition":`)
	w.integer(int64(j.src.Partition))
	w.member(`"offset":`)
	w.integer(j.src.Offset)
	for _, part := range [...]struct {
		name string
		role role
	}{{partEventID, roleEventID}, {partEvaluatedAt, roleEvaluatedAt}} {
		t := j.shape.types[part.role]
		if t == nil {
			continue
		}
		mark := len(w.dst)
		w.key(part.name)
		c := j.c.At(j.result.at[part.role])
		var written bool
		if part.role == roleEvaluatedAt {
			written = w.time(&c, t)
		} else {
			written = w.value(&c, t)
		}
		if !written {
			w.dst = w.dst[:mark]
		}
	}
	if j.src.Resend != "" {
		w.member(memberResend)
		w.dst = appendString(w.dst, j.src.Resend)
	}
	w.dst = append(w.dst, '}')
}

const memberResend = `"resend":`

// WithoutResend is an exported document as it was before it was sent once more.
func WithoutResend(document []byte) []byte {
	source := bytes.LastIndex(document, []byte(`"_source":{`))
	at := bytes.LastIndex(document, []byte(","+memberResend))
	if source < 0 || at < source {
		return document
	}
	end := bytes.LastIndex(document, []byte(`"}`)) // of a member that is the last of the last
	if end < at {
		return document
	}
	return append(bytes.Clone(document[:at]), document[end+1:]...)
}
