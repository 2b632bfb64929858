package transform

import (
	"maps"
	"slices"
	"strings"
)

// noSlot marks what is no mapped path itself but leads to some.
const noSlot = -1

// outline is the shape of a record's attributes: the mapped paths as a tree, in the order in which they are mapped.
type outline struct {
	name     string
	key      []byte // the name as a JSON member: "name":
	slot     int    // index of the mapped path that ends here, or noSlot
	children []*outline
}

func (o *outline) add(parts []string, slot int) {
	if len(parts) == 0 {
		o.slot = slot
		return
	}
	i := slices.IndexFunc(o.children, func(child *outline) bool { return child.name == parts[0] })
	if i < 0 {
		i = len(o.children)
		key := append(appendString(nil, parts[0]), ':')
		o.children = append(o.children, &outline{name: parts[0], key: key, slot: noSlot})
	}
	o.children[i].add(parts[1:], slot)
}

// under says whether path lies below parent, or is it.
func under(path, parent string) bool {
	return strings.HasPrefix(path, parent) && (len(path) == len(parent) || path[len(parent)] == '.')
}

// uncovered parts mapped paths into those that stand for themselves and those that lie below another.
func uncovered(paths []string) (alone, covered []string) {
	for _, path := range paths {
		if slices.ContainsFunc(paths, func(other string) bool { return other != path && under(path, other) }) {
			covered = append(covered, path)
		} else {
			alone = append(alone, path)
		}
	}
	return alone, covered
}

// pathSet answers whether a changed path touches a mapped one: the same, a parent or a child (rule 5).
type pathSet struct {
	mapped  map[string]struct{}
	above   map[string]struct{} // every parent of a mapped path
	longest int                 // of the mapped paths: a path has no longer parent among them
}

func newPathSet(paths []string) pathSet {
	s := pathSet{mapped: map[string]struct{}{}, above: map[string]struct{}{}}
	for _, path := range paths {
		s.add(path)
	}
	return s
}

// with is the set with other names of its paths, or the set itself where there are none.
func (s pathSet) with(others []string) pathSet {
	if !slices.ContainsFunc(others, func(path string) bool { _, known := s.mapped[path]; return !known }) {
		return s
	}
	more := pathSet{mapped: maps.Clone(s.mapped), above: maps.Clone(s.above), longest: s.longest}
	for _, path := range others {
		more.add(path)
	}
	return more
}

func (s *pathSet) add(path string) {
	s.mapped[path] = struct{}{}
	s.longest = max(s.longest, len(path))
	for i := range path {
		if path[i] == '.' {
			s.above[path[:i]] = struct{}{}
		}
	}
}

func (s *pathSet) touches(path string) bool {
	if _, ok := s.above[path]; ok {
		return true
	}
	for i := range min(len(path), s.longest+1) {
		if path[i] == '.' {
			if _, ok := s.mapped[path[:i]]; ok {
				return true
			}
		}
	}
	_, ok := s.mapped[path]
	return ok
}

// cut splits a path after its first name.
func cut(path string) (name, rest string) {
	name, rest, _ = strings.Cut(path, ".")
	return name, rest
}
