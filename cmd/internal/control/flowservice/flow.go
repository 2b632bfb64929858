package flowservice

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

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
		build:    s.buildFlow, show: s.showFlow, before: removesWhatIsMeant, activates: selects,
	}
}

// selects says whether a request for a flow has segments or attributes: to make a flow is
// one permission, to say what leaves by it another.
func selects(body any) bool {
	var request flowRequest
	_ = api.Into(body, &request, "") // what is wrong is said where the flow is built
	return slices.ContainsFunc(request.Transformations, func(t Transformation) bool {
		return len(t.Params.SegmentSelectors.Selectors)+len(t.Params.ProfileSelectors.Selectors) > 0
	})
}

// mayActivate refuses who may not say what leaves.
func (s *Service) mayActivate(r *http.Request) error {
	_, err := s.o.Identify(r, api.Activate)
	return err
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
func (s *Service) inherited(v documents.Reader, sandbox string, flow object) (object, error) {
	describe := func(k kind, ids any, more object) ([]any, error) {
		list := []any{}
		names, _ := ids.([]any)
		for _, name := range names {
			id, _ := name.(string)
			one := object{"id": id}
			if e, ok := v.Get(documents.Key(k.name, sandbox, id)); ok {
				shown, err := s.shown(k, nil, e)
				if err != nil {
					return nil, err
				}
				one["connectionSpec"] = shown["connectionSpec"]
				one["baseConnection"] = object{"id": shown["baseConnectionId"], "connectionSpec": shown["connectionSpec"]}
			}
			maps.Copy(one, more)
			list = append(list, one)
		}
		return list, nil
	}
	from, err := describe(s.sourceKind(), flow["sourceConnectionIds"], object{"typeInfo": object{"type": "ProfileFragments", "id": "ups"}})
	if err != nil {
		return nil, err
	}
	to, err := describe(s.targetKind(), flow["targetConnectionIds"], nil)
	return object{"sourceConnections": from, "targetConnections": to}, err
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
