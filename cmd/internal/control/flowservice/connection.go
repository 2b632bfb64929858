package flowservice

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
)

// Meta is what every document has besides its content.
type Meta struct {
	ID            string `json:"id"`
	CreatedAt     int64  `json:"createdAt"` // milliseconds
	UpdatedAt     int64  `json:"updatedAt"`
	CreatedBy     string `json:"createdBy"`
	UpdatedBy     string `json:"updatedBy"`
	CreatedClient string `json:"createdClient,omitempty"`
	UpdatedClient string `json:"updatedClient,omitempty"`
	Organisation  string `json:"imsOrgId,omitempty"`
}

// Connection is an account with a provider: of the source, or of the destination.
type Connection struct {
	Meta
	Name           string `json:"name"`
	Description    string `json:"description,omitempty"`
	ConnectionSpec Spec   `json:"connectionSpec"`
	Auth           *Auth  `json:"auth,omitempty"`
	State          string `json:"state"`
	// Validated says whether the account was tested when it was made or changed.
	Validated  bool   `json:"validated"`
	ExternalID string `json:"externalId,omitempty"`

	key string // where it is kept, which its secrets are sealed to
}

// Auth is how the account is reached. Sealed holds what is never shown, by the name
// of its field.
type Auth struct {
	SpecName string                     `json:"specName"`
	Region   string                     `json:"region"`
	Endpoint string                     `json:"connectionUrl,omitempty"`
	RoleARN  string                     `json:"roleArn,omitempty"`
	Sealed   map[string]json.RawMessage `json:"sealed,omitempty"`
}

// The fields that are sealed, by their names among the params.
const (
	fieldAccessKey = "accessKeyId"
	fieldSecretKey = "secretKey"
)

// sealedAt is where a sealed field stands in the document, as a JSON Pointer: it is
// bound to that place.
func sealedAt(field string) string { return "/auth/sealed/" + field }

// The states of documents.
const (
	stateEnabled      = "enabled"
	stateDisabled     = "disabled"
	stateInitializing = "initializing" // a role is not known yet
)

// connectionRequest is what a caller says of a connection.
type connectionRequest struct {
	Name           string `json:"name"`
	Description    string `json:"description"`
	ConnectionSpec *Spec  `json:"connectionSpec"`
	Auth           *struct {
		SpecName string     `json:"specName"`
		Params   authParams `json:"params"`
	} `json:"auth"`
}

type authParams struct {
	AccessKeyID   string `json:"accessKeyId"`
	SecretKey     string `json:"secretKey"`
	Region        string `json:"region"`
	ConnectionURL string `json:"connectionUrl"`
	RoleARN       string `json:"roleArn"`
}

// The bounds of names and descriptions.
const (
	maxName        = 200
	maxDescription = 2000
)

// names judges what every document has.
func names(name, description string, report func(field, message string)) {
	switch n := utf8.RuneCountInString(name); {
	case n == 0:
		report("name", "is required")
	case n > maxName:
		report("name", fmt.Sprintf("must be at most %d characters", maxName))
	default:
		api.OneLine("name", name, report)
	}
	if utf8.RuneCountInString(description) > maxDescription {
		report("description", fmt.Sprintf("must be at most %d characters", maxDescription))
	}
}

// checkSpec judges the specification that a document names. A version that is missing
// is the one mistake that the platform documents as 422.
func checkSpec(given *Spec, field string, among ...string) error {
	switch {
	case given == nil:
		return api.Invalid([]api.FieldError{{Field: field, Message: "is required: {\"id\": …, \"version\": \"1.0\"}"}})
	case !slices.Contains(among, given.ID):
		return api.InvalidAs(api.CodeSpec, []api.FieldError{{Field: field + ".id", Message: "The spec ID provided is  invalid. Please provide a valid spec ID and try again."}})
	case given.Version == "":
		return api.InvalidAs(api.CodeUnprocessable, []api.FieldError{{Field: field + ".version", Message: "is required: 1.0"}})
	case given.Version != specVersion:
		return api.InvalidAs(api.CodeSpec, []api.FieldError{{Field: field + ".version", Message: "there is version 1.0 only"}})
	}
	return nil
}

// connectionKind is what is particular to connections.
func (s *Service) connectionKind() kind {
	return kind{
		name: documents.Connections, permission: api.Manage,
		editable: []string{"name", "description", "auth"},
		build:    s.buildConnection, show: s.showConnection, inUse: connectionInUse,
	}
}

func (s *Service) buildConnection(a *attempt, body any, before *documents.Entry) (any, error) {
	var request connectionRequest
	problems := api.Into(body, &request, "")
	report := func(field, message string) {
		problems = append(problems, api.FieldError{Field: field, Message: message})
	}
	if err := checkSpec(request.ConnectionSpec, "connectionSpec", KinesisSpec, ProfileSpec); err != nil && len(problems) == 0 {
		return nil, err
	}
	names(request.Name, request.Description, report)
	c := &Connection{State: stateEnabled}
	if before != nil {
		if err := documents.Decode(*before, c); err != nil {
			return nil, err
		}
	}
	c.Name, c.Description = request.Name, request.Description
	if request.ConnectionSpec != nil {
		c.ConnectionSpec = *request.ConnectionSpec
	}
	if c.ConnectionSpec.ID == ProfileSpec {
		if request.Auth != nil {
			report("auth", "must be left out: how a source is reached is the operator's affair, in serve --source FILE")
		}
		c.Validated = true
		return c, refusal(problems)
	}
	if request.Auth == nil {
		report("auth", fmt.Sprintf("is required: {\"specName\": %q, \"params\": {\"accessKeyId\": …, \"secretKey\": …, \"region\": …}}", AuthKeys))
		return nil, refusal(problems)
	}
	changed, err := s.setAuth(a, c, request.Auth.SpecName, request.Auth.Params, report)
	if err != nil {
		return nil, err
	}
	if err := refusal(problems); err != nil {
		return nil, err
	}
	if !changed {
		return c, nil
	}
	if before != nil {
		if err := s.targetsStand(a, *before, c); err != nil {
			return nil, err
		}
	}
	return c, s.validate(a, c)
}

// setAuth puts credentials into a connection; changed says that they are others now.
func (s *Service) setAuth(a *attempt, c *Connection, specName string, p authParams, report func(field, message string)) (changed bool, err error) {
	if !slices.Contains([]string{AuthKeys, AuthRole, AuthDefault}, specName) {
		return false, api.InvalidAs(api.CodeAuthSpec, []api.FieldError{{Field: "auth.specName", Message: fmt.Sprintf(
			"The auth spec could not be found for the connection spec ID %s; there are %q, %q and %q.", KinesisSpec, AuthKeys, AuthRole, AuthDefault)}})
	}
	before := Auth{}
	if c.Auth != nil {
		before = *c.Auth
	}
	next := Auth{SpecName: specName, Region: p.Region, Endpoint: p.ConnectionURL, RoleARN: p.RoleARN}
	if before.SpecName == specName {
		next.Sealed = before.Sealed
	}
	if problem := s.endpointProblem(p.ConnectionURL); problem != "" {
		report("auth.params.connectionUrl", problem)
	}
	misplaced := func(field, value string) {
		if value != "" {
			report("auth.params."+field, "does not belong to "+specName)
		}
	}
	switch specName {
	case AuthKeys:
		misplaced("roleArn", p.RoleARN)
		for _, secret := range []struct{ field, value string }{{fieldAccessKey, p.AccessKeyID}, {fieldSecretKey, p.SecretKey}} {
			if secret.value == "" && next.Sealed[secret.field] == nil {
				report("auth.params."+secret.field, "is required")
			}
		}
		if (p.AccessKeyID == "") != (p.SecretKey == "") && before.SpecName == specName {
			report("auth.params."+fieldSecretKey, "accessKeyId and secretKey go together: a new one of them is half a key pair")
		}
	case AuthRole:
		misplaced("accessKeyId", p.AccessKeyID)
		misplaced("secretKey", p.SecretKey)
		if c.ExternalID == "" {
			c.ExternalID = rand.Text()
		}
	case AuthDefault:
		misplaced("accessKeyId", p.AccessKeyID)
		misplaced("secretKey", p.SecretKey)
		misplaced("roleArn", p.RoleARN)
		if !s.o.AllowDefaultChain {
			report("auth.specName", "the AWS identity of the control plane itself may not be used: serve --default-credentials allows it")
		}
	}
	s.validateAuth(next, c.ExternalID, p, report)
	changed = next.SpecName != before.SpecName || next.Region != before.Region || next.Endpoint != before.Endpoint || next.RoleARN != before.RoleARN || p.SecretKey != ""
	if p.SecretKey != "" && p.AccessKeyID != "" {
		a.plain = &p
		if next.Sealed, err = s.sealKeys(a.key, p); err != nil {
			return false, err
		}
	}
	if next.Region != before.Region {
		a.warnRegion("auth.params.region", next.Region)
	}
	c.Auth = &next
	return changed, nil
}

func (s *Service) sealKeys(key string, p authParams) (map[string]json.RawMessage, error) {
	sealed := map[string]json.RawMessage{}
	for field, value := range map[string]string{fieldAccessKey: p.AccessKeyID, fieldSecretKey: p.SecretKey} {
		text, err := s.o.Sealer.Seal(key, sealedAt(field), []byte(value))
		if err != nil {
			return nil, fmt.Errorf("seal %s: %w", field, err)
		}
		sealed[field] = text
	}
	return sealed, nil
}

func (s *Service) showConnection(e documents.Entry) (object, error) {
	var c Connection
	if err := documents.Decode(e, &c); err != nil {
		return nil, err
	}
	shown := object{"name": c.Name, "connectionSpec": c.ConnectionSpec, "state": c.State, "validated": c.Validated}
	if c.Description != "" {
		shown["description"] = c.Description
	}
	if c.Auth != nil {
		params := object{"region": c.Auth.Region}
		for name, value := range map[string]string{"roleArn": c.Auth.RoleARN, "connectionUrl": c.Auth.Endpoint} {
			if value != "" {
				params[name] = value
			}
		}
		shown["auth"] = object{"specName": c.Auth.SpecName, "params": params}
		if c.Auth.SpecName == AuthRole {
			shown["externalId"] = c.ExternalID
			shown["trustPolicy"] = s.trustPolicy(c.ExternalID)
		}
	}
	return withMeta(shown, c.Meta), nil
}

// trustPolicy is what the role needs, to copy.
func (s *Service) trustPolicy(externalID string) object {
	principal := s.o.Identity
	if principal == "" {
		principal = "REPLACE by the ARN of the identity that kinesis-destination runs as"
	}
	return object{"Version": "2012-10-17", "Statement": []object{{
		"Effect": "Allow", "Principal": object{"AWS": principal}, "Action": "sts:AssumeRole",
		"Condition": object{"StringEquals": object{"sts:ExternalId": externalID}},
	}}}
}

func withMeta(shown object, m Meta) object {
	shown["id"], shown["createdAt"], shown["updatedAt"], shown["createdBy"], shown["updatedBy"] = m.ID, m.CreatedAt, m.UpdatedAt, m.CreatedBy, m.UpdatedBy
	for name, value := range map[string]string{"createdClient": m.CreatedClient, "updatedClient": m.UpdatedClient, "imsOrgId": m.Organisation} {
		if value != "" {
			shown[name] = value
		}
	}
	return shown
}

// connectionInUse refuses to delete an account that something goes by.
func connectionInUse(v documents.Reader, sandbox, id string) error {
	for _, kind := range []string{documents.SourceConnections, documents.TargetConnections} {
		for _, e := range v.List(documents.Prefix(kind, sandbox)) {
			var d struct {
				BaseConnectionID string `json:"baseConnectionId"`
			}
			if documents.Decode(e, &d) == nil && d.BaseConnectionID == id {
				return api.Refuse(api.CodeInUse, "The base connection with the ID %s cannot be deleted because the base connection is being used in one or more flows. Delete %s/%s, which goes by it, first.", id, kind, documents.ID(e.Key))
			}
		}
	}
	return nil
}

func refusal(problems []api.FieldError) error {
	if len(problems) == 0 {
		return nil
	}
	return api.Invalid(problems)
}
