package web

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// editable is a flow as people edit it: what PATCH may change, and each selector by
// what it is about. Three of them – what was there, mine and theirs – are compared
// change by change.
type editable struct {
	Name        string     `json:"name"`
	Description string     `json:"description"`
	Segments    []selected `json:"segments"`
	Attributes  []selected `json:"attributes"`
}

// selected is a selector: the id of a segment or the path of an attribute, and all
// that it says.
type selected struct {
	Key   string         `json:"key"`
	Value map[string]any `json:"value"`
}

// Name is that of a segment.
func (s selected) Name() string {
	name, _ := s.Value["name"].(string)
	return name
}

// stamps are the times that the API puts into a segment by itself.
var stamps = []string{"createTime", "updateTime"}

// same says whether two selectors mean the same.
func (s selected) same(other selected) bool {
	a, b := maps.Clone(s.Value), maps.Clone(other.Value)
	for _, name := range stamps {
		delete(a, name)
		delete(b, name)
	}
	return reflect.DeepEqual(a, b)
}

// rawFlow is a flow with selectors as they are.
type rawFlow struct {
	Name            string `json:"name"`
	Description     string `json:"description"`
	Transformations []struct {
		Params struct {
			Profile rawSelectors `json:"profileSelectors"`
			Segment rawSelectors `json:"segmentSelectors"`
		} `json:"params"`
	} `json:"transformations"`
}

type rawSelectors struct {
	Selectors []struct {
		Value map[string]any `json:"value"`
	} `json:"selectors"`
}

func (r rawSelectors) selected(key string) []selected {
	var list []selected
	for _, s := range r.Selectors {
		name, _ := s.Value[key].(string)
		list = append(list, selected{name, s.Value})
	}
	return list
}

// readEditable reads a flow as the API shows it, or the journal has it.
func readEditable(text json.RawMessage) (editable, error) {
	var raw rawFlow
	if err := json.Unmarshal(text, &raw); err != nil {
		return editable{}, err
	}
	e := editable{Name: raw.Name, Description: raw.Description}
	for _, t := range raw.Transformations {
		e.Segments = append(e.Segments, t.Params.Segment.selected("id")...)
		e.Attributes = append(e.Attributes, t.Params.Profile.selected("path")...)
	}
	return e, nil
}

// oneLine is a text as a line of a text area has it, without line breaks and outer blanks:
// "" where nothing is left.
func oneLine(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text))
}

// segmentLine is a segment as a line: ID, or ID | NAME.
func (s selected) segmentLine() string {
	if name := s.Name(); name != "" {
		return oneLine(s.Key + " | " + name)
	}
	return s.keyLine()
}

func (s selected) keyLine() string { return oneLine(s.Key) }

// SegmentLines are the segments as a text area has them: ID, or ID | NAME.
func (e editable) SegmentLines() string { return shownLines(e.Segments, selected.segmentLine) }

// AttributeLines are the attributes as a text area has them.
func (e editable) AttributeLines() string { return shownLines(e.Attributes, selected.keyLine) }

func shownLines(list []selected, line func(selected) string) string {
	var shown []string
	for _, s := range list {
		shown = append(shown, line(s))
	}
	return strings.Join(shown, "\n")
}

// edited is what a form makes of a flow. What nobody touched stays as it is, also what a
// form cannot show so; and so does what a selector says besides, and no field shows.
func (e editable) edited(name, description, segments, attributes string) editable {
	return editable{
		Name: typed(e.Name, name), Description: typed(e.Description, description),
		Segments: again(e.Segments, selected.segmentLine, segments, e.typedSegment),
		Attributes: again(e.Attributes, selected.keyLine, attributes, func(path string) selected {
			return selected{path, map[string]any{"path": path}}
		}),
	}
}

// typed is what a field makes of a text: a browser changes its line breaks, and no more.
func typed(before, now string) string {
	now = strings.TrimSpace(now)
	if now == strings.TrimSpace(lineBreaks.Replace(before)) {
		return before
	}
	return now
}

// again are the selectors that the lines of a text area make of those before. A line that
// was shown is the selector that it was shown of; what had no line is kept in its place.
func again(before []selected, shown func(selected) string, text string, read func(line string) selected) []selected {
	var made []selected
	left := slices.Clone(before)
	for _, line := range lines(text) {
		i := slices.IndexFunc(left, func(s selected) bool { return shown(s) == line })
		if i < 0 {
			made = append(made, read(line))
			continue
		}
		made = append(made, left[i])
		left = slices.Delete(left, i, i+1)
	}
	for i, s := range before {
		if shown(s) == "" {
			made = slices.Insert(made, min(i, len(made)), s)
		}
	}
	return made
}

// typedSegment is the segment that a line says: one that is there, by its id, which may
// hold a | itself, with another name, or a new one.
func (e editable) typedSegment(line string) selected {
	id, title, _ := strings.Cut(line, "|")
	id = strings.TrimSpace(id)
	value := map[string]any{"id": id}
	longest := 0
	for _, s := range e.Segments {
		rest, found := strings.CutPrefix(line, s.keyLine())
		rest = strings.TrimSpace(rest)
		if found && len(s.keyLine()) > longest && (rest == "" || rest[0] == '|') {
			longest = len(s.keyLine())
			id, title, value = s.Key, strings.TrimPrefix(rest, "|"), maps.Clone(s.Value)
		}
	}
	delete(value, "name")
	if title = strings.TrimSpace(title); title != "" {
		value["name"] = title
	}
	return selected{id, value}
}

// lines are the lines of a text that say something.
func lines(text string) []string {
	var list []string
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

func find(list []selected, key string) int {
	return slices.IndexFunc(list, func(s selected) bool { return s.Key == key })
}

// patch is the JSON Patch that makes next of e; none where they mean the same.
func (e editable) patch(next editable) []map[string]any {
	var operations []map[string]any
	replace := func(path string, value any) {
		operations = append(operations, map[string]any{"op": "replace", "path": path, "value": value})
	}
	if e.Name != next.Name {
		replace("/name", next.Name)
	}
	if e.Description != next.Description {
		// A flow without a description has no such member, which "add" sets as well.
		operations = append(operations, map[string]any{"op": "add", "path": "/description", "value": next.Description})
	}
	const params = "/transformations/0/params/"
	if !sameList(e.Segments, next.Segments) {
		replace(params+"segmentSelectors/selectors", selectors("PLATFORM_SEGMENT", next.Segments))
	}
	if !sameList(e.Attributes, next.Attributes) {
		replace(params+"profileSelectors/selectors", selectors("JSON_PATH", next.Attributes))
	}
	return operations
}

func sameList(a, b []selected) bool {
	return slices.EqualFunc(a, b, func(x, y selected) bool { return x.Key == y.Key && x.same(y) })
}

func selectors(kind string, list []selected) []map[string]any {
	made := []map[string]any{}
	for _, s := range list {
		made = append(made, map[string]any{"type": kind, "value": s.Value})
	}
	return made
}
