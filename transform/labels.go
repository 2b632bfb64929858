package transform

import (
	"fmt"
	"slices"
	"unicode/utf8"

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

// maxCarriers is how many fields below one mapped path are named for one label. A policy weighs that a label is there,
// and who has to look for it needs no more; schemas of tens of thousands of labelled fields exist to do harm.
const maxCarriers = 100

// maxCarrierText bounds how long a path stands in a carrier.
const maxCarrierText = 512

// carriers collects labels, each carrier of a label once.
type carriers struct {
	list  []Carrier
	known map[carried]struct{}
	named map[carried]int // how many of a label, by mapped path or segment
}

// carried is a label, and what carries it.
type carried struct{ label, mapped, field, segment string }

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
	if cs.known == nil {
		cs.known, cs.named = map[carried]struct{}{}, map[carried]int{}
	}
	one := carried{c.Label, c.Mapped, c.Field, c.Segment} // of long paths, Field alone may be the same
	group := carried{c.Label, c.Mapped, "", c.Segment}
	if _, known := cs.known[one]; known || cs.named[group] == maxCarriers {
		return
	}
	cs.known[one] = struct{}{}
	cs.named[group]++
	cs.list = append(cs.list, c)
}

// has says whether something carries a label.
func (cs *carriers) has(label string) bool {
	return slices.ContainsFunc(cs.list, func(c Carrier) bool { return c.Label == label })
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
func (r *Rules) fieldLabels(s *schemas.Schema) *carriers {
	cs := &carriers{}
	names := fieldNames{schema: s, known: map[string][]string{}}
	for _, mapped := range r.paths {
		for path, labels := range sorted(r.cfg.Governance.FieldLabels) {
			c := Carrier{Field: mapped, Mapped: mapped, Declared: "governance.fieldLabels." + path}
			if under(path, mapped) {
				c.Field = path
			}
			if names.under(path, mapped) || names.under(mapped, path) {
				cs.add(c, labels...)
			}
		}
		if s != nil {
			reader := labelReader{rules: r, origin: s.Origin, mapped: mapped, into: cs, seen: map[visit]bool{}}
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
	seen   map[visit]bool
}

// visit is a record that was read: on the way to the mapped path at each place of it, below it once, be it recursive.
type visit struct {
	record *schemas.Type
	path   string // on the way
	inside bool
}

func (l *labelReader) root(t *schemas.Type) {
	for _, record := range t.Alternatives() {
		field := record.Field(partAttributes)
		if record.Kind != schemas.Record || field == nil {
			continue
		}
		l.note("", record.Name, record.Labels)
		l.field(field, "", partAttributes)
	}
}

// field reads a field on the way to the mapped path, at it, or below it.
func (l *labelReader) field(field *schemas.Field, path, declared string) {
	if path == "" || under(l.mapped, path) || under(path, l.mapped) {
		l.note(path, declared, field.Labels)
		l.below(field.Type, path, declared)
	}
}

func (l *labelReader) below(t *schemas.Type, path, declared string) {
	l.note(path, declared, t.Labels)
	if t.Kind == schemas.Union {
		for _, branch := range t.Union {
			l.below(branch, path, declared)
		}
		return
	}
	switch t.Kind {
	case schemas.Record:
		l.record(t, path)
	case schemas.Array, schemas.Map:
		if path != "" && under(path, l.mapped) && l.rules.cfg.Activation.AllowCollections {
			l.below(t.Items, path, declared)
		}
	}
}

func (l *labelReader) record(t *schemas.Type, path string) {
	inside := path != "" && under(path, l.mapped)
	at := visit{record: t, inside: inside}
	if !inside {
		at.path = path
	}
	if l.seen[at] {
		return
	}
	l.seen[at] = true
	if !inside {
		// On the way a field may go by an alias; the mapped path is what it is called here.
		next := l.next(path)
		if field := t.Field(next); field != nil {
			l.field(field, join(path, next), join(path, field.Name))
		}
		return
	}
	for i := range t.Fields {
		if field := &t.Fields[i]; len(field.Labels) > 0 || leads(field.Type) {
			inner := join(path, field.Name)
			l.field(field, inner, inner)
		}
	}
}

// leads says whether a type carries a label, or can hold others that do.
func leads(t *schemas.Type) bool {
	switch t.Kind {
	case schemas.Record, schemas.Array, schemas.Map:
		return true
	case schemas.Union:
		return len(t.Labels) > 0 || slices.ContainsFunc(t.Union, leads)
	default:
		return len(t.Labels) > 0
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

// note takes down the labels of what stands at a path.
func (l *labelReader) note(path, declared string, labels []string) {
	if len(labels) == 0 {
		return
	}
	field := l.mapped
	if path != "" && under(path, l.mapped) {
		field = path
	}
	l.into.add(Carrier{
		Field: shorten(field, maxCarrierText), Mapped: l.mapped,
		Declared: fmt.Sprintf("%q of %s in %s", "labels", shorten(declared, maxCarrierText), l.origin),
	}, labels...)
}

// shorten cuts a text behind a whole character, and shows that it did.
func shorten(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

// AttributePaths are the fields that a schema has at the top of its attributes: all of
// them mapped map everything.
func AttributePaths(s *schemas.Schema) []string {
	var paths []string
	for _, attributes := range attributesOf(s.Root) {
		if attributes.Kind != schemas.Record {
			continue
		}
		for i := range attributes.Fields {
			if name := attributes.Fields[i].Name; pathProblem(name) == "" && !slices.Contains(paths, name) {
				paths = append(paths, name)
			}
		}
	}
	return paths
}
