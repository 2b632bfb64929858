package transform

import "kinesis-destination/schemas"

// branch is one step on the ways to the mapped paths, beside a type of the schema.
type branch struct {
	slot     int       // the mapped path that ends here, or noSlot
	fields   []step    // of a record, in the order of its bytes
	children []*branch // beside the branches of a union, nil where no mapped path goes
}

// step is a field on the way to a mapped path, or a run of fields that are not and are skipped together.
type step struct {
	child *branch
	t     *schemas.Type
}

// maxWays bounds how many fields and branches are looked at for the mapped paths of a schema. Unions of records that
// share their fields' types double the ways at each level of a path; a schema of any use has as many as it has fields.
const maxWays = 1_000_000

// resolver finds the mapped paths in a schema.
type resolver struct {
	dropped []bool   // per slot, nil for none: what onViolation leaves out
	aliased []string // the names of mapped paths that go by an alias
	ways    int      // looked at
}

// resolve finds what of the outline is below a type. Where a field has a path's name as an alias only, a change of the
// path may be reported under either name.
func (r *resolver) resolve(t *schemas.Type, o *outline, actual string) *branch {
	if o.slot != noSlot {
		if r.dropped != nil && r.dropped[o.slot] {
			return nil
		}
		return &branch{slot: o.slot}
	}
	b := &branch{slot: noSlot}
	found := false
	if r.ways += 1 + len(t.Fields) + len(t.Union); r.ways > maxWays {
		return nil
	}
	switch t.Kind {
	case schemas.Union:
		b.children = make([]*branch, len(t.Union))
		for i, alternative := range t.Union {
			if alternative.Kind == schemas.Record {
				b.children[i] = r.resolve(alternative, o, actual)
				found = found || b.children[i] != nil
			}
		}
	case schemas.Record:
		children := map[*schemas.Field]*branch{}
		for _, child := range o.children {
			field := t.Field(child.name)
			if field == nil || children[field] != nil {
				continue
			}
			if inner := r.resolve(field.Type, child, join(actual, field.Name)); inner != nil {
				children[field], found = inner, true
			}
			r.watch(child, join(actual, field.Name))
		}
		b.fields = stepsOf(t, children)
	}
	if !found {
		return nil
	}
	return b
}

// stepsOf puts the fields of a record that lead somewhere between runs of the others.
func stepsOf(record *schemas.Type, children map[*schemas.Field]*branch) []step {
	var steps []step
	var idle []*schemas.Type
	flush := func() {
		if len(idle) > 0 {
			steps = append(steps, step{nil, schemas.Sequence(idle)})
			idle = nil
		}
	}
	for _, i := range record.Solid() {
		field := &record.Fields[i]
		child := children[field]
		if child == nil {
			idle = append(idle, field.Type)
			continue
		}
		flush()
		steps = append(steps, step{child, field.Type})
	}
	flush()
	return steps
}

func (r *resolver) watch(o *outline, actual string) {
	if o.slot != noSlot {
		r.aliased = append(r.aliased, actual)
	}
}

func join(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "." + name
}
