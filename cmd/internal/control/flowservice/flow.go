package flowservice

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
)

const (
	generalTransform = "GeneralTransform"
	platformSegment  = "PLATFORM_SEGMENT"
	jsonPath         = "JSON_PATH"
	exists           = "EXISTS"
)

// Flow is a destination: where from, where to, and what.
type Flow struct {
	Meta
	Name                string           `json:"name"`
	Description         string           `json:"description,omitempty"`
	FlowSpec            Spec             `json:"flowSpec"`
	State               string           `json:"state"`
	SourceConnectionIDs []string         `json:"sourceConnectionIds"`
	TargetConnectionIDs []string         `json:"targetConnectionIds"`
	Transformations     []Transformation `json:"transformations"`
}

// Transformation is what a flow exports: segments and attributes.
type Transformation struct {
	Name   string          `json:"name"`
	Params TransformParams `json:"params"`
}

// TransformParams are the selectors.
type TransformParams struct {
	ProfileSelectors ProfileSelectors `json:"profileSelectors"`
	SegmentSelectors SegmentSelectors `json:"segmentSelectors"`
}

// ProfileSelectors are the mapped attributes.
type ProfileSelectors struct {
	Selectors []ProfileSelector `json:"selectors"`
	// What files of batch destinations know besides; taken where it is empty.
	MandatoryFields []json.RawMessage `json:"mandatoryFields,omitempty"`
	PrimaryFields   []json.RawMessage `json:"primaryFields,omitempty"`
}

// ProfileSelector is one mapped attribute.
type ProfileSelector struct {
	Type  string       `json:"type"`
	Value ProfileValue `json:"value"`
}

// ProfileValue is the path. Identity and mapping are kept as they came: the target
// name is the source path.
type ProfileValue struct {
	Path     string          `json:"path"`
	Operator string          `json:"operator,omitempty"`
	Identity json.RawMessage `json:"identity,omitempty"`
	Mapping  json.RawMessage `json:"mapping,omitempty"`
}

// SegmentSelectors are the activated segments.
type SegmentSelectors struct {
	Selectors []SegmentSelector `json:"selectors"`
}

// SegmentSelector is one activated segment.
type SegmentSelector struct {
	Type  string       `json:"type"`
	Value SegmentValue `json:"value"`
}

// SegmentValue is the segment. What is left out of it is the source's.
type SegmentValue struct {
	ID               string     `json:"id"`
	Name             string     `json:"name,omitempty"`
	Description      *string    `json:"description,omitempty"`
	Labels           []string   `json:"labels,omitempty"`
	CreatedAt        *Timestamp `json:"createdAt,omitempty"`
	UpdatedAt        *Timestamp `json:"updatedAt,omitempty"`
	MappingCreatedAt *Timestamp `json:"mappingCreatedAt,omitempty"`
	MappingUpdatedAt *Timestamp `json:"mappingUpdatedAt,omitempty"`
	// Seconds, as text: when the segment was activated here, and last changed.
	CreateTime string `json:"createTime,omitempty"`
	UpdateTime string `json:"updateTime,omitempty"`
	// For files of batch destinations; kept, and without effect.
	FilenameTemplate string    `json:"filenameTemplate,omitempty"`
	ExportMode       string    `json:"exportMode,omitempty"`
	Schedule         *Schedule `json:"schedule,omitempty"`
}

// Timestamp is a time as text, of RFC 3339.
type Timestamp string

// Schedule is when files are exported; of it a stream knows the beginning alone.
type Schedule struct {
	Frequency   string `json:"frequency,omitempty"`
	TriggerType string `json:"triggerType,omitempty"`
	StartDate   string `json:"startDate,omitempty"`
	EndDate     string `json:"endDate,omitempty"`
	StartTime   string `json:"startTime,omitempty"`
}

type flowRequest struct {
	Name                string           `json:"name"`
	Description         string           `json:"description"`
	FlowSpec            *Spec            `json:"flowSpec"`
	State               *string          `json:"state"`
	SourceConnectionIDs []string         `json:"sourceConnectionIds"`
	TargetConnectionIDs []string         `json:"targetConnectionIds"`
	Transformations     []Transformation `json:"transformations"`
}

func (s *Service) flowKind() kind {
	return kind{
		name: documents.Flows, permission: api.Manage,
		editable: []string{"name", "description", "transformations"},
		build:    s.buildFlow, show: s.showFlow, before: removesWhatIsMeant,
	}
}

func (s *Service) buildFlow(a *attempt, body any, before *documents.Entry) (any, error) {
	var request flowRequest
	problems := api.Into(body, &request, "")
	report := func(field, message string) {
		problems = append(problems, api.FieldError{Field: field, Message: message})
	}
	if request.State != nil && before == nil {
		return nil, api.InvalidAs(api.CodeState, []api.FieldError{{Field: "state", Message: "`State` is not allowed in the create flow request. A flow is enabled; POST /flows/{id}/action?op=disable pauses it."}})
	}
	if len(problems) == 0 {
		if err := checkSpec(request.FlowSpec, "flowSpec", FlowSpec); err != nil {
			if refused, ok := err.(*api.Error); ok && refused.Status == 422 { //nolint:errorlint // checkSpec makes it
				err = api.InvalidAs(api.CodeSpec, refused.Errors)
			}
			return nil, err
		}
	}
	names(request.Name, request.Description, report)
	f := &Flow{State: stateEnabled}
	if before != nil {
		if err := documents.Decode(*before, f); err != nil {
			return nil, err
		}
	}
	old := f.Transformations
	f.Name, f.Description = request.Name, request.Description
	f.SourceConnectionIDs, f.TargetConnectionIDs = request.SourceConnectionIDs, request.TargetConnectionIDs
	f.Transformations = request.Transformations
	if request.FlowSpec != nil {
		f.FlowSpec = *request.FlowSpec
	}
	s.checkTransformations(a, f, report)
	if !a.asIs {
		stamp(f, old, s.o.Now())
	}
	f.ID = a.id
	if len(problems) > 0 {
		return nil, refusal(problems)
	}
	if err := s.flowStands(a, f); err != nil {
		return nil, err
	}
	return f, nil
}

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
	seen := map[string]int{} // the last place that was removed of a list, without a value that names it
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
			if last, before := seen[list]; before && place >= last {
				return report("An error has occurred while validating patch instructions: after place %d is removed, what stood at %d stands at %d, so that this would remove another one than meant. Remove from the highest place to the lowest, or say with each what is meant: \"value\": {\"value\": {\"id\": …}} or {\"path\": …}", last, place, place-1)
			}
			seen[list] = place
			continue
		}
		state, err := api.Patch(clone(document), operations[:i])
		if err != nil {
			return err
		}
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

func (s *Service) showFlow(e documents.Entry) (object, error) {
	var f Flow
	if err := documents.Decode(e, &f); err != nil {
		return nil, err
	}
	shown := object{
		"name": f.Name, "flowSpec": f.FlowSpec, "state": f.State, "version": api.Quoted(e.Etag),
		"sourceConnectionIds": f.SourceConnectionIDs, "targetConnectionIds": f.TargetConnectionIDs,
		"transformations": f.Transformations,
	}
	if f.Description != "" {
		shown["description"] = f.Description
	}
	return withMeta(shown, f.Meta), nil
}

// inherited is what a flow has of its connections.
func inherited(v documents.Reader, sandbox string, flow object) object {
	describe := func(kind, field string, more object) []object {
		list := []object{}
		ids, _ := flow[field].([]string)
		for _, id := range ids {
			one := object{"id": id}
			var c struct {
				ConnectionSpec   Spec   `json:"connectionSpec"`
				BaseConnectionID string `json:"baseConnectionId"`
			}
			if e, ok := v.Get(documents.Key(kind, sandbox, id)); ok && documents.Decode(e, &c) == nil {
				one["connectionSpec"] = c.ConnectionSpec
				one["baseConnection"] = object{"id": c.BaseConnectionID, "connectionSpec": c.ConnectionSpec}
			}
			for key, value := range more {
				one[key] = value
			}
			list = append(list, one)
		}
		return list
	}
	return object{
		"sourceConnections": describe(documents.SourceConnections, "sourceConnectionIds", object{"typeInfo": object{"type": "ProfileFragments", "id": "ups"}}),
		"targetConnections": describe(documents.TargetConnections, "targetConnectionIds", nil),
	}
}

func sandboxOf(key string) string {
	parts := strings.SplitN(key, "/", 3)
	return parts[min(1, len(parts)-1)]
}

// segments are the activated ones of a flow.
func (f *Flow) segments() []SegmentSelector {
	var all []SegmentSelector
	for _, t := range f.Transformations {
		all = slices.Concat(all, t.Params.SegmentSelectors.Selectors)
	}
	return all
}
