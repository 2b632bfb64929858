package flowservice

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"kinesis-destination/schemas/credentials"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/sources"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
	"kinesis-destination/sink"
)

// importFlow makes the source connection, the target connection and the flow of a
// destination's file, all or nothing. Its credentials are not taken: the account is
// one that there is.
func (s *Service) importFlow(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	validate, err := validateParameter(r)
	if err != nil {
		return err
	}
	base, sourceBase := r.URL.Query().Get("baseConnectionId"), r.URL.Query().Get("sourceBaseConnectionId")
	text, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, api.MaxBody))
	if err != nil {
		return api.Refuse(api.CodeTooLarge, "the request's body is larger than %d bytes, or could not be read", api.MaxBody)
	}
	if given := r.Header.Get("Content-Type"); !strings.Contains(given, "yaml") && r.Header.Get("Authorization") == "" {
		return api.Refuse(api.CodeInvalid, "A valid content-type must be specified: send Content-Type: %s", mediaYAML)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return api.Refuse(api.CodeNoBody, "The request body cannot be null or empty. Please provide a destination's file and try again.")
	}
	file, mistakes := config.ReadLiteral(text)
	if len(mistakes) > 0 {
		return fileMistakes(mistakes)
	}
	if len(file.Activation.Segments)+len(file.Activation.Attributes) > 0 {
		if err := s.mayActivate(r); err != nil {
			return err
		}
	}
	sourceID, targetID, flowID := s.o.NewID(), s.o.NewID(), s.o.NewID()
	etag, a, err := s.change(r.Context(), c, "POST /flows/import", func(a *attempt) ([]documents.Write, error) {
		a.validate, a.asIs = validate, true
		requests, err := s.requestsOf(a, &file, base, sourceBase)
		if err != nil {
			return nil, err
		}
		var writes []documents.Write
		overlay := map[string]documents.Entry{}
		for i, one := range []struct {
			id string
			k  kind
		}{{sourceID, s.sourceKind()}, {targetID, s.targetKind()}, {flowID, s.flowKind()}} {
			a.id, a.key, a.overlay = one.id, documents.Key(one.k.name, c.Sandbox, one.id), overlay
			if request, ok := requests[i].(object); ok && one.k.name == documents.Flows {
				request["sourceConnectionIds"], request["targetConnectionIds"] = []any{sourceID}, []any{targetID}
			}
			doc, err := one.k.build(a, requests[i], nil)
			if err != nil {
				return nil, err
			}
			write, err := s.write(a, doc, nil)
			if err != nil {
				return nil, err
			}
			overlay[a.key] = documents.Entry{Key: a.key, Doc: write[0].Doc}
			writes = append(writes, write...)
		}
		return writes, s.warnUntaken(a, &file, flowID)
	})
	if err != nil {
		return err
	}
	w.Header().Set("Location", Base+"/flows/"+flowID)
	return s.answerChange(w, http.StatusCreated, flowID, etag, a)
}

// warnUntaken names the keys of a file that the flow made of it does not go by. Of the
// source, the operator's, nothing is compared but what was to find it: an answer would
// tell a caller who guesses of its passwords.
func (s *Service) warnUntaken(a *attempt, file *config.Config, flowID string) error {
	var f Flow
	if e, _ := a.lookup(documents.Key(documents.Flows, a.caller.Sandbox, flowID)); documents.Decode(e, &f) != nil {
		return nil
	}
	ignore := func(string, string) {} // it was judged as it was built
	p, ok := s.gather(a.lookup, a.view, a.caller.Sandbox, &f, ignore)
	if !ok {
		return nil
	}
	made, _ := s.configuration(p, ignore)
	made.Name, made.Source = file.Name, file.Source
	var found consumer.Config
	found.SASL.Mechanism = file.Source.Kafka.SASL.Mechanism
	k := &made.Source.Kafka
	k.GroupInstanceID, k.TLS, k.SASL = "", found.TLS, found.SASL
	made.Source.SchemaFile = ""
	if r := file.Source.Registry; r != nil {
		made.Source.Registry = &schemas.RegistryConfig{URL: r.URL}
	}
	whole := *file
	whole.Default()
	made.Default()
	for _, key := range config.Untaken(&whole, &made) {
		block, _, _ := strings.Cut(key, ".")
		switch {
		case slices.Contains(saidElsewhere, key): // what became of it was said
		case block == "source":
			a.warn(key + ": is not taken from a file: how a source is read is the operator's affair, in serve --source FILE")
		case strings.HasPrefix(key, "target.kinesis.credentials."):
			a.warn(key + ": is not taken from a file: the account is that of ?baseConnectionId=")
		case block == "server":
			a.warn(key + ": is not taken from a file: processes of the control plane have addresses of their own, serve --admin and run --admin")
		default:
			a.warn(key + ": is not taken from a file")
		}
	}
	return nil
}

// saidElsewhere are keys that are added to what the source and the sandbox have already, or
// whose loss is said elsewhere.
var saidElsewhere = []string{"activation.segments", "activation.attributes", "governance.fieldLabels", "governance.enabledPolicies", "governance.policiesFile"}

func fileMistakes(mistakes config.Problems) error {
	var problems []api.FieldError
	for _, m := range mistakes {
		said := m.Message
		if m.Line > 0 {
			said = fmt.Sprintf("line %d: %s", m.Line, said)
		}
		problems = append(problems, api.FieldError{Field: m.Path, Message: said})
	}
	return api.Invalid(problems)
}

// requestsOf are the bodies by which a destination's file would be made call by call.
func (s *Service) requestsOf(a *attempt, c *config.Config, base, sourceBase string) ([]any, error) {
	from, problems := s.sourceOf(a.caller.Sandbox, c)
	report := func(field, message string) {
		problems = append(problems, api.FieldError{Field: field, Message: message})
	}
	if k := c.Target.Kinesis.Credentials; literal(k.AccessKeyID) || literal(k.SecretAccessKey) {
		report("target.kinesis.credentials", "are not taken from a file: make a connection, and name it in ?baseConnectionId=")
	}
	if base == "" {
		report("baseConnectionId", "is required in the query: the account that the stream is reached by")
	}
	if sourceBase == "" {
		if sourceBase = s.profileConnection(a); sourceBase == "" {
			report("sourceBaseConnectionId", "is required in the query: there is no connection to Profile Service yet, POST /connections makes one")
		}
	}
	policies, err := s.o.Policies(a.view, a.caller.Sandbox)
	if err != nil {
		return nil, err
	}
	a.relyOn(documents.AllGovernance)
	for i, name := range c.Governance.EnabledPolicies {
		if !slices.Contains(policies.Enabled, name) {
			report(fmt.Sprintf("governance.enabledPolicies[%d]", i), "is not enabled here: PUT /enabledCorePolicies of the policy service enables it, for all flows")
		}
	}
	if c.Governance.PoliciesFile != "" {
		a.warn("governance.policiesFile: custom policies are those of the policy service")
	}
	if len(problems) > 0 {
		return nil, api.Invalid(problems)
	}
	params := sourceParams(c, from, a.caller.Sandbox, s.o.Sources)
	name := c.Name
	source := flowEndRequest[SourceParams]{Name: name, ConnectionSpec: &Spec{ProfileSpec, specVersion}, BaseConnectionID: sourceBase, Data: &Data{"json"}, Params: params}
	target := flowEndRequest[TargetParams]{Name: name, ConnectionSpec: &Spec{KinesisSpec, specVersion}, BaseConnectionID: base, Data: &Data{"json"}, Params: targetParams(c, from)}
	flow := flowRequest{Name: name, Description: c.Description, FlowSpec: &Spec{FlowSpec, specVersion}, Transformations: []Transformation{transformation(c, from)}}
	var requests []any
	for _, request := range []any{source, target, flow} {
		generic, err := api.Generic(request)
		if err != nil {
			return nil, err
		}
		requests = append(requests, generic)
	}
	return requests, nil
}

// literal says whether a secret's value stands in the file, and not where it is.
func literal(secret credentials.Secret) bool {
	if secret == nil {
		return false
	}
	value, err := secret()
	return err == nil && !strings.HasPrefix(value, "${") && !strings.HasPrefix(value, "file://")
}

// profileConnection is the first connection to the source that there is.
func (s *Service) profileConnection(a *attempt) string {
	for _, e := range a.view.List(documents.Prefix(documents.Connections, a.caller.Sandbox)) {
		var c Connection
		if documents.Decode(e, &c) == nil && c.ConnectionSpec.ID == ProfileSpec {
			return c.ID
		}
	}
	return ""
}

// sourceOf is the operator's source that a file reads. No address of the file is used.
func (s *Service) sourceOf(sandbox string, c *config.Config) (*sources.Source, []api.FieldError) {
	for _, from := range s.o.Sources {
		if from.Sandbox == sandbox && sameSource(from, c) {
			return from, nil
		}
	}
	return nil, []api.FieldError{{Field: "source", Message: "no source of serve --source FILE has these brokers, topics, registry and keys of source.kafka"}}
}

func sameSource(from *sources.Source, c *config.Config) bool {
	a, b := from.Kafka, c.Source.Kafka
	for _, k := range []*consumer.Config{&a, &b} {
		k.Defaults()
		k.Group, k.GroupInstanceID, k.DeadLetterTopic = "", "", ""
		k.TLS, k.SASL.Username, k.SASL.Password, k.SASL.TokenFile = a.TLS, nil, nil, ""
	}
	if !reflect.DeepEqual(a, b) {
		return false
	}
	x, y := from.Registry, c.Source.Registry
	return (x == nil) == (y == nil) && (x == nil || x.URL == y.URL)
}

func sourceParams(c *config.Config, from *sources.Source, sandbox string, list sources.List) SourceParams {
	var p SourceParams
	if first, err := list.Find(sandbox, ""); err == nil && first != from {
		p.Source = from.Name
	}
	p.Group = c.Source.Kafka.Group
	if p.Group == "" {
		p.Group = c.Name
	}
	return p
}

func targetParams(c *config.Config, from *sources.Source) TargetParams {
	k, a, g := &c.Target.Kinesis, &c.Activation, &c.Governance
	p := TargetParams{
		Stream: k.Stream, Region: k.Region, Endpoint: k.Endpoint, PartitionKey: k.PartitionKey, Aggregation: k.Aggregation, Protocol: k.Protocol, Metadata: k.Metadata,
		MarketingActions: a.MarketingActions, UnmappedSegments: a.UnmappedSegments, AllowCollections: a.AllowCollections,
		IncludeSegmentNames: a.IncludeSegmentNames, IncludeSegmentTimestamps: a.IncludeSegmentTimestamps,
		Backfill: &Backfill{NewSegments: a.Backfill.NewSegments, Since: span(a.Backfill.Since)},
	}
	if k.Retry != (sink.Retry{}) {
		p.Retry = &Retry{span(k.Retry.InitialInterval), span(k.Retry.MaxInterval), span(k.Retry.MaxElapsedTime)}
	}
	letters := DeadLetter{c.DeadLetter.Topic, c.DeadLetter.Park, c.DeadLetter.OnExhausted}
	if letters.Topic == "" { // the file's default goes by the file's name
		letters.Topic = defaultLetterTopic(c)
	}
	p.DeadLetter = &letters
	own := Governance{OnViolation: g.OnViolation, FieldLabels: labels(g.FieldLabels)}
	for path, known := range from.FieldLabels {
		if slices.Equal(own.FieldLabels[path], known) {
			delete(own.FieldLabels, path)
		}
	}
	if g.Consent.Mode != "" || len(g.Consent.Require) > 0 {
		own.Consent = &Consent{g.Consent.Mode, g.Consent.Require}
	}
	if own.OnViolation != "" || len(own.FieldLabels) > 0 || own.Consent != nil {
		p.Governance = &own
	}
	return p
}

func defaultLetterTopic(c *config.Config) string {
	d := *c
	d.Default()
	return d.DeadLetter.Topic
}

func span(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func transformation(c *config.Config, from *sources.Source) Transformation {
	t := Transformation{Name: generalTransform, Params: TransformParams{
		ProfileSelectors{Selectors: []ProfileSelector{}}, SegmentSelectors{[]SegmentSelector{}},
	}}
	for _, path := range c.Activation.Attributes {
		t.Params.ProfileSelectors.Selectors = append(t.Params.ProfileSelectors.Selectors, ProfileSelector{jsonPath, ProfileValue{Path: path, Operator: exists}})
	}
	for _, one := range c.Activation.Segments {
		v := SegmentValue{
			ID: one.ID, Name: one.Name, Labels: one.Labels,
			CreatedAt: stampOf(one.CreatedAt), UpdatedAt: stampOf(one.UpdatedAt),
			MappingCreatedAt: stampOf(one.MappingCreatedAt), MappingUpdatedAt: stampOf(one.MappingUpdatedAt),
		}
		known := segment(SegmentValue{ID: one.ID}, from)
		if reflect.DeepEqual(known.Labels, v.Labels) {
			v.Labels = nil
		}
		t.Params.SegmentSelectors.Selectors = append(t.Params.SegmentSelectors.Selectors, SegmentSelector{platformSegment, v})
	}
	return t
}

func stampOf(when *time.Time) *Timestamp {
	if when == nil {
		return nil
	}
	text := Timestamp(when.Format(time.RFC3339Nano))
	return &text
}
