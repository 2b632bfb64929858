package transform

import (
	"unsafe"

	"kinesis-destination/schemas"
)

// scanResult is what the first look finds out about an event.
type scanResult struct {
	at         [roleCount]int // where each part starts
	unreadable bool           // a part that decides is of a branch of its union that is none of its forms

	stated       bool // changed is not null
	segments     bool // changed.segments is not empty
	attributes   bool // changed.attributes is not empty
	identities   bool // changed.identities
	mapped       int  // 1 + index of the first mapped segment in changed.segments
	hasAttribute bool // changed.attributes touches a mapped path

	listed   bool // segmentMembership lists a mapped segment
	inside   bool // and one is realized or existing
	policies policySet
}

const (
	statusRealized = "realized"
	statusExisting = "existing"
	statusExited   = "exited"
)

// verdict applies rules 1 to 8: the trigger and its rule, and a reason when nothing is exported all the same.
func (f *scanResult) verdict() (Trigger, int, Reason) {
	relevant := f.identities || f.hasAttribute
	switch {
	case !f.stated && f.listed:
		return TriggerUnstated, 8, ""
	case !f.stated:
		return TriggerUnstated, 8, ReasonNotInMappedSegment
	case f.mapped > 0:
		return TriggerSegment, 1, "" // or 2, which its status decides
	case f.identities && f.inside:
		return TriggerIdentity, 4, ""
	case relevant && f.inside:
		return TriggerAttribute, 5, ""
	case f.identities:
		return TriggerIdentity, 7, ReasonNotInMappedSegment
	case relevant:
		return TriggerAttribute, 7, ReasonNotInMappedSegment
	case f.segments:
		return TriggerNone, 3, ReasonUnmappedSegment
	case f.attributes:
		return TriggerNone, 6, ReasonUnmappedAttribute
	default:
		return TriggerNone, 0, ReasonNothingChanged
	}
}

// promising says that what is known already triggers an export, if the rest of the event allows it.
func (f *scanResult) promising() bool {
	return f.mapped > 0 || f.identities || f.hasAttribute
}

// scan goes over the whole event once, whatever it is: it notes where the parts are, and reads those that decide.
func (j *evaluation) scan() {
	for _, field := range j.shape.fields {
		j.result.at[field.role] = j.c.Pos()
		switch field.role {
		case roleChanged:
			j.readChanged(field.t)
		case roleMembership:
			j.readMemberships(field.t)
		case roleAttributes:
			if j.shape.attributes != nil && j.result.promising() {
				j.findAttributes(&j.c) // which would be gone over once more
			} else {
				j.c.Skip(field.t)
			}
		default:
			j.c.Skip(field.t)
		}
	}
}

// readChanged finds the trigger. A record with none of the fields that we know states nothing.
func (j *evaluation) readChanged(t *schemas.Type) {
	t = j.c.Branch(t)
	parts, ok := j.shape.changed.of(t)
	if !ok {
		j.result.unreadable = j.result.unreadable || t.Kind != schemas.Null
		j.c.Skip(t)
		return
	}
	for _, part := range parts {
		if part.role == roleNone {
			j.c.Skip(part.t)
			continue
		}
		j.result.stated = true
		switch t := j.c.Branch(part.t); {
		case t.Kind == schemas.Null:
		case part.role == roleSegments && t.Kind == schemas.Array:
			j.readChangedSegments(t)
		case part.role == roleChangedAttributes && t.Kind == schemas.Array:
			j.readChangedAttributes(t)
		case part.role == roleChangedIdentities && t.Kind == schemas.Boolean:
			j.result.identities = j.c.Boolean()
		default: // in a form that is not understood, nothing would ever be exported: that must not go unseen
			j.result.unreadable = true
			j.c.Skip(t)
		}
	}
}

func (j *evaluation) readChangedSegments(t *schemas.Type) {
	for b := (schemas.Blocks{}); !j.watch.ended(1) && j.c.Next(t, &b); {
		j.result.segments = true
		id := text(&j.c, t.Items)
		if j.result.mapped == 0 {
			if i, ok := j.plan.rules.segments.find(id); ok {
				j.src.Noted.list(i)
				j.result.mapped = i + 1
			}
		}
	}
}

func (j *evaluation) readChangedAttributes(t *schemas.Type) {
	for b := (schemas.Blocks{}); !j.watch.ended(1) && j.c.Next(t, &b); {
		j.result.attributes = true
		path := text(&j.c, t.Items)
		j.result.hasAttribute = j.result.hasAttribute || j.shape.watched.touches(path)
	}
}

// text reads a value that is text, as a view of the event's bytes; it is empty for null and for what is no text.
func text(c *schemas.Cursor, t *schemas.Type) string {
	switch t = c.Branch(t); t.Kind {
	case schemas.String, schemas.Bytes:
		return view(c.Bytes())
	case schemas.Enum:
		if i := c.Index(len(t.Symbols)); i < len(t.Symbols) {
			return t.Symbols[i]
		}
	default:
		c.Skip(t)
	}
	return ""
}

// view is a string over bytes that nobody writes to as long as the event is looked at. It must not outlive that.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
