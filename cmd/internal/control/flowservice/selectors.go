package flowservice

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"kinesis-destination/cmd/internal/control/api"
)

// checkTransformations judges the form of the one transformation that there is; its
// content is judged with the rest of the destination.
func (s *Service) checkTransformations(a *attempt, f *Flow, report func(field, message string)) {
	if len(f.Transformations) == 0 {
		f.Transformations = []Transformation{{Name: generalTransform}}
	}
	for i := range f.Transformations {
		t := &f.Transformations[i]
		at := fmt.Sprintf("transformations[%d]", i)
		if t.Name != generalTransform || i > 0 {
			report(at+".name", "there is one transformation, "+generalTransform)
		}
		if t.Params.ProfileSelectors.Selectors == nil {
			t.Params.ProfileSelectors.Selectors = []ProfileSelector{}
		}
		if t.Params.SegmentSelectors.Selectors == nil {
			t.Params.SegmentSelectors.Selectors = []SegmentSelector{}
		}
		p := &t.Params.ProfileSelectors
		for name, list := range map[string][]json.RawMessage{"mandatoryFields": p.MandatoryFields, "primaryFields": p.PrimaryFields} {
			if len(list) > 0 {
				report(at+".params.profileSelectors."+name, "is for batch destinations: a record holds what the profile has")
			}
		}
		for j, selector := range p.Selectors {
			at := fmt.Sprintf("%s.params.profileSelectors.selectors[%d]", at, j)
			if selector.Type != jsonPath {
				report(at+".type", "must be "+jsonPath)
			}
			if selector.Value.Operator != "" && selector.Value.Operator != exists {
				report(at+".value.operator", "must be "+exists)
			}
			api.OneLine(at+".value.path", selector.Value.Path, report)
			if alwaysExported(selector.Value.Path) {
				a.warn(at + ".value.path: " + selector.Value.Path + " is part of every record, mapped or not")
			}
		}
		for j, selector := range t.Params.SegmentSelectors.Selectors {
			at := fmt.Sprintf("%s.params.segmentSelectors.selectors[%d]", at, j)
			if selector.Type != platformSegment {
				report(at+".type", "must be "+platformSegment)
			}
			s.checkSegment(a, at+".value", selector.Value, report)
		}
	}
}

func (s *Service) checkSegment(a *attempt, at string, v SegmentValue, report func(field, message string)) {
	api.OneLine(at+".id", v.ID, report)
	api.OneLine(at+".name", v.Name, report)
	for i, label := range v.Labels {
		api.OneLine(fmt.Sprintf("%s.labels[%d]", at, i), label, report)
	}
	for field, when := range map[string]*Timestamp{
		"createdAt": v.CreatedAt, "updatedAt": v.UpdatedAt, "mappingCreatedAt": v.MappingCreatedAt, "mappingUpdatedAt": v.MappingUpdatedAt,
	} {
		if when != nil {
			if _, err := time.Parse(time.RFC3339, string(*when)); err != nil {
				report(at+"."+field, "must be a time as of RFC 3339, such as 2026-01-31T12:00:00Z")
			}
		}
	}
	if v.FilenameTemplate != "" || v.ExportMode != "" {
		a.warn(at + ": filenameTemplate and exportMode are for files of batch destinations and have no effect")
	}
	if v.Schedule == nil {
		return
	}
	if v.Schedule.EndDate != "" {
		report(at+".schedule.endDate", "cannot be kept to: a stream has no schedule. Remove the segment when it is to end")
	}
	if start := v.Schedule.StartDate; start != "" {
		when, err := time.Parse(time.DateOnly, start)
		switch {
		case err != nil:
			report(at+".schedule.startDate", "must be a date such as 2026-01-31")
		case when.After(s.o.Now()):
			report(at+".schedule.startDate", "lies ahead: a stream has no schedule. Activate the segment when it is to begin")
		}
	}
	a.warn(at + ".schedule: a stream has no schedule; the segment is exported from now on")
}

// alwaysExported tells the parts of a record that need no mapping, which the platform
// maps by itself.
func alwaysExported(path string) bool {
	part, _, _ := strings.Cut(path, ".")
	return part == "segmentMembership" || part == "identityMap"
}

// stamp notes when segments were activated, which records can show.
func stamp(f *Flow, old []Transformation, now time.Time) {
	before := map[string]SegmentValue{}
	for _, t := range old {
		for _, selector := range t.Params.SegmentSelectors.Selectors {
			before[selector.Value.ID] = selector.Value
		}
	}
	seconds := strconv.FormatInt(now.Unix(), 10)
	for i := range f.Transformations {
		selectors := f.Transformations[i].Params.SegmentSelectors.Selectors
		for j := range selectors {
			v := &selectors[j].Value
			known, was := before[v.ID]
			if !was {
				v.CreateTime, v.UpdateTime = seconds, seconds
				continue
			}
			v.CreateTime, v.UpdateTime = known.CreateTime, known.UpdateTime
			if a, b := encoded(*v), encoded(known); a != b {
				v.UpdateTime = seconds
			}
		}
	}
}

func encoded(v any) string {
	text, err := json.Marshal(v)
	if err != nil { // it came from JSON
		return ""
	}
	return string(text)
}

// removesWhatIsMeant refuses removals by which the platform's own sample would remove
// another segment than it says: each one moves those behind it up. A value in a
// removal names what is meant.
func removesWhatIsMeant(document any, operations []api.Operation) error {
	state, done := clone(document), 0 // after so many operations
	seen := map[string]int{}          // the last place that was removed of a list, without a value that names it
	for i, o := range operations {
		list, place, ok := selectorPlace(o.Path)
		if o.Op != "remove" || !ok {
			continue
		}
		report := func(format string, args ...any) error {
			return api.InvalidAs(api.CodePatch, []api.FieldError{{Field: fmt.Sprintf("[%d]", i), Message: fmt.Sprintf(format, args...)}})
		}
		meant := meantBy(o.Value)
		if meant == "" {
			if last, before := seen[list]; before && place > last { // the same place again is how RFC 6902 removes those that follow each other
				return report("An error has occurred while validating patch instructions: after place %d is removed, what stood at %d stands at %d, so that this would remove another one than meant. Remove from the highest place to the lowest, or say with each what is meant: \"value\": {\"value\": {\"id\": …}} or {\"path\": …}", last, place, place-1)
			}
			seen[list] = place
			continue
		}
		var err error
		if state, err = api.Patch(state, operations[done:i]); err != nil {
			_, err = api.Patch(clone(document), operations[:i]) // which says the place among all
			return err
		}
		done = i
		if there := meantBy(at(state, o.Path)); there != meant {
			return report("An error has occurred while validating patch instructions: at %s there is %q then, and the value says %q", o.Path, there, meant)
		}
	}
	return nil
}

func selectorPlace(path string) (list string, place int, ok bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 || !strings.HasSuffix(path[:i], "/selectors") {
		return "", 0, false
	}
	place, err := strconv.Atoi(path[i+1:])
	return path[:i], place, err == nil
}

// meantBy is the id or path in a selector.
func meantBy(value any) string {
	selector, _ := value.(map[string]any)
	inner, _ := selector["value"].(map[string]any)
	for _, key := range []string{"id", "path"} {
		for _, from := range []map[string]any{inner, selector} {
			if text, ok := from[key].(string); ok && text != "" {
				return text
			}
		}
	}
	return ""
}

func at(document any, path string) any {
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		switch v := document.(type) {
		case map[string]any:
			document = v[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v) {
				return nil
			}
			document = v[i]
		}
	}
	return document
}

func clone(document any) any {
	copied, err := api.Generic(document)
	if err != nil { // it came from JSON
		return nil
	}
	return copied
}
