package transform

import (
	"fmt"
	"slices"
	"strings"

	"kinesis-destination/schemas"
)

// maxShown bounds how many names of a schema a warning lists.
const maxShown = 8

// SchemaWarnings are what a schema allows but is likely not meant: statuses that nobody knows, and what stays behind of
// mapped records.
func (r *Rules) SchemaWarnings(s *schemas.Schema) []string {
	var warnings []string
	if err := r.CheckStatuses(s); err != nil {
		warnings = append(warnings, err.Error())
	}
	return append(warnings, r.StayingBehind(s)...)
}

// CheckStatuses tells that the status of a membership is an enum with none of the statuses that mean something here, so
// that no profile ever counts as in a segment (rule 8); nil: it has one, or is text, which may be any.
func (r *Rules) CheckStatuses(s *schemas.Schema) error {
	p, err := Compile(r, s)
	if err != nil {
		return nil // CheckParts tells it
	}
	var symbols []string
	for _, shape := range p.shapes {
		if shape.missing != nil {
			continue
		}
		own, known := shape.members.symbols(roleStatus)
		if known {
			return nil
		}
		symbols = append(symbols, own...)
	}
	if len(symbols) == 0 {
		return nil
	}
	return fmt.Errorf("%s: status in %s is one of %s, and none of them is %s, %s or %s: no profile counts as in a segment, and readers of the stream see what they do not know",
		s.Origin, partMembership, someOf(symbols), statusRealized, statusExisting, statusExited)
}

// symbols are those of the enums that a role can be; known where one of them is a status, or where it can be text.
func (f *forms) symbols(wanted role) (symbols []string, known bool) {
	for _, form := range f.list {
		for _, part := range form.parts {
			if part.role != wanted {
				continue
			}
			for _, t := range part.t.Alternatives() {
				known = known || t.Kind == schemas.String || t.Kind == schemas.Bytes ||
					slices.ContainsFunc(t.Symbols, func(s string) bool { return s == statusRealized || s == statusExisting || s == statusExited })
				symbols = append(symbols, t.Symbols...)
			}
		}
	}
	return symbols, known
}

// StayingBehind tells of each mapped record which arrays and maps below it are not exported with it (rule 19).
func (r *Rules) StayingBehind(s *schemas.Schema) []string {
	if r.cfg.Activation.AllowCollections {
		return nil
	}
	var notes []string
	for _, path := range r.cfg.Activation.Attributes {
		search := collections{}
		for _, t := range typesAt(s.Root, path, false) {
			search.below(t, "", nil)
		}
		if len(search.found) > 0 {
			notes = append(notes, fmt.Sprintf("below %s stay behind: %s; activation.allowCollections exports them", path, someOf(search.found)))
		}
	}
	return notes
}

// collections looks for arrays and maps below a record.
type collections struct {
	found  []string
	looked int
}

// below enters a recursive type once on each way, and ends at maxKnownPaths fields.
func (c *collections) below(t *schemas.Type, path string, within []*schemas.Type) {
	if t.Kind != schemas.Record || slices.Contains(within, t) {
		return
	}
	within = append(slices.Clip(within), t)
	for _, field := range t.Fields {
		at := join(path, field.Name)
		for _, t := range field.Type.Alternatives() {
			if c.looked++; c.looked > maxKnownPaths {
				return
			}
			if t.Kind == schemas.Array || t.Kind == schemas.Map {
				if found := fmt.Sprintf("%s (%s)", at, t.Kind); !slices.Contains(c.found, found) {
					c.found = append(c.found, found)
				}
				continue
			}
			c.below(t, at, within)
		}
	}
}

// someOf lists names, and how many more there are.
func someOf(names []string) string {
	if len(names) <= maxShown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxShown], ", "), len(names)-maxShown)
}
