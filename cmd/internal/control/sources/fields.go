package sources

import (
	"slices"
	"strings"

	"kinesis-destination/schemas"
)

// mostFields bounds how many fields of a schema are listed; schemas of people have up to
// some thousand.
const mostFields = 5000

// Field is one that can be mapped.
type Field struct {
	Path   string   `json:"path"`
	Type   string   `json:"type"`
	Labels []string `json:"labels,omitempty"`
	// Group: it has fields inside, which all go out where it is mapped.
	Group bool `json:"group,omitempty"`
	// Collection: an array or a map, which goes out only where collections may.
	Collection bool `json:"collection,omitempty"`
}

// Fields are the fields of the attributes of schemas, each before those inside; more
// says that there are others.
func (s *Source) Fields(all []*schemas.Schema) (list []Field, more bool) {
	l := lister{source: s, seen: map[string]bool{}}
	for _, schema := range all {
		for _, root := range schema.Root.Alternatives() {
			if root.Kind != schemas.Record {
				continue
			}
			if field := root.Field(partAttributes); field != nil {
				l.inside(field.Type, "", 0)
			}
		}
	}
	return l.list, l.more
}

type lister struct {
	source *Source
	seen   map[string]bool
	list   []Field
	more   bool
}

func (l *lister) inside(t *schemas.Type, path string, depth int) {
	for _, record := range t.Alternatives() {
		for i := range record.Fields {
			field := &record.Fields[i]
			at := below(path, field.Name)
			if l.seen[at] {
				continue
			}
			if len(l.list) >= mostFields || depth >= deepest {
				l.more = true
				return
			}
			l.seen[at] = true
			one := Field{Path: at, Labels: l.source.labels(at, field)}
			var kinds []string
			for _, inner := range field.Type.Alternatives() {
				kinds = append(kinds, named(inner))
				one.Group = one.Group || inner.Kind == schemas.Record
				one.Collection = one.Collection || inner.Kind == schemas.Array || inner.Kind == schemas.Map
			}
			one.Type = strings.Join(kinds, " | ")
			l.list = append(l.list, one)
			l.inside(field.Type, at, depth+1)
		}
	}
}

// labels are those of the schema and of the source.
func (s *Source) labels(path string, field *schemas.Field) []string {
	all := slices.Concat(field.Labels, field.Type.Labels, s.FieldLabels[path])
	for _, inner := range field.Type.Alternatives() {
		all = append(all, inner.Labels...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// named is a type in a word.
func named(t *schemas.Type) string {
	if t.Logical != schemas.LogicalNone {
		return t.Kind.String() + " (" + t.Logical.String() + ")"
	}
	return t.Kind.String()
}
