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

// leaf is a mapped path as it is written.
type leaf struct {
	slot   int
	way    []*outline // from the outermost key to its own
	before *leaf      // nil: it is the first
	joint  []byte     // what stands between the value of the leaf before it and its own
}

// leaves are those of an outline, in its order.
func (o *outline) leaves() []leaf {
	var all []leaf
	o.gather(&all, nil)
	var last *leaf
	for i := range all {
		all[i].before, all[i].joint = last, all[i].appendJoint(nil, last)
		last = &all[i]
	}
	return all
}

func (o *outline) gather(all *[]leaf, way []*outline) {
	if o.slot != noSlot {
		*all = append(*all, leaf{slot: o.slot, way: slices.Clone(way)})
	}
	for _, child := range o.children {
		child.gather(all, append(way, child))
	}
}

// appendJoint writes what stands between the value of another leaf and its own, where those between them have none: the
// ends of the objects that it is not in, and the keys that lead to it. After nil it is the first.
func (l *leaf) appendJoint(dst []byte, after *leaf) []byte {
	shared := 0
	if after != nil {
		for l.way[shared] == after.way[shared] { // no leaf lies below another
			shared++
		}
		dst = append(appendClosing(dst, len(after.way)-1-shared), ',')
	}
	for _, o := range l.way[shared:] {
		dst = append(dst, o.key...)
		if o.slot == noSlot {
			dst = append(dst, '{')
		}
	}
	return dst
}

func appendClosing(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, '}')
	}
	return dst
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
