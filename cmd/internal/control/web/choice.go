package web

import (
	"net/url"
	"slices"
	"strings"
)

// The kinds of what is chosen for a flow.
const (
	kindSegment   = "segment"
	kindAttribute = "attribute"
	kindAction    = "action"
	kindOption    = "option"
)

var kinds = []string{kindSegment, kindAttribute, kindAction, kindOption}

// The options of a target connection, by its params; of the last two at most one.
const (
	optionNames      = "includeSegmentNames"
	optionTimestamps = "includeSegmentTimestamps"
	optionMappedOnly = "mapped-only"
	optionAll        = "all"
)

// choice is what is chosen for a flow: lists by kinds, in their order.
type choice url.Values

// choiceOf is what a flow and its target connection have.
func choiceOf(f *flow, t *target) choice {
	c := choice{kindSegment: f.Segments(), kindAttribute: f.Attributes(), kindAction: t.Params.MarketingActions}
	if t.Params.Names {
		c[kindOption] = append(c[kindOption], optionNames)
	}
	if t.Params.Timestamps {
		c[kindOption] = append(c[kindOption], optionTimestamps)
	}
	if u := t.Params.Unmapped; u == optionMappedOnly || u == optionAll {
		c[kindOption] = append(c[kindOption], u)
	}
	return c
}

// Change is what differs between two choices, of one kind.
type Change struct {
	Kind           string
	Added, Removed []string
}

// Any says whether anything differs.
func (c Change) Any() bool { return len(c.Added)+len(c.Removed) > 0 }

// difference is what leads from one choice to another.
func difference(from, to choice) []Change {
	var all []Change
	for _, kind := range kinds {
		c := Change{Kind: kind, Added: without(to[kind], from[kind]), Removed: without(from[kind], to[kind])}
		if c.Any() {
			all = append(all, c)
		}
	}
	return all
}

// with is a choice after changes.
func (c choice) with(changes []Change) choice {
	next := choice{}
	for _, kind := range kinds {
		next[kind] = slices.Clone(c[kind])
	}
	for _, change := range changes {
		next[change.Kind] = union(without(next[change.Kind], change.Removed), change.Added)
	}
	if options := next[kindOption]; slices.Contains(options, optionAll) && slices.Contains(options, optionMappedOnly) {
		next[kindOption] = without(options, []string{optionAll}) // what lets less out
	}
	return next
}

// without is a list without those of another one.
func without(list, others []string) []string {
	gone := map[string]bool{}
	for _, other := range others {
		gone[other] = true
	}
	var left []string
	for _, item := range list {
		if !gone[item] {
			left = append(left, item)
		}
	}
	return left
}

// union is a list with those of another one that it has not, each once.
func union(list, others []string) []string {
	seen := map[string]bool{}
	var all []string
	for _, item := range slices.Concat(list, others) {
		if !seen[item] {
			seen[item] = true
			all = append(all, item)
		}
	}
	return all
}

// pasted are the ids or paths of a text: separated by blanks, line breaks, commas or
// semicolons.
func pasted(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\n' || r == '\t' || r == '\r' })
}

// patch is a JSON Patch.
type patch []map[string]any

// selectorsPatch leads from a list of selectors to another one: removals from the
// highest place to the lowest, then additions.
func selectorsPatch(list string, from, to []string, selector func(id string) any) patch {
	path := "/transformations/0/params/" + list + "/selectors/"
	var operations patch
	kept := map[string]bool{}
	for _, id := range to {
		kept[id] = true
	}
	for i, id := range slices.Backward(from) {
		if !kept[id] {
			operations = append(operations, map[string]any{"op": "remove", "path": path + decimal(i)})
		}
	}
	for _, id := range without(to, from) {
		operations = append(operations, map[string]any{"op": "add", "path": path + "-", "value": selector(id)})
	}
	return operations
}

// flowPatch leads from a flow as it is to a choice.
func flowPatch(is, to choice) patch {
	segments := selectorsPatch("segmentSelectors", is[kindSegment], to[kindSegment], func(id string) any {
		return map[string]any{"type": "PLATFORM_SEGMENT", "value": map[string]any{"id": id}}
	})
	attributes := selectorsPatch("profileSelectors", is[kindAttribute], to[kindAttribute], func(path string) any {
		return map[string]any{"type": "JSON_PATH", "value": map[string]any{"path": path, "operator": "EXISTS"}}
	})
	return append(segments, attributes...)
}

// targetPatch leads from a target connection as it is to a choice.
func targetPatch(is, to choice) patch {
	var operations patch
	set := func(name string, value any) {
		operations = append(operations, map[string]any{"op": "add", "path": "/params/" + name, "value": value})
	}
	for _, change := range difference(is, to) {
		switch change.Kind {
		case kindAction:
			set("marketingActions", append([]string{}, to[kindAction]...))
		case kindOption:
			set(optionNames, slices.Contains(to[kindOption], optionNames))
			set(optionTimestamps, slices.Contains(to[kindOption], optionTimestamps))
			unmapped := ""
			for _, option := range []string{optionMappedOnly, optionAll} {
				if slices.Contains(to[kindOption], option) {
					unmapped = option
				}
			}
			set("unmappedSegments", unmapped)
		}
	}
	return operations
}
