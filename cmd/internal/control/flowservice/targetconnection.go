package flowservice

import (
	"fmt"
	"slices"
	"time"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
)

// TargetConnection is where a flow writes, and how.
type TargetConnection struct {
	Meta
	Name             string       `json:"name"`
	Description      string       `json:"description,omitempty"`
	ConnectionSpec   Spec         `json:"connectionSpec"`
	BaseConnectionID string       `json:"baseConnectionId"`
	Data             Data         `json:"data"`
	Params           TargetParams `json:"params"`
	Validated        bool         `json:"validated"`
}

// TargetParams has the keys of a destination's file that are the user's, by their
// names there.
type TargetParams struct {
	Stream                   string      `json:"stream"`
	Region                   string      `json:"region,omitempty"` // empty: the account's
	Endpoint                 string      `json:"endpoint,omitempty"`
	PartitionKey             string      `json:"partitionKey,omitempty"`
	Aggregation              string      `json:"aggregation,omitempty"`
	Protocol                 string      `json:"protocol,omitempty"`
	Metadata                 bool        `json:"metadata,omitempty"`
	Retry                    *Retry      `json:"retry,omitempty"`
	MarketingActions         []string    `json:"marketingActions,omitempty"`
	UnmappedSegments         string      `json:"unmappedSegments,omitempty"`
	IncludeSegmentNames      bool        `json:"includeSegmentNames,omitempty"`
	IncludeSegmentTimestamps bool        `json:"includeSegmentTimestamps,omitempty"`
	AllowCollections         bool        `json:"allowCollections,omitempty"`
	Backfill                 *Backfill   `json:"backfill,omitempty"`
	DeadLetter               *DeadLetter `json:"deadLetter,omitempty"`
	Governance               *Governance `json:"governance,omitempty"`
}

// Retry is the block of that name; durations like 100ms or 30s.
type Retry struct {
	InitialInterval string `json:"initialInterval,omitempty"`
	MaxInterval     string `json:"maxInterval,omitempty"`
	MaxElapsedTime  string `json:"maxElapsedTime,omitempty"`
}

// Backfill is the block of that name. Left out, members who qualified earlier are
// exported, as the platform does.
type Backfill struct {
	NewSegments bool   `json:"newSegments"`
	Since       string `json:"since,omitempty"`
}

// DeadLetter is the block of that name.
type DeadLetter struct {
	Topic       string `json:"topic,omitempty"`
	Park        bool   `json:"park,omitempty"`
	OnExhausted string `json:"onExhausted,omitempty"`
}

// Governance is what of the block of that name is the flow's own. Policies and which
// are enabled are the policy service's.
type Governance struct {
	FieldLabels map[string][]string `json:"fieldLabels,omitempty"`
	OnViolation string              `json:"onViolation,omitempty"`
	Consent     *Consent            `json:"consent,omitempty"`
}

// Consent is the block of that name.
type Consent struct {
	Mode    string              `json:"mode,omitempty"`
	Require map[string][]string `json:"require,omitempty"`
}

func (s *Service) targetKind() kind {
	return kind{
		name: documents.TargetConnections, permission: api.Manage,
		editable: []string{"name", "description", "params"},
		build:    s.buildTarget, show: s.showTarget, inUse: usedByFlow,
	}
}

func (s *Service) buildTarget(a *attempt, body any, before *documents.Entry) (any, error) {
	var request flowEndRequest[TargetParams]
	problems := api.Into(body, &request, "")
	report := func(field, message string) {
		problems = append(problems, api.FieldError{Field: field, Message: message})
	}
	if err := checkSpec(request.ConnectionSpec, "connectionSpec", KinesisSpec); err != nil && len(problems) == 0 {
		return nil, err
	}
	names(request.Name, request.Description, report)
	checkData(request.Data, report)
	base := a.base(request.BaseConnectionID, KinesisSpec, report)
	c := &TargetConnection{}
	if before != nil {
		if err := documents.Decode(*before, c); err != nil {
			return nil, err
		}
	}
	old := c.Params
	c.Name, c.Description, c.Params, c.Data = request.Name, request.Description, request.Params, Data{"json"}
	c.BaseConnectionID = request.BaseConnectionID
	if request.ConnectionSpec != nil {
		c.ConnectionSpec = *request.ConnectionSpec
	}
	if base != nil {
		s.validateTarget(a, base, c, report)
	}
	if err := refusal(problems); err != nil {
		return nil, err
	}
	if before == nil || old.Region != c.Params.Region {
		a.warnRegion("params.region", c.Params.Region)
	}
	if before == nil || old.Stream != c.Params.Stream || old.Region != c.Params.Region || old.Endpoint != c.Params.Endpoint {
		if err := s.validateStream(a, base, c); err != nil {
			return nil, err
		}
	}
	return c, s.flowsStand(a, before, c)
}

// targetsStand refuses a change of an account by which a target connection would become
// one that no flow can run by. What was wrong with it before is no fault of the change.
func (s *Service) targetsStand(a *attempt, before documents.Entry, account *Connection) error {
	var was Connection
	if err := documents.Decode(before, &was); err != nil {
		return err
	}
	a.relyOn(documents.AllFlows...)
	var problems []api.FieldError
	for _, e := range a.view.List(documents.Prefix(documents.TargetConnections, a.caller.Sandbox)) {
		var t TargetConnection
		if documents.Decode(e, &t) != nil || t.BaseConnectionID != a.id {
			continue
		}
		var known []api.FieldError
		s.validateTarget(a, &was, &t, func(field, message string) { known = append(known, api.FieldError{Field: field, Message: message}) })
		s.validateTarget(a, account, &t, func(field, message string) {
			if !slices.Contains(known, api.FieldError{Field: field, Message: message}) {
				problems = append(problems, api.FieldError{
					Field:   "targetConnections/" + t.ID + "." + field,
					Message: fmt.Sprintf("%s (%s goes by this account: change it first, or connect another account)", message, t.Name),
				})
			}
		})
	}
	return refusal(problems)
}

func (s *Service) showTarget(e documents.Entry) (object, error) {
	var c TargetConnection
	if err := documents.Decode(e, &c); err != nil {
		return nil, err
	}
	shown := object{
		"name": c.Name, "connectionSpec": c.ConnectionSpec, "baseConnectionId": c.BaseConnectionID,
		"data": c.Data, "params": c.Params, "state": stateEnabled, "validated": c.Validated,
	}
	if c.Description != "" {
		shown["description"] = c.Description
	}
	return withMeta(shown, c.Meta), nil
}

// duration reads one of the params; an empty one is the default.
func duration(text, field string, report func(field, message string)) time.Duration {
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		report(field, "must be a duration such as 100ms, 30s or 720h")
	}
	return d
}
