package transform

import (
	"fmt"
	"slices"
	"sync"

	"kinesis-destination/schemas"
	"kinesis-destination/schemas/suggest"
)

// Problem is a configured path that a schema does not support.
type Problem struct {
	Path    string
	Key     string // of the configuration: activation.attributes[0]
	Message string
	Missing bool // the schema has no such path; else it has one that cannot be exported
	Label   bool // the path is one of governance.fieldLabels, not a mapped one
}

// CheckPaths compares the configured paths with a schema: those that are not there, with the nearest that is, and mapped
// ones that are arrays or maps (rule 19). A label on a path that is not there protects nothing, so it is told as well.
func (r *Rules) CheckPaths(s *schemas.Schema) []Problem {
	var problems []Problem
	known := sync.OnceValue(func() []string { return pathsOf(s.Root) })
	missing := func(path, key string, label bool) {
		message := fmt.Sprintf("%s has no path %s%s", s.Origin, path, suggest.DidYouMean(path, known()))
		problems = append(problems, Problem{Path: path, Key: key, Message: message, Missing: true, Label: label})
	}
	for i, path := range r.cfg.Activation.Attributes {
		key := fmt.Sprintf("activation.attributes[%d]", i)
		kinds := kindsAt(s.Root, path, false)
		switch {
		case kinds == nil:
			missing(path, key, false)
		case r.cfg.Activation.AllowCollections:
		case slices.Contains(kinds, schemas.Array), slices.Contains(kinds, schemas.Map):
			message := fmt.Sprintf("%s is an array or map in %s: set activation.allowCollections, or map a path that is neither", path, s.Origin)
			problems = append(problems, Problem{Path: path, Key: key, Message: message})
		}
	}
	for path := range sorted(r.cfg.Governance.FieldLabels) {
		if kindsAt(s.Root, path, true) == nil {
			missing(path, "governance.fieldLabels."+path, true)
		}
	}
	return problems
}

// LackedPaths are the mapped attributes that a schema has not. It costs little, unlike the names that CheckPaths gives.
func (r *Rules) LackedPaths(s *schemas.Schema) []string {
	var lacked []string
	for _, path := range r.cfg.Activation.Attributes {
		if kindsAt(s.Root, path, false) == nil {
			lacked = append(lacked, path)
		}
	}
	return lacked
}

// CheckParts tells what a schema lacks without which none of its events can be exported (rule 20); nil: nothing. Of a
// union of records it is enough that one has it all.
func (r *Rules) CheckParts(s *schemas.Schema) error {
	p, err := Compile(r, s)
	if err != nil {
		return err
	}
	for _, shape := range p.shapes {
		if shape.missing == nil {
			return nil
		}
		err = shape.missing
	}
	return err
}

// EventRecord is the record of a schema that events can be exported as: the schema's own, or of a union the first that
// has all the parts; nil where none has them.
func (r *Rules) EventRecord(s *schemas.Schema) *schemas.Type {
	p, err := Compile(r, s)
	if err != nil {
		return nil
	}
	for i, shape := range p.shapes {
		if shape.missing != nil {
			continue
		}
		if s.Root.Kind == schemas.Union {
			return s.Root.Union[i]
		}
		return s.Root
	}
	return nil
}

// CheckConsents tells that consents are required and a schema has none, so that of its events only exits can leave
// (rule 28); nil: it has them, or they are not asked for.
func (r *Rules) CheckConsents(s *schemas.Schema) error {
	if len(r.consent) == 0 {
		return nil
	}
	for _, record := range s.Root.Alternatives() {
		if record.Kind != schemas.Record {
			continue
		}
		if field := record.Field(partConsents); field != nil && can(field.Type, schemas.Map) {
			return nil
		}
	}
	return fmt.Errorf("governance.consent.mode is enforce, and %s has no %s that is a map", s.Origin, partConsents)
}

// kindsAt are the kinds that a path can have, null left out; nil when there is no such path. It goes through arrays and
// maps where labels do, and not where mapped paths end.
func kindsAt(root *schemas.Type, path string, through bool) []schemas.Kind {
	var kinds []schemas.Kind
	for _, t := range typesAt(root, path, through) {
		kinds = append(kinds, t.Kind)
	}
	return kinds
}

// typesAt are the types that a path can have, each once.
func typesAt(root *schemas.Type, path string, through bool) []*schemas.Type {
	at := attributesOf(root)
	for rest, name := path, ""; rest != ""; {
		name, rest = cut(rest)
		var next []*schemas.Type
		for _, t := range at {
			for through && (t.Kind == schemas.Array || t.Kind == schemas.Map) {
				inner := t.Items.Alternatives()
				if len(inner) == 0 {
					break
				}
				t = inner[0]
			}
			if t.Kind != schemas.Record {
				continue
			}
			if field := t.Field(name); field != nil {
				next = append(next, field.Type.Alternatives()...)
			}
		}
		// Records that share the type of a field would double the ways at each name.
		at = distinct(next)
	}
	return at
}

// distinct leaves each type out that was there before.
func distinct(types []*schemas.Type) []*schemas.Type {
	seen := map[*schemas.Type]bool{}
	return slices.DeleteFunc(types, func(t *schemas.Type) bool {
		before := seen[t]
		seen[t] = true
		return before
	})
}

// attributesOf are the types that the attributes of an event can be: records, in a schema that is sound.
func attributesOf(root *schemas.Type) []*schemas.Type {
	var types []*schemas.Type
	for _, record := range root.Alternatives() {
		if record.Kind != schemas.Record {
			continue
		}
		if field := record.Field(partAttributes); field != nil {
			types = append(types, field.Type.Alternatives()...)
		}
	}
	return types
}

// maxKnownPaths bounds the search for a path that was meant.
const maxKnownPaths = 10_000

// pathsOf lists the paths below attributes. A recursive type is entered once on each way.
func pathsOf(root *schemas.Type) []string {
	var paths []string
	var list func(t *schemas.Type, path string, within []*schemas.Type)
	list = func(t *schemas.Type, path string, within []*schemas.Type) {
		for _, t := range t.Alternatives() {
			if t.Kind != schemas.Record || slices.Contains(within, t) {
				continue
			}
			for _, field := range t.Fields {
				if len(paths) < maxKnownPaths {
					paths = append(paths, join(path, field.Name))
					list(field.Type, join(path, field.Name), append(within, t))
				}
			}
		}
	}
	for _, t := range attributesOf(root) {
		list(t, "", nil)
	}
	return paths
}
