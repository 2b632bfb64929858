package rules

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/schemas"
)

// ErrViolation is wrapped by what refuses to start because of a policy.
var ErrViolation = errors.New("the configuration violates a data governance policy")

// startLookup bounds the look at the registry before a start: a registry that is
// away holds the partitions later, it does not keep the process from starting.
const startLookup = 5 * time.Second

// CheckTimeout bounds each of the checks.
const CheckTimeout = 10 * time.Second

// ErrTopicsUnknown says that no schema was looked up, as it is not known now of which topics.
var ErrTopicsUnknown = errors.New("the topics that source.kafka.topicPattern matches could not be looked up")

// Dial opens a connection; nil: TCP.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// LabelSchemas are the schemas whose labels are weighed before a start: the
// schema file's, else the newest version of each topic's subject. dial is for the
// brokers, which know what topics a pattern matches.
func LabelSchemas(ctx context.Context, config *config.Config, decoder *schemas.Decoder, dial Dial) ([]*schemas.Schema, error) {
	if config.Source.SchemaFile != "" {
		s, err := schemas.ReadFile(config.Source.SchemaFile)
		if err != nil {
			return nil, err
		}
		return []*schemas.Schema{s}, nil
	}
	return NewestSchemas(ctx, config, decoder.Registry(), dial)
}

// NewestSchemas are what the registry has newest for each topic. The error names each
// topic's that is not among them.
func NewestSchemas(ctx context.Context, config *config.Config, registry *schemas.Registry, dial Dial) ([]*schemas.Schema, error) {
	topics, err := config.Source.Kafka.Resolve(ctx, dial)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTopicsUnknown, err)
	}
	var found []*schemas.Schema
	var missing []error
	for i, topic := range topics {
		s, err := registry.Latest(ctx, topic+"-value")
		if err == nil {
			found = append(found, s)
			continue
		}
		missing = append(missing, err)
		if left := topics[i+1:]; len(left) > 0 && (ctx.Err() != nil || schemas.IsAway(err)) {
			missing = append(missing, fmt.Errorf("not looked at: %s", strings.Join(left, ", ")))
			break
		}
	}
	return found, errors.Join(missing...)
}

// CheckBeforeStart refuses what rules 19 and 21 refuse before a start. Where schemas
// cannot be looked up now, each writer schema is weighed when its first event
// arrives.
func CheckBeforeStart(ctx context.Context, cfg *config.Config, inForce *Ruleset, decoder *schemas.Decoder, dial Dial, log *slog.Logger) error {
	rules := inForce.Rules
	ctx, cancel := context.WithTimeout(ctx, startLookup)
	defer cancel()
	found, err := LabelSchemas(ctx, cfg, decoder, dial)
	if err != nil {
		log.Warn("schemas could not be looked up before the start; each is weighed when its first event arrives", "error", err)
	}
	if len(found) == 0 {
		found = []*schemas.Schema{nil} // the labels of the configuration alone
	}
	var unmappable config.Problems
	for _, s := range found {
		if err := rules.Check(s); err != nil {
			return fmt.Errorf("%w\n%w", ErrViolation, err)
		}
		if s == nil {
			continue
		}
		if err := rules.CheckParts(s); err != nil {
			if cfg.Source.SchemaFile != "" {
				return config.Problems{cfg.Problem("source.schemaFile", err.Error()+": no event can be exported")}
			}
			log.Warn("no event of the newest schema can be exported: each would be a dead letter", "problem", err)
		}
		if err := rules.CheckConsents(s); err != nil {
			log.Warn("no event of the newest schema can be exported but as an exit", "problem", err)
		}
		if err := rules.CheckStatuses(s); err != nil {
			log.Warn("the newest schema has no status of a segment that is known", "problem", err)
		}
		for _, p := range rules.CheckPaths(s) {
			if p.Missing { // a writer schema that has it may come
				if p.Label {
					log.Warn("a labelled path is not in the newest schema: the label protects nothing", "key", p.Key, "problem", p.Message)
				}
				continue
			}
			unmappable = append(unmappable, cfg.Problem(p.Key, p.Message))
		}
	}
	if len(unmappable) > 0 {
		return unmappable
	}
	inForce.log = log
	for _, s := range found {
		if s != nil {
			inForce.note(s)
		}
	}
	return nil
}
