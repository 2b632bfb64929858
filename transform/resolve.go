package transform

import "kinesis-destination/schemas"

// branch is one step on the ways to the mapped paths, beside a type of the schema: its children are beside the fields
// of a record or the branches of a union, nil where no mapped path goes.
type branch struct {
	slot     int // the mapped path that ends here, or noSlot
	children []*branch
}

// resolver finds the mapped paths in a schema.
type resolver struct {
	dropped []bool // per slot, nil for none: what onViolation leaves out
	watched pathSet
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
		b.children = make([]*branch, len(t.Fields))
		for _, child := range o.children {
			field := t.Field(child.name)
			for i := range t.Fields {
				if &t.Fields[i] == field && b.children[i] == nil {
					b.children[i] = r.resolve(field.Type, child, join(actual, field.Name))
					found = found || b.children[i] != nil
					r.watch(child, join(actual, field.Name))
				}
			}
		}
	}
	if !found {
		return nil
	}
	return b
}

func (r *resolver) watch(o *outline, actual string) {
	if o.slot != noSlot {
		r.watched.add(actual)
	}
}

func join(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "." + name
}
