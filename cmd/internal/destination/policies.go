package destination

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kinesis-destination/schemas"
	"kinesis-destination/transform"
)

// ErrViolation is wrapped by what refuses to start because of a policy.
var ErrViolation = errors.New("the configuration violates a data governance policy")

// startLookup bounds the look at the registry before a start: a registry that is
// away holds the partitions later, it does not keep the process from starting.
const startLookup = 5 * time.Second

// labelSchemas are the schemas whose labels are weighed before a start: the
// schema file's, else the newest version of each topic's subject.
func labelSchemas(ctx context.Context, config *Config, decoder *schemas.Decoder) ([]*schemas.Schema, error) {
	if config.Source.SchemaFile != "" {
		s, err := schemas.ReadFile(config.Source.SchemaFile)
		return []*schemas.Schema{s}, err
	}
	var found []*schemas.Schema
	for _, topic := range config.Source.Kafka.TopicNames() {
		s, err := decoder.Registry().Latest(ctx, topic+"-value")
		if err != nil {
			return found, err
		}
		found = append(found, s)
	}
	return found, nil
}

// checkPolicies refuses what rule 21 refuses. Where labels cannot be looked up
// now, each writer schema is weighed when its first event arrives.
func checkPolicies(ctx context.Context, config *Config, rules *transform.Rules, decoder *schemas.Decoder, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, startLookup)
	defer cancel()
	found, err := labelSchemas(ctx, config, decoder)
	if err != nil {
		log.Warn("labels could not be read before the start; each schema is weighed when its first event arrives", "error", err)
	}
	for _, s := range found {
		if err := rules.Check(s); err != nil {
			return fmt.Errorf("%w\n%w", ErrViolation, err)
		}
	}
	if len(found) == 0 {
		if err := rules.Check(nil); err != nil {
			return fmt.Errorf("%w\n%w", ErrViolation, err)
		}
	}
	return nil
}
