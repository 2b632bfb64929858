package transform

import (
	"slices"

	"kinesis-destination/schemas"
)

// maxWays bounds how many fields and branches are looked at for the mapped paths of a schema. Unions of records that
// share their fields' types double the ways at each level of a path; a schema of any use has as many as it has fields.
const maxWays = 1_000_000

// resolver finds the mapped paths in a schema.
type resolver struct {
	dropped []bool                // per slot, nil for none: what onViolation leaves out
	aliased []string              // the names of mapped paths that go by an alias
	ways    int                   // looked at
	known   map[way]*schemas.Type // what was found already
}

// way is a part of the outline below a type: what is found there is the same wherever the two meet.
type way struct {
	t *schemas.Type
	o *outline
}

// resolve finds what of the outline is below a type: the type with the values of the mapped paths marked by their slots,
// or nil when it has none.
func (r *resolver) resolve(t *schemas.Type, o *outline) *schemas.Type {
	at := way{t, o}
	if marked, known := r.known[at]; known {
		return marked
	}
	if r.ways += 1 + len(t.Fields) + len(t.Union); r.ways > maxWays {
		return nil
	}
	marked := r.mark(t, o)
	r.known[at] = marked
	return marked
}

func (r *resolver) mark(t *schemas.Type, o *outline) *schemas.Type {
	switch {
	case o.slot != noSlot && r.dropped != nil && r.dropped[o.slot]:
		return nil
	case o.slot != noSlot:
		return schemas.Marked(t, o.slot)
	case t.Kind == schemas.Union:
		return r.markUnion(t, o)
	case t.Kind == schemas.Record:
		return r.markRecord(t, o)
	}
	return nil
}

func (r *resolver) markUnion(t *schemas.Type, o *outline) *schemas.Type {
	branches, found := slices.Clone(t.Union), false
	for i, branch := range t.Union {
		if branch.Kind != schemas.Record {
			continue
		}
		if marked := r.resolve(branch, o); marked != nil {
			branches[i], found = marked, true
		}
	}
	if !found {
		return nil
	}
	return schemas.Choice(branches)
}

func (r *resolver) markRecord(t *schemas.Type, o *outline) *schemas.Type {
	marked := map[*schemas.Field]*schemas.Type{}
	for _, s := range r.steps(t, o) {
		if s.marked != nil {
			marked[s.field] = s.marked
		}
	}
	if len(marked) == 0 {
		return nil
	}
	var fields []*schemas.Type
	for _, i := range t.Solid() {
		field := &t.Fields[i]
		if inner := marked[field]; inner != nil {
			fields = append(fields, inner)
		} else {
			fields = append(fields, field.Type)
		}
	}
	return schemas.Sequence(fields)
}

// step is a field of a record on the way to mapped paths.
type step struct {
	below  *outline
	field  *schemas.Field
	marked *schemas.Type // nil: the paths end before they are mapped
}

// steps are those of a record, in the order of the outline. A field that goes by two names, one of them an alias, is
// the first one's.
func (r *resolver) steps(record *schemas.Type, o *outline) []step {
	var steps []step
	taken := map[*schemas.Field]bool{}
	for _, child := range o.children {
		field := record.Field(child.name)
		if field == nil || taken[field] {
			continue
		}
		s := step{child, field, r.resolve(field.Type, child)}
		taken[field] = s.marked != nil
		steps = append(steps, s)
	}
	return steps
}

// names finds under which names the mapped paths go. Where a field has a path's name as an alias only, a change of the
// path may be reported under either name.
func (r *resolver) names(t *schemas.Type, o *outline, actual string) {
	if r.ways += 1 + len(t.Fields) + len(t.Union); r.ways > maxWays {
		return
	}
	switch t.Kind {
	case schemas.Union:
		for _, branch := range t.Union {
			if branch.Kind == schemas.Record {
				r.names(branch, o, actual)
			}
		}
	case schemas.Record:
		for _, s := range r.steps(t, o) {
			if s.below.slot != noSlot {
				r.aliased = append(r.aliased, join(actual, s.field.Name))
			} else {
				r.names(s.field.Type, s.below, join(actual, s.field.Name))
			}
		}
	}
}

func join(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "." + name
}
