package transform

import (
	"fmt"
	"slices"
	"strings"

	"kinesis-destination/schemas"
)

// The parts of an event, by their names in the contract's schema.
const (
	partEventID     = "eventId"
	partEvaluatedAt = "evaluatedAt"
	partProfileID   = "profileId"
	partMergePolicy = "mergePolicyId"
	partChanged     = "changed"
	partAttributes  = "attributes"
	partMembership  = "segmentMembership"
	partIdentities  = "identityMap"
	partConsents    = "consents"
	memberSource    = "_source"
)

// role is what a field of a record is to us. What has none is skipped.
type role uint8

// part is a field of a record in its role, or a run of fields that have none and are skipped together.
type part struct {
	role role
	t    *schemas.Type
}

// partsOf gives the fields of a record their roles.
func partsOf(record *schemas.Type, roles []role) []part {
	var parts []part
	var idle []*schemas.Type
	flush := func() {
		if len(idle) > 0 {
			parts = append(parts, part{roleNone, schemas.Sequence(idle)})
			idle = nil
		}
	}
	for i, role := range roles {
		if role == roleNone {
			idle = append(idle, record.Fields[i].Type)
			continue
		}
		flush()
		parts = append(parts, part{role, record.Fields[i].Type})
	}
	flush()
	return parts
}

const (
	roleNone role = iota
	roleEventID
	roleEvaluatedAt
	roleProfileID
	roleMergePolicy
	roleChanged
	roleAttributes
	roleMembership
	roleIdentities
	roleConsents
	roleCount
)

// The roles inside changed, a segment's membership and an identity.
const (
	roleSegments role = iota + 1
	roleChangedAttributes
	roleChangedIdentities

	roleStatus
	roleQualified
	rolePolicy

	roleID
)

var (
	eventRoles = map[string]role{
		partEventID: roleEventID, partEvaluatedAt: roleEvaluatedAt, partProfileID: roleProfileID, partMergePolicy: roleMergePolicy,
		partChanged: roleChanged, partAttributes: roleAttributes, partMembership: roleMembership, partIdentities: roleIdentities,
		partConsents: roleConsents,
	}
	changedRoles  = map[string]role{"segments": roleSegments, "attributes": roleChangedAttributes, "identities": roleChangedIdentities}
	memberRoles   = map[string]role{"status": roleStatus, "lastQualificationTime": roleQualified, "mergePolicyId": rolePolicy}
	identityRoles = map[string]role{"id": roleID}
)

// shape is how a record of the writer schema is read as an event.
type shape struct {
	missing    error // a required part is not there, or of another form
	fields     []part
	types      [roleCount]*schemas.Type
	changed    forms
	members    forms
	identities forms
	attributes *schemas.Type // with marks at the mapped paths; nil when none is in the schema
	watched    pathSet
}

// fewForms is how many forms are looked through one by one; a union can have thousands.
const fewForms = 8

// forms are the records that something can be.
type forms struct {
	list  []form
	index map[*schemas.Type]int // nil for few
}

type form struct {
	record *schemas.Type
	parts  []part
}

// of is the parts of a record; false when the record is none of the forms.
func (f *forms) of(record *schemas.Type) ([]part, bool) {
	if f.index != nil {
		i, known := f.index[record]
		if !known {
			return nil, false
		}
		return f.list[i].parts, true
	}
	for i := range f.list {
		if f.list[i].record == record {
			return f.list[i].parts, true
		}
	}
	return nil, false
}

func newShape(r *Rules, record *schemas.Type, origin string, dropped []bool) (*shape, error) {
	s := &shape{watched: r.watched}
	roles := rolesOf(record, eventRoles)
	for i, role := range roles {
		s.types[role] = record.Fields[i].Type
		if !r.needs(role) {
			roles[i] = roleNone
		}
	}
	s.fields = partsOf(record, roles)
	s.types[roleNone] = nil
	s.changed = formsOf(alternatives(s.types[roleChanged]), changedRoles)
	s.members = formsOf(elements(elements(alternatives(s.types[roleMembership]), schemas.Map), schemas.Map), memberRoles)
	s.identities = formsOf(elements(elements(alternatives(s.types[roleIdentities]), schemas.Map), schemas.Array), identityRoles)
	var lacks []string
	if !can(s.types[roleProfileID], schemas.String, schemas.Enum, schemas.Int, schemas.Long) {
		lacks = append(lacks, partProfileID+" that is text or a number")
	}
	if !s.members.have(roleStatus, schemas.String, schemas.Enum) {
		lacks = append(lacks, partMembership+" that is a map of maps of records with a status")
	}
	if !s.identities.have(roleID, schemas.String, schemas.Enum, schemas.Int, schemas.Long) {
		lacks = append(lacks, partIdentities+" that is a map of arrays of records with an id")
	}
	if len(lacks) > 0 {
		s.missing = fmt.Errorf("%s has no %s", origin, strings.Join(lacks, ", no "))
	}
	if t := s.types[roleAttributes]; t != nil {
		resolver := resolver{dropped: dropped, known: map[way]*schemas.Type{}}
		s.attributes = resolver.resolve(t, r.outline)
		resolver.names(t, r.outline, "")
		if resolver.ways > maxWays {
			return nil, fmt.Errorf("%s: more than %d fields and branches of unions lie on the ways to the mapped paths", origin, maxWays)
		}
		s.watched = r.watched.with(resolver.aliased)
	}
	return s, nil
}

// needs says whether a part of the event is ever read under these rules.
func (r *Rules) needs(role role) bool {
	switch role {
	case roleEventID, roleEvaluatedAt:
		return r.cfg.Metadata
	case roleMergePolicy:
		return r.unmapped == SameMergePolicy
	case roleConsents:
		return len(r.consent) > 0
	case roleAttributes:
		return len(r.paths) > 0
	default:
		return true
	}
}

// rolesOf gives each field of a record its role: by name, and what is then left by alias.
func rolesOf(record *schemas.Type, names map[string]role) []role {
	roles, given := make([]role, len(record.Fields)), map[role]bool{}
	for i := range record.Fields {
		if role, ok := names[record.Fields[i].Name]; ok && !given[role] {
			roles[i], given[role] = role, true
		}
	}
	for i := range record.Fields {
		if _, named := names[record.Fields[i].Name]; named {
			continue
		}
		for _, alias := range record.Fields[i].Aliases {
			if role, ok := names[alias]; ok && !given[role] {
				roles[i], given[role] = role, true
				break
			}
		}
	}
	return roles
}

func formsOf(candidates []*schemas.Type, names map[string]role) forms {
	var fs forms
	for _, candidate := range candidates {
		if _, known := fs.of(candidate); candidate.Kind != schemas.Record || known {
			continue
		}
		fs.list = append(fs.list, form{candidate, partsOf(candidate, rolesOf(candidate, names))})
		switch n := len(fs.list); {
		case fs.index != nil:
			fs.index[candidate] = n - 1
		case n > fewForms:
			fs.index = map[*schemas.Type]int{}
			for i := range fs.list {
				fs.index[fs.list[i].record] = i
			}
		}
	}
	return fs
}

// have says whether a form has a field of the role that can be of one of the kinds.
func (f *forms) have(wanted role, kinds ...schemas.Kind) bool {
	for _, form := range f.list {
		for _, part := range form.parts {
			if part.role == wanted && can(part.t, kinds...) {
				return true
			}
		}
	}
	return false
}

func alternatives(t *schemas.Type) []*schemas.Type {
	if t == nil {
		return nil
	}
	return t.Alternatives()
}

// elements are what the arrays or maps among the types can hold.
func elements(types []*schemas.Type, kind schemas.Kind) []*schemas.Type {
	var inner []*schemas.Type
	for _, t := range types {
		if t.Kind == kind {
			inner = append(inner, t.Items.Alternatives()...)
		}
	}
	return inner
}

// can says whether a value can be of one of the kinds.
func can(t *schemas.Type, kinds ...schemas.Kind) bool {
	return slices.ContainsFunc(alternatives(t), func(t *schemas.Type) bool { return slices.Contains(kinds, t.Kind) })
}
