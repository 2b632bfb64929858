package transform

import (
	"fmt"
	"slices"

	"kinesis-destination/schemas"
)

// labelNoExport is the label of what is never exported, whatever the policies (rule 24).
const labelNoExport = "C12"

// implied is what a label means beside itself (rule 25).
var implied = map[string][]string{"C4": {"C5", "C6", "C7"}}

// Carrier is a label, what carries it, and where that was declared.
type Carrier struct {
	Label     string `json:"label"`
	ImpliedBy string `json:"impliedBy,omitempty"` // the label that was declared, when it is not this one
	Field     string `json:"field,omitempty"`     // the mapped path, or what lies below it
	Mapped    string `json:"mapped,omitempty"`    // the mapped path
	Segment   string `json:"segment,omitempty"`   // the id of a mapped segment
	Declared  string `json:"declared"`
}

// what is the carrier in words.
func (c Carrier) what() string {
	if c.Segment != "" {
		return "segment " + c.Segment
	}
	return "field " + c.Field
}

// where is where the label comes from, in words.
func (c Carrier) where() string {
	if c.ImpliedBy != "" {
		return c.Declared + ", implied by " + c.ImpliedBy
	}
	return c.Declared
}

// carriers collects labels, each carrier of a label once.
type carriers []Carrier

func (cs *carriers) add(c Carrier, labels ...string) {
	for _, label := range labels {
		c.Label = label
		cs.once(c)
		for _, other := range implied[label] {
			also := c
			also.Label, also.ImpliedBy = other, label
			cs.once(also)
		}
	}
}

func (cs *carriers) once(c Carrier) {
	same := func(other Carrier) bool {
		return other.Label == c.Label && other.Field == c.Field && other.Segment == c.Segment
	}
	if !slices.ContainsFunc(*cs, same) {
		*cs = append(*cs, c)
	}
}

// segmentLabels are the labels of each mapped segment.
func (r *Rules) segmentLabels() []carriers {
	lists := make([]carriers, len(r.cfg.Activation.Segments))
	for i, segment := range r.cfg.Activation.Segments {
		declared := fmt.Sprintf("activation.segments[%d].labels", i)
		lists[i].add(Carrier{Segment: segment.ID, Declared: declared}, segment.Labels...)
	}
	return lists
}

// fieldLabels are the labels of the mapped fields: those that the configuration states and, if there is one, those of
// a schema. What lies around a mapped path counts, as its labels hold for it; so does what is exported below it.
func (r *Rules) fieldLabels(s *schemas.Schema) carriers {
	var cs carriers
	for _, mapped := range r.paths {
		for path, labels := range sorted(r.cfg.Governance.FieldLabels) {
			field := mapped
			if under(path, mapped) {
				field = path
			}
			if under(path, mapped) || under(mapped, path) {
				cs.add(Carrier{Field: field, Mapped: mapped, Declared: "governance.fieldLabels." + path}, labels...)
			}
		}
		if s != nil {
			reader := labelReader{rules: r, origin: s.Origin, mapped: mapped, into: &cs, seen: map[*schemas.Type]bool{}}
			reader.root(s.Root)
		}
	}
	return cs
}

// labelReader gathers the labels that a schema declares for one mapped path.
type labelReader struct {
	rules  *Rules
	origin string
	mapped string
	into   *carriers
	seen   map[*schemas.Type]bool // records below the mapped path: a recursive one is read once
}

func (l *labelReader) root(t *schemas.Type) {
	for _, record := range t.Alternatives() {
		field := record.Field(partAttributes)
		if record.Kind != schemas.Record || field == nil {
			continue
		}
		l.field(field, "", partAttributes)
	}
}

// field reads a field on the way to the mapped path, at it, or below it.
func (l *labelReader) field(field *schemas.Field, path, declared string) {
	if path == "" || under(l.mapped, path) || under(path, l.mapped) {
		l.into.add(l.carrier(path, declared), field.Labels...)
		l.below(field.Type, path, declared)
	}
}

func (l *labelReader) below(t *schemas.Type, path, declared string) {
	l.into.add(l.carrier(path, declared), t.Labels...)
	for _, t := range t.Alternatives() {
		l.into.add(l.carrier(path, declared), t.Labels...)
		switch t.Kind {
		case schemas.Record:
			l.record(t, path)
		case schemas.Array, schemas.Map:
			if path != "" && under(path, l.mapped) && l.rules.cfg.Activation.AllowCollections {
				l.below(t.Items, path, declared)
			}
		}
	}
}

func (l *labelReader) record(t *schemas.Type, path string) {
	inside := path != "" && under(path, l.mapped)
	if inside {
		if l.seen[t] {
			return
		}
		l.seen[t] = true
	}
	for i := range t.Fields {
		field := &t.Fields[i]
		inner := join(path, field.Name)
		if !inside {
			// On the way a field may go by an alias; the mapped path is what it is called here.
			next := l.next(path)
			if t.Field(next) != field {
				continue
			}
			inner = join(path, next)
		}
		l.field(field, inner, join(path, field.Name))
	}
}

// next is the name after path on the way to the mapped path.
func (l *labelReader) next(path string) string {
	rest := l.mapped
	if path != "" {
		rest = l.mapped[len(path)+1:]
	}
	name, _ := cut(rest)
	return name
}

func (l *labelReader) carrier(path, declared string) Carrier {
	field := l.mapped
	if path != "" && under(path, l.mapped) {
		field = path
	}
	return Carrier{Field: field, Mapped: l.mapped, Declared: fmt.Sprintf("%q of %s in %s", "labels", declared, l.origin)}
}
