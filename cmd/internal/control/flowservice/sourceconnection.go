package flowservice

import (
	"fmt"
	"slices"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/sources"
)

// SourceConnection is which events a flow reads.
type SourceConnection struct {
	Meta
	Name             string       `json:"name"`
	Description      string       `json:"description,omitempty"`
	ConnectionSpec   Spec         `json:"connectionSpec"`
	BaseConnectionID string       `json:"baseConnectionId"`
	Data             Data         `json:"data"`
	Params           SourceParams `json:"params"`
}

// Data is the format of what is read or written.
type Data struct {
	Format string `json:"format"`
}

// SourceParams names a source of the operator; empty: the first one.
type SourceParams struct {
	Source string `json:"source,omitempty"`
	// Group is the consumer group; empty: the id of the flow.
	Group string `json:"group,omitempty"`
}

// flowEndRequest is what makes or changes a source or target connection.
type flowEndRequest[Params any] struct {
	Name             string `json:"name"`
	Description      string `json:"description"`
	ConnectionSpec   *Spec  `json:"connectionSpec"`
	BaseConnectionID string `json:"baseConnectionId"`
	Data             *Data  `json:"data"`
	Params           Params `json:"params"`
}

func (s *Service) sourceKind() kind {
	return kind{
		name: documents.SourceConnections, permission: api.Manage,
		editable: []string{"name", "description", "params"},
		build:    s.buildSource, show: s.showSource, inUse: usedByFlow,
	}
}

func (s *Service) buildSource(a *attempt, body any, before *documents.Entry) (any, error) {
	var request flowEndRequest[SourceParams]
	problems := api.Into(body, &request, "")
	report := func(field, message string) {
		problems = append(problems, api.FieldError{Field: field, Message: message})
	}
	if err := checkSpec(request.ConnectionSpec, "connectionSpec", ProfileSpec); err != nil && len(problems) == 0 {
		return nil, err
	}
	names(request.Name, request.Description, report)
	checkData(request.Data, report)
	a.base(request.BaseConnectionID, ProfileSpec, report)
	if _, err := s.o.Sources.Find(a.caller.Sandbox, request.Params.Source); err != nil {
		report("params.source", err.Error())
	}
	if err := refusal(problems); err != nil {
		return nil, err
	}
	c := &SourceConnection{}
	if before != nil {
		if err := documents.Decode(*before, c); err != nil {
			return nil, err
		}
		if err := a.flowsKeep(request.Params.Group, c); err != nil {
			return nil, err
		}
	}
	c.Name, c.Description, c.ConnectionSpec = request.Name, request.Description, *request.ConnectionSpec
	c.BaseConnectionID, c.Params, c.Data = request.BaseConnectionID, request.Params, Data{"json"}
	return c, s.flowsStand(a, before, c)
}

// flowsKeep refuses to take the group, and with it the place, from flows that read.
func (a *attempt) flowsKeep(group string, c *SourceConnection) error {
	if group == c.Params.Group || len(a.flowsOf(c.ID)) == 0 {
		return nil
	}
	return api.Invalid([]api.FieldError{{Field: "params.group", Message: "cannot change while a flow reads by it: its place in the topic is kept there"}})
}

func checkData(data *Data, report func(field, message string)) {
	if data == nil || data.Format != "json" {
		report("data.format", "must be json")
	}
}

// base looks up the account that a document goes by.
func (a *attempt) base(id, spec string, report func(field, message string)) *Connection {
	const field = "baseConnectionId"
	if id == "" {
		report(field, "is required")
		return nil
	}
	entry, ok := a.lookup(documents.Key(documents.Connections, a.caller.Sandbox, id))
	var c Connection
	if !ok || documents.Decode(entry, &c) != nil {
		report(field, "there is no such connection in this sandbox")
		return nil
	}
	if c.ConnectionSpec.ID != spec {
		report(field, "is of another connection spec than this document")
		return nil
	}
	return &c
}

func (s *Service) showSource(e documents.Entry) (object, error) {
	var c SourceConnection
	if err := documents.Decode(e, &c); err != nil {
		return nil, err
	}
	shown := object{"name": c.Name, "connectionSpec": c.ConnectionSpec, "baseConnectionId": c.BaseConnectionID, "data": c.Data, "params": c.Params, "state": stateEnabled}
	if c.Description != "" {
		shown["description"] = c.Description
	}
	return withMeta(shown, c.Meta), nil
}

// usedByFlow refuses to delete what a flow goes by.
func usedByFlow(v documents.Reader, sandbox, id string) error {
	for _, e := range v.List(documents.Prefix(documents.Flows, sandbox)) {
		var f Flow
		if documents.Decode(e, &f) == nil && (slices.Contains(f.SourceConnectionIDs, id) || slices.Contains(f.TargetConnectionIDs, id)) {
			return api.Refuse("1447-400", "Found active flows containing id %s: delete flow %s first.", id, f.ID)
		}
	}
	return nil
}

// source is the operator's source that a source connection names.
func (s *Service) source(sandbox string, c *SourceConnection) (*sources.Source, error) {
	source, err := s.o.Sources.Find(sandbox, c.Params.Source)
	if err != nil {
		return nil, fmt.Errorf("source connection %s: params.source: %w", c.ID, err)
	}
	return source, nil
}
