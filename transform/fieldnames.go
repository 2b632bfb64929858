package transform

import (
	"slices"

	"kinesis-destination/schemas"
)

// fieldNames finds what fields of a schema paths are about: a path may have the name of a
// field, or one of its aliases, at each step.
type fieldNames struct {
	schema *schemas.Schema // nil: paths stand for themselves alone
	known  map[string][]string
	looked int // at records
}

// maxNamed bounds how many records are looked at for the names of all paths of a schema.
const maxNamed = 100_000

// under tells whether path, by any of its names, is parent by any of its own, or below it.
func (n *fieldNames) under(path, parent string) bool {
	if under(path, parent) {
		return true
	}
	if n.schema == nil {
		return false
	}
	if n.looked > maxNamed { // nobody can tell: what may be labelled counts as labelled
		return true
	}
	for _, p := range n.of(path) {
		if slices.ContainsFunc(n.of(parent), func(above string) bool { return under(p, above) }) {
			return true
		}
	}
	return false
}

// of is the path as the fields on it are named: one way for each of the unions' branches that
// it can go by. There is none where the schema has no such field.
func (n *fieldNames) of(path string) []string {
	ways, known := n.known[path]
	if !known {
		for w := range n.ways(path) {
			ways = append(ways, w.path)
		}
		n.known[path] = ways
	}
	return ways
}

// namedWay is the type that a path leads to, and how.
type namedWay struct {
	t    *schemas.Type
	path string
}

// ways goes below the profile's attributes.
func (n *fieldNames) ways(path string) map[namedWay]struct{} {
	ways := map[namedWay]struct{}{}
	for _, attributes := range attributesOf(n.schema.Root) {
		ways[namedWay{attributes, ""}] = struct{}{}
	}
	for name, rest := cut(path); name != ""; name, rest = cut(rest) {
		next := map[namedWay]struct{}{}
		for w := range ways {
			records := recordsOf(w.t, nil)
			if n.looked += len(records); n.looked > maxNamed {
				return nil
			}
			for _, record := range records {
				if field := record.Field(name); field != nil {
					next[namedWay{field.Type, join(w.path, field.Name)}] = struct{}{}
				}
			}
		}
		ways = next
	}
	return ways
}

// recordsOf adds the records that a value of the type is or holds, below no other record.
func recordsOf(t *schemas.Type, to []*schemas.Type) []*schemas.Type {
	switch t.Kind {
	case schemas.Record:
		to = append(to, t)
	case schemas.Union:
		for _, branch := range t.Union {
			to = recordsOf(branch, to)
		}
	case schemas.Array, schemas.Map:
		to = recordsOf(t.Items, to)
	}
	return to
}
