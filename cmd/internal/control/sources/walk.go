package sources

import (
	"strconv"
	"strings"
	"unicode"

	"kinesis-destination/schemas"
)

// The parts of an event that a sample counts.
const (
	partAttributes = "attributes"
	partMembership = "segmentMembership"
)

// deepest bounds how far down fields are counted and listed; people map what they can
// say.
const deepest = 12

// mostVisits bounds how many fields of one event are looked at: of fields without any
// bytes a schema can have more than anyone can count.
const mostVisits = 20_000

// count counts what an event shows; false where its bytes do not fit its schema.
func (s *Sample) count(event schemas.Event) bool {
	c := schemas.NewCursor(event.Body)
	if c.Skip(event.Schema.Root); !c.Done() {
		return false
	}
	c = schemas.NewCursor(event.Body)
	root := c.Branch(event.Schema.Root)
	for i := range root.Fields {
		field := &root.Fields[i]
		switch field.Name {
		case partMembership:
			s.memberships(&c, c.Branch(field.Type))
		case partAttributes:
			visits := mostVisits
			s.attribute(&c, field.Type, "", 0, &visits)
		default:
			c.Skip(field.Type)
		}
	}
	return true
}

// memberships counts segments: a map of namespaces of a map of ids.
func (s *Sample) memberships(c *schemas.Cursor, t *schemas.Type) {
	each(c, t, func(_ string, t *schemas.Type) {
		each(c, t, func(id string, t *schemas.Type) {
			exited := false
			if t.Kind != schemas.Record {
				c.Skip(t)
				return
			}
			for i := range t.Fields {
				inner := c.At(c.Pos())
				if t.Fields[i].Name == "status" {
					exited = text(&inner, inner.Branch(t.Fields[i].Type)) == "exited"
				}
				c.Skip(t.Fields[i].Type)
			}
			seen := s.Segments[id]
			if exited {
				seen.Exited++
			} else {
				seen.Inside++
			}
			s.Segments[id] = seen
		})
	})
}

// each goes over a map's entries; what is none is passed over.
func each(c *schemas.Cursor, t *schemas.Type, f func(key string, t *schemas.Type)) {
	if t.Kind != schemas.Map {
		c.Skip(t)
		return
	}
	for b := (schemas.Blocks{}); c.Next(t, &b); {
		key := string(c.Bytes())
		f(key, c.Branch(t.Items))
	}
}

func text(c *schemas.Cursor, t *schemas.Type) string {
	switch t.Kind {
	case schemas.Enum:
		return t.Symbols[c.Index(len(t.Symbols))]
	case schemas.String:
		return string(c.Bytes())
	}
	return ""
}

// attribute counts a field that has a value, and those inside.
func (s *Sample) attribute(c *schemas.Cursor, t *schemas.Type, path string, depth int, visits *int) {
	t = c.Branch(t)
	if *visits--; t.Kind == schemas.Null || depth > deepest || *visits < 0 {
		c.Skip(t)
		return
	}
	if path != "" {
		seen := s.Fields[path]
		seen.Present++
		if seen.Example == "" {
			at := c.At(c.Pos())
			seen.Example = example(&at, t)
		}
		s.Fields[path] = seen
	}
	if t.Kind != schemas.Record {
		c.Skip(t)
		return
	}
	for i := range t.Fields {
		s.attribute(c, t.Fields[i].Type, below(path, t.Fields[i].Name), depth+1, visits)
	}
}

func below(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }

// example shows the form of a value and nothing of what it says.
func example(c *schemas.Cursor, t *schemas.Type) string {
	switch t.Kind {
	case schemas.String:
		return Mask(string(c.Bytes()))
	case schemas.Enum:
		return Mask(t.Symbols[c.Index(len(t.Symbols))])
	case schemas.Int, schemas.Long:
		return Mask(strconv.FormatInt(c.Long(), 10))
	case schemas.Float, schemas.Double:
		return "9.9"
	case schemas.Boolean:
		return "true | false"
	case schemas.Array:
		return "[…]"
	case schemas.Map:
		return "{…}"
	case schemas.Bytes, schemas.Fixed:
		return "…"
	}
	return ""
}

// longestMask bounds an example: a length tells who it is, too.
const longestMask = 24

// Mask shows the form of a text: each letter is an x, each digit a 9.
func Mask(text string) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > longestMask {
			b.WriteRune('…')
			break
		}
		switch {
		case unicode.IsDigit(r):
			b.WriteByte('9')
		case r == ' ' || r < unicode.MaxASCII && (unicode.IsPunct(r) || unicode.IsSymbol(r)):
			b.WriteRune(r)
		default:
			b.WriteByte('x')
		}
	}
	return b.String()
}
