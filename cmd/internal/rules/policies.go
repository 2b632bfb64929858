package rules

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// LabelSchemas are the schemas whose labels are weighed before a start: the
// schema file's, else the newest version of each topic's subject.
func LabelSchemas(ctx context.Context, config *config.Config, decoder *schemas.Decoder) ([]*schemas.Schema, error) {
	if config.Source.SchemaFile != "" {
		s, err := schemas.ReadFile(config.Source.SchemaFile)
		if err != nil {
			return nil, err
		}
		return []*schemas.Schema{s}, nil
	}
	return NewestSchemas(ctx, config, decoder.Registry())
}

// NewestSchemas are what the registry has newest for each topic; with an error,
// those that were found before it.
func NewestSchemas(ctx context.Context, config *config.Config, registry *schemas.Registry) ([]*schemas.Schema, error) {
	var found []*schemas.Schema
	for _, topic := range config.Source.Kafka.TopicNames() {
		s, err := registry.Latest(ctx, topic+"-value")
		if err != nil {
			return found, err
		}
		found = append(found, s)
	}
	return found, nil
}

// CheckBeforeStart refuses what rules 19 and 21 refuse before a start. Where schemas
// cannot be looked up now, each writer schema is weighed when its first event
// arrives.
func CheckBeforeStart(ctx context.Context, cfg *config.Config, inForce *Ruleset, decoder *schemas.Decoder, log *slog.Logger) error {
	rules := inForce.Rules
	ctx, cancel := context.WithTimeout(ctx, startLookup)
	defer cancel()
	found, err := LabelSchemas(ctx, cfg, decoder)
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
