package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
	"kinesis-destination/sink"
	"kinesis-destination/sink/deadletter"
	"kinesis-destination/transform"
)

// Check is one thing that validate --live looked at.
type Check struct {
	What string `json:"what"`
	// At is the endpoint that was asked.
	At   string `json:"at,omitempty"`
	OK   bool   `json:"ok"`
	Note string `json:"note,omitempty"`
	// Configuration: what failed is the configuration, not what it leads to.
	Configuration bool `json:"configuration,omitempty"`
	// Warning: the note is of what is allowed, and likely not meant.
	Warning bool `json:"warning,omitempty"`
}

// Evaluate weighs the destination's policies without looking at anything but
// the configuration and its files. The error is Problems where a mapped path
// cannot be exported under the schema file. The warnings are those of the schema.
func Evaluate(config *config.Config) (evaluations []transform.Evaluation, warnings []string, err error) {
	rules, err := transform.NewRules(config.Rules())
	if err != nil {
		return nil, nil, err
	}
	if config.Source.SchemaFile == "" {
		return []transform.Evaluation{rules.Evaluate(nil)}, nil, nil
	}
	schema, err := schemas.ReadFile(config.Source.SchemaFile)
	if err != nil {
		return nil, nil, err
	}
	problems := pathProblems(config, rules, schema)
	if err := rules.CheckParts(schema); err != nil {
		problems = append(problems, config.Problem("source.schemaFile", err.Error()+": no event can be exported"))
	}
	if len(problems) > 0 {
		return nil, nil, problems
	}
	return []transform.Evaluation{rules.Evaluate(schema)}, rules.SchemaWarnings(schema), nil
}

// pathProblems are the mapped paths that a schema has not, or that cannot be exported.
func pathProblems(c *config.Config, rules *transform.Rules, schema *schemas.Schema) config.Problems {
	var problems config.Problems
	for _, p := range rules.CheckPaths(schema) {
		problems = append(problems, c.Problem(p.Key, p.Message))
	}
	return problems
}

// Live checks brokers, topics, registry, stream and credentials, and weighs the
// policies over the labels of the newest schemas. Nothing is written anywhere.
func Live(ctx context.Context, config *config.Config) ([]Check, []transform.Evaluation, error) {
	inForce, err := transform.NewRules(config.Rules())
	if err != nil {
		return nil, nil, err
	}
	decoder, err := schemas.NewDecoder(config.Source.Config, rules.RegistryClient(nil))
	if err != nil {
		return nil, nil, err
	}
	checks := checkKafka(ctx, config)
	schemaChecks, evaluations := checkSchemas(ctx, config, inForce, decoder)
	checks = append(checks, schemaChecks...)
	letters, err := config.DeadLetterTransport(nil)
	if err != nil {
		return nil, nil, err
	}
	defer letters.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, rules.CheckTimeout)
	defer cancel()
	options := sink.Options{
		Destination: config.Name, DeadLetter: config.DeadLetter, Brokers: config.Source.Kafka.Brokers,
		KafkaTransport: letters, SourceTopics: config.Source.Kafka.TopicNames(),
	}
	kinesis := config.Target.Kinesis.Config
	checks = append(checks,
		checked("stream "+kinesis.Stream+" (credentials, state, partition keys honoured)", cmp.Or(kinesis.Endpoint, kinesis.Region), sink.CheckStream(ctx, kinesis, options)),
		checked("dead-letter topic "+config.DeadLetter.Topic, brokersOf(config), sink.CheckLetters(ctx, options)))
	return append(checks, checkLetterLimits(ctx, options)...), evaluations, nil
}

func checked(what, at string, err error) Check {
	if err != nil {
		return Check{What: what, At: at, Note: deadletter.Plain(err.Error())}
	}
	return Check{What: what, At: at, OK: true}
}

func brokersOf(c *config.Config) string { return strings.Join(c.Source.Kafka.Brokers, ", ") }

// registryOf is where the registry is, without what a URL may hold of credentials.
func registryOf(c *config.Config) string {
	var at []string
	for text := range strings.SplitSeq(c.Source.Registry.URL, ",") {
		if u, err := url.Parse(strings.TrimSpace(text)); err == nil {
			at = append(at, u.Redacted())
		}
	}
	return strings.Join(at, ", ")
}

// checkLetterLimits compares what the dead-letter topic takes with what the source
// topics do. Less is no failure: some clusters allow no more, and a letter that
// does not fit is cut.
func checkLetterLimits(ctx context.Context, options sink.Options) []Check {
	letters, source := deadletter.Limits(ctx, options.LetterOptions())
	if letters == 0 || source == 0 {
		return nil
	}
	check := Check{What: "max.message.bytes of topic " + options.DeadLetter.Topic, OK: true, Note: strconv.Itoa(letters)}
	if letters < source {
		check.Note = fmt.Sprintf("%d, and %d of the source topics: a larger letter is sent compressed, or without its value; raise it if the cluster allows that", letters, source)
	}
	return []Check{check}
}

func checkKafka(ctx context.Context, config *config.Config) []Check {
	c, err := consumer.New(config.Source.Kafka, consumer.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return []Check{{What: "Kafka connection", Note: deadletter.Plain(err.Error())}}
	}
	defer c.Close()
	limited, cancel := context.WithTimeout(ctx, rules.CheckTimeout)
	defer cancel()
	counts, err := c.Check(limited)
	if err != nil {
		if errors.Is(err, kafka.UnknownTopicOrPartition) {
			topics := checked("topics", "", err)
			topics.Note += "; make it, or let produce-sample make it, with made-up events"
			return []Check{checked("brokers", brokersOf(config), nil), checkRights(ctx, config), topics}
		}
		checks := []Check{checked("brokers and topics", brokersOf(config), err)}
		if errors.Is(err, kafka.TopicAuthorizationFailed) { // then other rights may lack, too
			checks = append(checks, checkRights(ctx, config))
		}
		return checks
	}
	checks := []Check{checked("brokers", brokersOf(config), nil), checkRights(ctx, config)}
	for _, topic := range slices.Sorted(maps.Keys(counts)) {
		checks = append(checks, Check{What: "topic " + topic, OK: true, Note: fmt.Sprintf("%d partitions", counts[topic])})
	}
	return checks
}

// checkRights looks at what the cluster lets the user do.
func checkRights(ctx context.Context, config *config.Config) Check {
	ctx, cancel := context.WithTimeout(ctx, rules.CheckTimeout)
	defer cancel()
	check := Check{What: "rights to read the topics in the group, and to write dead letters"}
	missing, err := consumer.MissingRights(ctx, config.Source.Kafka, nil, config.DeadLetter.Topic)
	switch {
	case err != nil:
		check.Note = deadletter.Plain(err.Error())
	case len(missing) > 0:
		check.Note = "the user lacks " + strings.Join(missing, "; ")
	default:
		check.OK = true
	}
	return check
}

// checkRegistry tells how the look at the schemas ended. Where it is not known what to
// look for, the registry is asked for something all the same.
func checkRegistry(ctx context.Context, config *config.Config, registry *schemas.Registry, err error) []Check {
	const what = "schema registry"
	if !errors.Is(err, rules.ErrTopicsUnknown) {
		return []Check{checked(what, registryOf(config), err)}
	}
	ctx, cancel := context.WithTimeout(ctx, rules.CheckTimeout)
	defer cancel()
	return []Check{
		checked(what, registryOf(config), rules.AskRegistry(ctx, registry, config.Name)),
		{What: "newest schemas of the topics", OK: true, Note: "not looked at: " + deadletter.Plain(err.Error()), Warning: true},
	}
}

// checkSchemas looks at what the topics' events are written with: that the
// parts of an event and the mapped paths are there, and that no policy forbids them.
func checkSchemas(ctx context.Context, config *config.Config, inForce *transform.Rules, decoder *schemas.Decoder) ([]Check, []transform.Evaluation) {
	look, cancel := context.WithTimeout(ctx, rules.CheckTimeout)
	defer cancel()
	found, err := rules.LabelSchemas(look, config, decoder, nil)
	if registry := decoder.Registry(); err == nil && registry != nil && config.Source.SchemaFile != "" {
		var newest []*schemas.Schema
		newest, err = rules.NewestSchemas(look, config, registry, nil)
		found = append(found, newest...)
	}
	var checks []Check
	switch {
	case config.Source.Registry != nil:
		checks = append(checks, checkRegistry(ctx, config, decoder.Registry(), err)...)
	case err != nil:
		checks = append(checks, checked("schema file", "", err))
	}
	var evaluations []transform.Evaluation
	for _, schema := range found {
		parts := Check{What: "parts of an event in " + schema.Origin, OK: true}
		if err := inForce.CheckParts(schema); err != nil {
			parts.OK, parts.Note = false, err.Error()+": every event of it would be a dead letter"
		}
		checks = append(checks, parts)
		check := Check{What: "mapped paths in " + schema.Origin, OK: true}
		if problems := pathProblems(config, inForce, schema); len(problems) > 0 {
			check.OK, check.Note, check.Configuration = false, problems.Error(), true
		}
		checks = append(checks, check)
		if err := inForce.CheckConsents(schema); err != nil {
			checks = append(checks, Check{What: "consents in " + schema.Origin, Note: err.Error() + ": no event of it can be exported but as an exit"})
		}
		for _, warning := range inForce.SchemaWarnings(schema) {
			checks = append(checks, Check{What: "what is exported by " + schema.Origin, OK: true, Note: warning, Warning: true})
		}
		evaluations = append(evaluations, inForce.Evaluate(schema))
	}
	if len(found) == 0 {
		evaluations = append(evaluations, inForce.Evaluate(nil))
	}
	return checks, evaluations
}
