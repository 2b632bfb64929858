package web

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
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

// SegmentLines are the segments as a text area has them: ID, or ID | NAME.
func (e editable) SegmentLines() string {
	var lines []string
	for _, s := range e.Segments {
		line := s.Key
		if name := s.Name(); name != "" {
			line += " | " + strings.ReplaceAll(name, "\n", " ")
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// AttributeLines are the attributes as a text area has them.
func (e editable) AttributeLines() string {
	var lines []string
	for _, s := range e.Attributes {
		lines = append(lines, s.Key)
	}
	return strings.Join(lines, "\n")
}

// edited is what a form makes of a flow. What a selector says besides, and no field
// shows, stays.
func (e editable) edited(name, description, segments, attributes string) editable {
	made := editable{Name: strings.TrimSpace(name), Description: strings.TrimSpace(description)}
	for _, line := range lines(segments) {
		id, title, _ := strings.Cut(line, "|")
		id, title = strings.TrimSpace(id), strings.TrimSpace(title)
		value := map[string]any{"id": id}
		if i := find(e.Segments, id); i >= 0 {
			value = maps.Clone(e.Segments[i].Value)
		}
		delete(value, "name")
		if title != "" {
			value["name"] = title
		}
		made.Segments = append(made.Segments, selected{id, value})
	}
	for _, path := range lines(attributes) {
		value := map[string]any{"path": path}
		if i := find(e.Attributes, path); i >= 0 {
			value = e.Attributes[i].Value
		}
		made.Attributes = append(made.Attributes, selected{path, value})
	}
	return made
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
