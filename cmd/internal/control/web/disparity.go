package web

import (
	"slices"
	"strings"
)

// disparity is one change of a flow: a field, a segment or an attribute.
type disparity struct {
	// Of is what differs: name, description, segment or attribute.
	Of string
	// Key is the segment's id or the attribute's path.
	Key string
	// Before, Mine and Theirs are what it is in each; "" where it is not there.
	Before, Mine, Theirs string
	// ByMe and ByThem tell who changed it. Both at once is a conflict, unless they agree.
	ByMe, ByThem bool
}

// ID names the change in a form.
func (d disparity) ID() string { return d.Of + ":" + d.Key }

// Conflict says that both changed it, and not to the same.
func (d disparity) Conflict() bool { return d.ByMe && d.ByThem && d.Mine != d.Theirs }

// Agreed says that both changed it to the same.
func (d disparity) Agreed() bool { return d.ByMe && d.ByThem && d.Mine == d.Theirs }

// differences are all changes of two editors of one flow, in the order of the page.
func differences(before, mine, theirs editable) []disparity {
	var list []disparity
	add := func(of, key, b, m, t string) {
		if d := (disparity{Of: of, Key: key, Before: b, Mine: m, Theirs: t, ByMe: b != m, ByThem: b != t}); d.ByMe || d.ByThem {
			list = append(list, d)
		}
	}
	add("name", "", before.Name, mine.Name, theirs.Name)
	add("description", "", before.Description, mine.Description, theirs.Description)
	each := func(of string, b, m, t []selected) {
		var keys []string
		for _, s := range slices.Concat(b, t, m) {
			if !slices.Contains(keys, s.Key) {
				keys = append(keys, s.Key)
			}
		}
		for _, key := range keys {
			add(of, key, said(b, key), said(m, key), said(t, key))
		}
	}
	each("segment", before.Segments, mine.Segments, theirs.Segments)
	each("attribute", before.Attributes, mine.Attributes, theirs.Attributes)
	return list
}

// said is a selector in one line: what it is called, or its key, and whatever else it
// says that is no stamp, so that no difference goes unseen.
func said(list []selected, key string) string {
	i := find(list, key)
	if i < 0 {
		return ""
	}
	s := list[i]
	parts := []string{key}
	if name := s.Name(); name != "" {
		parts[0] = name
	}
	var more []string
	for name, value := range s.Value {
		if name == "id" || name == "path" || name == "name" || slices.Contains(stamps, name) {
			continue
		}
		more = append(more, name+"="+compact(value))
	}
	slices.Sort(more)
	return strings.Join(append(parts, more...), ", ")
}

// apply puts the chosen ones of my changes on theirs.
func apply(mine, theirs editable, chosen []disparity) editable {
	made := theirs
	made.Segments, made.Attributes = slices.Clone(theirs.Segments), slices.Clone(theirs.Attributes)
	for _, d := range chosen {
		switch d.Of {
		case "name":
			made.Name = mine.Name
		case "description":
			made.Description = mine.Description
		case "segment":
			made.Segments = put(made.Segments, mine.Segments, d.Key)
		case "attribute":
			made.Attributes = put(made.Attributes, mine.Attributes, d.Key)
		}
	}
	return made
}

// put makes a list say of a key what another one does.
func put(into, from []selected, key string) []selected {
	i, j := find(into, key), find(from, key)
	switch {
	case j < 0 && i >= 0:
		return slices.Delete(into, i, i+1)
	case j >= 0 && i >= 0:
		into[i] = from[j]
	case j >= 0:
		into = append(into, from[j])
	}
	return into
}
