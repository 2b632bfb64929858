package flowservice

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"kinesis-destination/schemas/credentials"
	"kinesis-destination/sink/deadletter"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/sources"
	"kinesis-destination/sink"
	"kinesis-destination/transform"
)

// parts are the documents that make a destination.
type parts struct {
	flow     *Flow
	source   *SourceConnection
	target   *TargetConnection
	account  *Connection
	from     *sources.Source
	policies documents.PolicySet
}

// mapping leads from the keys of a configuration to the fields that they came from.
type mapping struct {
	attributes []int // of activation.attributes, their places among the selectors
	segments   int
}

// configuration puts a destination together. Credentials are left out.
func (s *Service) configuration(p parts, report func(field, message string)) (config.Config, mapping) {
	var c config.Config
	t := p.target.Params
	c.Name, c.Description = p.flow.ID, p.flow.Description
	c.Source.Kafka, c.Source.Config = p.from.Kafka, p.from.Config
	c.Source.Kafka.Group = p.flow.ID
	if p.source.Params.Group != "" {
		c.Source.Kafka.Group = p.source.Params.Group
	}
	k := &c.Target.Kinesis
	k.Config = s.sinkConfig(p.account, t)
	k.Aggregation, k.Protocol, k.PartitionKey, k.Metadata = t.Aggregation, t.Protocol, t.PartitionKey, t.Metadata
	if r := t.Retry; r != nil {
		k.Retry = sink.Retry{
			InitialInterval: duration(r.InitialInterval, "params.retry.initialInterval", report),
			MaxInterval:     duration(r.MaxInterval, "params.retry.maxInterval", report),
			MaxElapsedTime:  duration(r.MaxElapsedTime, "params.retry.maxElapsedTime", report),
		}
	}
	if d := t.DeadLetter; d != nil {
		c.DeadLetter = deadletter.Config{Topic: d.Topic, Park: d.Park, OnExhausted: d.OnExhausted}
		if why := s.othersTopic(d.Topic, p.from); why != "" {
			report("params.deadLetter.topic", why)
		}
	}
	a := &c.Activation
	a.MarketingActions, a.UnmappedSegments, a.AllowCollections = t.MarketingActions, t.UnmappedSegments, t.AllowCollections
	a.IncludeSegmentNames, a.IncludeSegmentTimestamps = t.IncludeSegmentNames, t.IncludeSegmentTimestamps
	a.Backfill.NewSegments, a.MayBeEmpty = true, true
	if b := t.Backfill; b != nil {
		a.Backfill = transform.Backfill{NewSegments: b.NewSegments, Since: duration(b.Since, "params.backfill.since", report)}
	}
	custom := p.policies.Custom
	c.Governance = transform.Governance{Custom: &custom, EnabledPolicies: p.policies.Enabled, FieldLabels: labels(p.from.FieldLabels, nil)}
	if g := t.Governance; g != nil {
		c.Governance.FieldLabels = labels(p.from.FieldLabels, g.FieldLabels)
		c.Governance.OnViolation = g.OnViolation
		if g.Consent != nil {
			c.Governance.Consent = transform.Consent{Mode: g.Consent.Mode, Require: g.Consent.Require}
		}
	}
	var m mapping
	for _, transformation := range p.flow.Transformations {
		for i, selector := range transformation.Params.ProfileSelectors.Selectors {
			if !alwaysExported(selector.Value.Path) {
				a.Attributes = append(a.Attributes, selector.Value.Path)
				m.attributes = append(m.attributes, i)
			}
		}
	}
	for _, selector := range p.flow.segments() {
		a.Segments = append(a.Segments, segment(selector.Value, p.from))
	}
	m.segments = len(a.Segments)
	return c, m
}

// othersTopic says why a topic is none for dead letters, which are read, erased and, by
// others, taken for what they read there: of sources every sandbox's, as they share their
// clusters. The flow's own source is judged with the rest of its configuration.
func (s *Service) othersTopic(topic string, from *sources.Source) string {
	if topic == "" {
		return ""
	}
	if slices.Contains(s.o.OwnTopics, topic) {
		return "is a topic of the control plane itself: give one for dead letters alone"
	}
	for _, source := range s.o.Sources {
		if source.Kafka.Reads(topic) && !slices.Contains(from.Kafka.TopicNames(), topic) {
			return "is a topic that flows read: dead letters would be read as events"
		}
	}
	return ""
}

// segment is an activated segment; what was left out of it the source knows.
func segment(v SegmentValue, from *sources.Source) transform.Segment {
	known, _ := from.Segment(v.ID)
	out := transform.Segment{ID: v.ID, Name: v.Name, Labels: v.Labels}
	if out.Name == "" {
		out.Name = known.Name
	}
	for _, label := range known.Labels { // a caller adds labels and takes none away
		if !slices.Contains(out.Labels, label) {
			out.Labels = append(slices.Clone(out.Labels), label)
		}
	}
	out.CreatedAt, out.UpdatedAt = moment(v.CreatedAt, known.CreatedAt), moment(v.UpdatedAt, known.UpdatedAt)
	out.MappingCreatedAt = moment(v.MappingCreatedAt, seconds(v.CreateTime))
	out.MappingUpdatedAt = moment(v.MappingUpdatedAt, seconds(v.UpdateTime))
	return out
}

func moment(given *Timestamp, otherwise *time.Time) *time.Time {
	if given == nil {
		return otherwise
	}
	when, err := time.Parse(time.RFC3339, string(*given))
	if err != nil { // it was judged when it came
		return otherwise
	}
	return &when
}

func seconds(text string) *time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil
	}
	when := time.Unix(n, 0).UTC()
	return &when
}

func labels(lists ...map[string][]string) map[string][]string {
	all := map[string][]string{}
	for _, list := range lists {
		for path, labels := range list {
			for _, label := range labels {
				if !slices.Contains(all[path], label) {
					all[path] = append(slices.Clone(all[path]), label)
				}
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// sinkConfig is how the stream is reached, without the keys.
func (s *Service) sinkConfig(account *Connection, t TargetParams) sink.Config {
	out := sink.Config{Region: t.Region, Stream: t.Stream, Endpoint: t.Endpoint}
	if auth := account.Auth; auth != nil {
		if out.Region == "" {
			out.Region = auth.Region
		}
		if out.Endpoint == "" {
			out.Endpoint = auth.Endpoint
		}
		if auth.SpecName == AuthRole {
			out.Credentials.RoleARN, out.Credentials.ExternalID = auth.RoleARN, account.ExternalID
		}
	}
	if out.Endpoint == "" && len(s.o.Endpoints) > 0 {
		out.Endpoint = s.o.Endpoints[0]
	}
	return out
}

// awsHosts are those of AWS itself, by whose names nothing else can be reached.
var awsHosts = regexp.MustCompile(`^[a-z0-9.-]+\.(amazonaws\.com|amazonaws\.com\.cn|api\.aws)$`)

// endpointProblem keeps a caller from reaching by an address what this process can.
func (s *Service) endpointProblem(endpoint string) string {
	if endpoint == "" || slices.Contains(s.o.Endpoints, endpoint) {
		return ""
	}
	u, err := url.Parse(endpoint)
	if err == nil && u.Scheme == "https" && u.User == nil && (u.Port() == "" || u.Port() == "443") && awsHosts.MatchString(u.Hostname()) {
		return ""
	}
	return "must be an https address of AWS, or one that serve --kinesis-endpoint allows"
}

// gather looks up what a flow goes by.
func (s *Service) gather(get func(key string) (documents.Entry, bool), v documents.Reader, sandbox string, f *Flow, report func(field, message string)) (parts, bool) {
	p := parts{flow: f, source: &SourceConnection{}, target: &TargetConnection{}, account: &Connection{}}
	one := func(kind, field string, ids []string, to any) bool {
		if len(ids) != 1 {
			report(field, "must name one connection")
			return false
		}
		e, ok := get(documents.Key(kind, sandbox, ids[0]))
		if !ok || documents.Decode(e, to) != nil {
			report(field+"[0]", "there is no such connection in this sandbox")
			return false
		}
		return true
	}
	source := one(documents.SourceConnections, "sourceConnectionIds", f.SourceConnectionIDs, p.source)
	target := one(documents.TargetConnections, "targetConnectionIds", f.TargetConnectionIDs, p.target)
	if !source || !target || !one(documents.Connections, "targetConnectionIds[0].baseConnectionId", []string{p.target.BaseConnectionID}, p.account) {
		return p, false
	}
	p.account.key = documents.Key(documents.Connections, sandbox, p.target.BaseConnectionID)
	var err error
	if p.from, err = s.source(sandbox, p.source); err != nil {
		report("sourceConnectionIds[0]", err.Error())
		return p, false
	}
	if p.policies, err = s.o.Policies(v, sandbox); err != nil {
		report("", err.Error())
		return p, false
	}
	return p, true
}

// Config is what a flow of a state runs by, its credentials included. The error says
// why it cannot run.
func (s *Service) Config(v documents.Reader, sandbox, flowID string) (config.Config, error) {
	e, ok := v.Get(documents.Key(documents.Flows, sandbox, flowID))
	if !ok {
		return config.Config{}, notFound("flow", flowID)
	}
	var f Flow
	if err := documents.Decode(e, &f); err != nil {
		return config.Config{}, err
	}
	var problems []api.FieldError
	report := func(field, message string) {
		problems = append(problems, api.FieldError{Field: field, Message: message})
	}
	p, ok := s.gather(v.Get, v, sandbox, &f, report)
	if !ok {
		return config.Config{}, refusal(problems)
	}
	c, _ := s.configuration(p, report)
	if err := s.unseal(p.account, &c.Target.Kinesis.Credentials); err != nil {
		return c, err
	}
	for _, problem := range c.Complete() {
		report(problem.Path, problem.Message)
	}
	return c, refusal(problems)
}

// unseal puts an account's keys into a configuration. Whatever uses an account comes by
// here: one that goes by this process' own identity is refused where that is not, or no
// longer, allowed.
func (s *Service) unseal(account *Connection, into *sink.Credentials) error {
	if account.Auth != nil && account.Auth.SpecName == AuthDefault && !s.o.AllowDefaultChain {
		return api.Refuse(api.CodeInvalid, "connection %s uses the AWS identity of this process itself, which it may not: --default-credentials of serve and run --follow allows it. Or give it keys or a role with PATCH /auth", account.ID)
	}
	if account.Auth == nil || len(account.Auth.Sealed) == 0 {
		return nil
	}
	key := account.key
	for field, to := range map[string]*credentials.Secret{fieldAccessKey: &into.AccessKeyID, fieldSecretKey: &into.SecretAccessKey} {
		plain, err := s.o.Sealer.Open(key, sealedAt(field), account.Auth.Sealed[field])
		if err != nil {
			s.o.Log.Error("credentials cannot be opened", "connection", account.ID, "field", field, "error", err)
			return api.Refuse(api.CodeInvalid, "the credentials of connection %s cannot be opened: the key that they were sealed with is not among --seal-keys. Give it, or new credentials with PATCH /auth/params", account.ID)
		}
		*to = config.Secret(string(plain), "")
	}
	return nil
}
