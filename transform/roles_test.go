package transform

import (
	"slices"
	"testing"

	"kinesis-destination/schemas"
)

// TestAFieldHasTheRoleOfItsNameFirst: a field that is the event's by its own name may have the name of
// another part as an alias; a part that no field is named after goes by an alias of one that has no
// part of its own.
func TestAFieldHasTheRoleOfItsNameFirst(t *testing.T) {
	field := func(name string, aliases ...string) schemas.Field { return schemas.Field{Name: name, Aliases: aliases} }
	names := map[string]role{"eventId": roleEventID, "profileId": roleProfileID, "changed": roleChanged}
	for _, c := range []struct {
		fields []schemas.Field
		want   []role
	}{
		{[]schemas.Field{field("profileId", "eventId"), field("changed")}, []role{roleProfileID, roleChanged}},
		{[]schemas.Field{field("a", "eventId", "profileId"), field("b", "profileId", "eventId")}, []role{roleEventID, roleProfileID}},
		{[]schemas.Field{field("a", "changed"), field("changed")}, []role{roleNone, roleChanged}},
		{[]schemas.Field{field("a"), field("b", "changed"), field("c", "changed")}, []role{roleNone, roleChanged, roleNone}},
	} {
		for range 20 { // the names are a map
			if got := rolesOf(&schemas.Type{Kind: schemas.Record, Fields: c.fields}, names); !slices.Equal(got, c.want) {
				t.Errorf("%v have the roles %v, and %v are right", c.fields, got, c.want)
				break
			}
		}
	}
}
