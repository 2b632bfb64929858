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
	dropped []bool   // per slot, nil for none: what onViolation leaves out
	aliased []string // the names of mapped paths that go by an alias
	ways    int      // looked at
}

// resolve finds what of the outline is below a type: the type with the values of the mapped paths marked by their slots,
// or nil when it has none. Where a field has a path's name as an alias only, a change of the path may be reported under
// either name.
func (r *resolver) resolve(t *schemas.Type, o *outline, actual string) *schemas.Type {
	if r.ways += 1 + len(t.Fields) + len(t.Union); r.ways > maxWays {
		return nil
	}
	if o.slot != noSlot {
		if r.dropped != nil && r.dropped[o.slot] {
			return nil
		}
		return schemas.Marked(t, o.slot)
	}
	switch t.Kind {
	case schemas.Union:
		return r.union(t, o, actual)
	case schemas.Record:
		return r.record(t, o, actual)
	}
	return nil
}

func (r *resolver) union(t *schemas.Type, o *outline, actual string) *schemas.Type {
	branches, found := slices.Clone(t.Union), false
	for i, branch := range t.Union {
		if branch.Kind != schemas.Record {
			continue
		}
		if inner := r.resolve(branch, o, actual); inner != nil {
			branches[i], found = inner, true
		}
	}
	if !found {
		return nil
	}
	return schemas.Choice(branches)
}

func (r *resolver) record(t *schemas.Type, o *outline, actual string) *schemas.Type {
	children := map[*schemas.Field]*schemas.Type{}
	for _, child := range o.children {
		field := t.Field(child.name)
		if field == nil || children[field] != nil {
			continue
		}
		if inner := r.resolve(field.Type, child, join(actual, field.Name)); inner != nil {
			children[field] = inner
		}
		r.watch(child, join(actual, field.Name))
	}
	if len(children) == 0 {
		return nil
	}
	var fields []*schemas.Type
	for _, i := range t.Solid() {
		field := &t.Fields[i]
		if inner := children[field]; inner != nil {
			fields = append(fields, inner)
		} else {
			fields = append(fields, field.Type)
		}
	}
	return schemas.Sequence(fields)
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
