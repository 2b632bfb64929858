package flowservice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/sources"
	"kinesis-destination/transform"
)

// fieldOf is the field of the API that a configuration's key came from, in the
// document of a kind; ok is false where it came from elsewhere.
func fieldOf(path, kind string, m mapping) (field string, ok bool) {
	key, indexed := path, 0
	if at := strings.IndexByte(path, '['); at >= 0 {
		if end := strings.IndexByte(path, ']'); end > at {
			indexed, _ = strconv.Atoi(path[at+1 : end]) // the code that reports it made it
			key = path[:at] + path[end+1:]
		}
	}
	const selectors = "transformations[0].params."
	rest, isSegment := strings.CutPrefix(key, "activation.segments")
	switch {
	case path == "activation.backfill.newSegments" && m.segments > 0: // there are too many for it
		return selectors + "segmentSelectors.selectors", kind == documents.Flows
	case isSegment && path == "activation.segments":
		return selectors + "segmentSelectors.selectors", kind == documents.Flows
	case isSegment:
		return fmt.Sprintf("%ssegmentSelectors.selectors[%d].value%s", selectors, indexed, rest), kind == documents.Flows
	case key == "activation.attributes" && indexed < len(m.attributes):
		return fmt.Sprintf("%sprofileSelectors.selectors[%d].value.path", selectors, m.attributes[indexed]), kind == documents.Flows
	}
	for _, block := range []struct{ prefix, field string }{
		{"target.kinesis.credentials.", "auth.params."},
		{"target.kinesis.", "params."},
		{"activation.", "params."},
		{"governance.", "params.governance."},
		{"deadLetter.", "params.deadLetter."},
	} {
		if rest, found := strings.CutPrefix(path, block.prefix); found {
			return block.field + rest, kind == documents.TargetConnections
		}
	}
	return path, false
}

// validateMapping tells what the packages that work by a configuration say of it, for the
// fields of one kind of document; what is wrong elsewhere was judged there.
func validateMapping(c *config.Config, m mapping, kind string, report func(field, message string)) {
	for _, problem := range c.Complete() {
		if field, ok := fieldOf(problem.Path, kind, m); ok {
			report(field, inAPIWords(problem.Message))
		}
	}
}

// validateTarget judges a target connection by itself.
func (s *Service) validateTarget(a *attempt, account *Connection, t *TargetConnection, report func(field, message string)) {
	from, err := s.o.Sources.Find(a.caller.Sandbox, "")
	if err != nil {
		from = &sources.Source{}
	}
	a.relyOn(documents.AllGovernance) // marketing actions have to be there
	policies, err := s.o.Policies(a.view, a.caller.Sandbox)
	if err != nil {
		report("params.marketingActions", err.Error())
		return
	}
	if problem := s.endpointProblem(t.Params.Endpoint); problem != "" {
		report("params.endpoint", problem)
	}
	if t.Params.Stream == "" {
		report("params.stream", "is required: the name or ARN of an existing stream")
	}
	c, m := s.configuration(parts{&Flow{Meta: Meta{ID: "flow"}}, &SourceConnection{}, t, account, from, policies}, report)
	validateMapping(&c, m, documents.TargetConnections, func(field, message string) {
		if field != "params.stream" || t.Params.Stream != "" {
			report(field, message)
		}
	})
}

// validateAuth judges an account by itself.
func (s *Service) validateAuth(auth Auth, externalID string, p authParams, report func(field, message string)) {
	cfg := s.sinkConfig(&Connection{Auth: &auth, ExternalID: externalID}, TargetParams{Stream: "stream"})
	if p.AccessKeyID != "" && p.SecretKey != "" {
		cfg.Credentials.AccessKeyID, cfg.Credentials.SecretAccessKey = config.Secret(p.AccessKeyID, ""), config.Secret(p.SecretKey, "")
	}
	if auth.SpecName == AuthRole && auth.RoleARN == "" {
		cfg.Credentials.ExternalID = "" // the role comes later
	}
	cfg.Validate(func(path, message string) {
		field := strings.TrimPrefix(strings.TrimPrefix(path, "target.kinesis."), "credentials.")
		field = map[string]string{"secretAccessKey": "secretKey", "endpoint": "connectionUrl"}[field]
		if field == "" {
			field = strings.TrimPrefix(strings.TrimPrefix(path, "target.kinesis."), "credentials.")
		}
		report("auth.params."+field, message)
	})
}

// schemaWait bounds the look at a registry: one that is away does not keep people from
// working; the data plane weighs each schema when its first event arrives.
const schemaWait = 3 * time.Second

// flowStands judges a flow as it would be: its fields, and the policies.
func (s *Service) flowStands(a *attempt, f *Flow) error {
	var problems []api.FieldError
	report := func(field, message string) {
		problems = append(problems, api.FieldError{Field: field, Message: message})
	}
	a.relyOn(documents.AllGovernance)
	p, ok := s.gather(a.lookup, a.view, a.caller.Sandbox, f, report)
	if !ok {
		return refusal(problems)
	}
	c, m := s.configuration(p, report)
	validateMapping(&c, m, documents.Flows, report)
	if err := s.alone(a, f, p, c); err != nil {
		return err
	}
	if len(problems) > 0 {
		return refusal(problems)
	}
	rules, err := transform.NewRules(c.Rules())
	if err != nil {
		if m.segments == 0 {
			return nil // nothing is exported
		}
		return fmt.Errorf("flow %s: %w", f.ID, err)
	}
	for _, warning := range rules.Warnings() {
		a.warn(inAPIWords(warning))
	}
	violations, unknown := s.violations(a.ctx, p.from, rules)
	if unknown != "" {
		a.warn(unknown)
	}
	return Violated(f, violations)
}

// Judge says whether the policies of a state allow a flow, enabled or not; the error is
// the refusal.
func (s *Service) Judge(ctx context.Context, v documents.Reader, sandbox, flowID string) error {
	e, ok := v.Get(documents.Key(documents.Flows, sandbox, flowID))
	if !ok {
		return notFound("flow", flowID)
	}
	var f Flow
	if err := documents.Decode(e, &f); err != nil {
		return err
	}
	var problems []api.FieldError
	p, ok := s.gather(v.Get, v, sandbox, &f, func(field, message string) {
		problems = append(problems, api.FieldError{Field: field, Message: message})
	})
	if !ok {
		return refusal(problems)
	}
	return s.allowed(ctx, &f, p)
}

// allowed says whether the policies that a flow is gathered with allow it.
func (s *Service) allowed(ctx context.Context, f *Flow, p parts) error {
	violations, err := s.judged(ctx, f, p)
	if err != nil {
		return err
	}
	return Violated(f, violations)
}

// judged are the violations of a flow; the error says why there are no rules to judge.
func (s *Service) judged(ctx context.Context, f *Flow, p parts) ([]transform.Violation, error) {
	c, _ := s.configuration(p, func(string, string) {})
	c.Default()
	rules, err := transform.NewRules(c.Rules())
	if err != nil {
		return nil, api.Refuse(api.CodeInvalid, "flow %s (%s): %s", f.ID, f.Name, inAPIWords(err.Error()))
	}
	violations, _ := s.violations(ctx, p.from, rules)
	return violations, nil
}

// alone refuses a group or a topic of dead letters that another flow has: each would
// get a part of the events, or erase letters of the other. Those made of ids are
// nobody else's.
func (s *Service) alone(a *attempt, f *Flow, p parts, c config.Config) error {
	if own(p) {
		return nil
	}
	a.relyOn(documents.AllFlows...)
	for _, sandbox := range s.o.Sources.Sandboxes() {
		if err := s.aloneIn(a, sandbox, f, c); err != nil {
			return err
		}
	}
	return nil
}

// aloneIn is alone among the flows of one sandbox: they share Kafka with those of others.
func (s *Service) aloneIn(a *attempt, sandbox string, f *Flow, c config.Config) error {
	for _, e := range a.view.List(documents.Prefix(documents.Flows, sandbox)) {
		var other Flow
		if documents.Decode(e, &other) != nil || other.ID == f.ID {
			continue
		}
		q, ok := s.gather(a.view.Get, a.view, sandbox, &other, func(string, string) {})
		if !ok {
			continue
		}
		if own(q) && c.Source.Kafka.Group != other.ID && !strings.Contains(c.DeadLetter.Topic, other.ID) {
			continue
		}
		beside, _ := s.configuration(q, func(string, string) {})
		beside.Default()
		if err := config.Together([]config.Config{beside, c}); err != nil {
			return besideRefused(err, &other, sandbox != a.caller.Sandbox)
		}
	}
	return nil
}

// besideRefused is why a flow cannot be beside another one, field by field. Of one that is
// elsewhere, in another sandbox, nothing is told but that.
func besideRefused(err error, other *Flow, elsewhere bool) error {
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		return err
	}
	var fields []api.FieldError
	which := fmt.Sprintf("flow %s, %s", other.ID, other.Name)
	if elsewhere {
		which = "one of another sandbox"
	}
	for _, p := range problems {
		message := fmt.Sprintf("%s (the other one is %s)", p.Message, which)
		if elsewhere { // whose ids are not shown here
			message = strings.ReplaceAll(message, other.ID, "there")
		}
		fields = append(fields, api.FieldError{Field: p.Path, Message: message})
	}
	return api.Invalid(fields)
}

// own says whether a flow's group and topic of dead letters are made of its id.
func own(p parts) bool {
	return p.source.Params.Group == "" && (p.target.Params.DeadLetter == nil || p.target.Params.DeadLetter.Topic == "")
}

// flowsOf are the flows that go by a source or target connection.
func (a *attempt) flowsOf(id string) []Flow {
	var list []Flow
	if id == "" {
		return nil
	}
	for _, e := range a.view.List(documents.Prefix(documents.Flows, a.caller.Sandbox)) {
		var f Flow
		if documents.Decode(e, &f) == nil && (slices.Contains(f.SourceConnectionIDs, id) || slices.Contains(f.TargetConnectionIDs, id)) {
			list = append(list, f)
		}
	}
	return list
}

// flowsStand judges the flows that go by a document as it would be.
func (s *Service) flowsStand(a *attempt, before *documents.Entry, doc any) error {
	if before == nil {
		return nil
	}
	a.relyOn(documents.AllFlows...)
	text := encoded(doc)
	a.overlay = map[string]documents.Entry{a.key: {Key: a.key, Etag: before.Etag, Doc: []byte(text)}}
	for _, f := range a.flowsOf(a.id) {
		if err := s.flowStands(a, &f); err != nil {
			return err
		}
	}
	return nil
}

// UsesAction lists the target connections of a sandbox that name a marketing action.
func UsesAction(v documents.Reader, sandbox, action string) []string {
	var ids []string
	for _, e := range v.List(documents.Prefix(documents.TargetConnections, sandbox)) {
		var t TargetConnection
		if documents.Decode(e, &t) == nil && slices.Contains(t.Params.MarketingActions, action) {
			ids = append(ids, t.ID)
		}
	}
	return ids
}
